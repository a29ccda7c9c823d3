"""What pages are shown with: a style and an icon a state, each under a name made of its content."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from verifier.core.finding import Verdict
from verifier.monitor.render.environment import environment

PACKAGE = "verifier.monitor.dashboard"

GLYPHS = {
    Verdict.OK: "M7 12.5l3.4 3.4L17 9",
    Verdict.WARNING: "M12 6.5v7M12 17v.01",
    Verdict.CRITICAL: "M8 8l8 8M16 8l-8 8",
    Verdict.UNKNOWN: "M9.2 9.3a2.8 2.8 0 1 1 3.9 2.9c-.8.4-1.1.9-1.1 1.8M12 17.3v.01",
}
"""A sign for each verdict, in a square of 24: it is told from the others without its colour."""

_PLAIN = "M6 8h12M6 12h12M6 16h8"

_COLOURS = {
    Verdict.OK: "#1a7f37",
    Verdict.WARNING: "#b36b00",
    Verdict.CRITICAL: "#c22f26",
    Verdict.UNKNOWN: "#6547b4",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that never changes under its name."""

    path: str
    media_type: str
    body: bytes

    @property
    def integrity(self) -> str:
        """Its digest, as a page names it."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self.body).digest()).decode()


@cache
def style() -> Asset:
    """Return the style of every page: that of reports, and what the dashboard adds."""
    text = environment(PACKAGE).get_template("dashboard.css.j2").render()
    return _asset("style", "css", "text/css", text)


@cache
def icon(verdict: Verdict | None) -> Asset:
    """Return the icon of a state, so that a tab tells it too; a plain one for None."""
    colour, sign = (_COLOURS[verdict], GLYPHS[verdict]) if verdict else ("#6b7580", _PLAIN)
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
        f'<circle cx="12" cy="12" r="12" fill="{colour}"/>'
        f'<path d="{sign}" fill="none" stroke="#fff" stroke-width="2.4" '
        'stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )
    return _asset(verdict.name.lower() if verdict else "plain", "svg", "image/svg+xml", text)


@cache
def assets() -> Mapping[str, Asset]:
    """Return every asset by its path."""
    return {asset.path: asset for asset in (style(), icon(None), *map(icon, Verdict))}


def _asset(name: str, kind: str, media_type: str, text: str) -> Asset:
    body = text.encode()
    digest = hashlib.sha256(body).hexdigest()[:16]
    return Asset(f"/static/{name}-{digest}.{kind}", media_type, body)
