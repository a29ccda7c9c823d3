"""Links that Sphinx does not check: those of README, and where links lead outside."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.pages import PAGES
from tests.house.tree import ROOT

_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_NAMED = re.compile(r"(?<![\w/])docs/[\w.-]+\.(?:md|json)")


def _targets(page: Path) -> list[str]:
    return [found["target"] for found in _LINK.finditer(page.read_text(encoding="utf-8"))]


def _is_well_formed(target: str) -> bool:
    """Say whether a link outside names a host by https; they are not followed."""
    parts = urlsplit(target)
    return parts.scheme == "https" and re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_outside_are_well_formed(page: Path) -> None:
    outside = [target for target in _targets(page) if "://" in target]

    assert [] == [target for target in outside if not _is_well_formed(target)]


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_files_that_a_link_names_are_there(page: Path) -> None:
    inside = [target.partition("#")[0] for target in _targets(page) if "://" not in target]

    assert [] == [target for target in inside if target and not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_that_are_named_are_there(page: Path) -> None:
    named = _NAMED.findall(page.read_text(encoding="utf-8"))

    assert [] == [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize(
    ("target", "good"),
    [
        ("https://restic.net", True),
        ("https://github.com/in-toto/attestation", True),
        ("http://restic.net", False),
        ("https://restic", False),
        ("https:/restic.net", False),
    ],
)
def test_malformed_link_is_seen(target: str, good: bool) -> None:
    assert good is _is_well_formed(target)
