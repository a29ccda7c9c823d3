"""Pictures read back as XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree


def parsed(svg: str) -> ElementTree.Element:
    """Parse one picture; it must be well-formed XML."""
    return ElementTree.fromstring(svg)  # noqa: S314 (our own text, and it must parse)


def pictures(html: str) -> list[ElementTree.Element]:
    """Return every picture of a page, in its order."""
    found = re.findall(r'<svg class="picture".*?</svg>(?=</div>)', html, re.DOTALL)
    return [parsed(svg) for svg in found]
