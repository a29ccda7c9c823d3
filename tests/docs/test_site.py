"""The site is built without a warning: no broken link, no page that nothing leads to."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.house.tree import ROOT

pytestmark = pytest.mark.heavy


def _build(docs: Path, into: Path) -> tuple[int, str]:
    """Build a copy of the pages as `ci/docs` does."""
    line = next(
        line.split() for line in (ROOT / "ci" / "docs").read_text().splitlines() if "-build" in line
    )
    options = line[1 : line.index("-d")]
    ended = subprocess.run(
        [Path(sys.executable).with_name("sphinx-build"), *options, docs, into],
        check=False,
        capture_output=True,
        text=True,
    )
    return ended.returncode, ended.stderr


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """The pages beside the version that they name."""
    shutil.copytree(DOCS, tmp_path / "docs")
    (tmp_path / "verifier").mkdir()
    shutil.copy(ROOT / "verifier" / "__init__.py", tmp_path / "verifier")
    return tmp_path / "docs"


def test_site_is_built_without_a_warning(docs: Path, tmp_path: Path) -> None:
    assert (0, "") == _build(docs, tmp_path / "site")
    pages = {page.stem for page in docs.glob("*.md")}
    assert pages <= {page.stem for page in (tmp_path / "site").glob("*.html")}


def test_what_leads_nowhere_is_an_error(docs: Path, tmp_path: Path) -> None:
    """A page, heading, picture and label that are not there, and a page without a way to it."""
    gone = {
        "[gone](no-such-page.md)": "no-such-page.md",
        "[gone](alerts.md#no-such-heading)": "no-such-heading",
        "![gone](no-such-picture.png)": "no-such-picture.png",
        "{ref}`no-such-label`": "no-such-label",
    }
    with (docs / "index.md").open("a") as index:
        index.writelines(f"\n{text}\n" for text in gone)
    (docs / "stray.md").write_text("# Stray\n")
    status, errors = _build(docs, tmp_path / "site")

    assert status != 0
    assert [] == [said for said in gone.values() if said not in errors]
    assert "stray.md: WARNING: document isn't included in any toctree" in errors
