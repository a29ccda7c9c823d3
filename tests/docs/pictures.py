"""Take the pictures of the documentation: what the tutorial made, and a dashboard with a history.

Run by `ci/pictures`. The pictures are looked at by people; no test compares them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, sync_playwright

from tests.docs.pages import DOCS
from tests.docs.tutorial import READER, WRITTEN, written_anew
from tests.evidence import year
from tests.evidence.chain import make_keys
from tests.house.tree import ROOT
from tests.monitor.dashboard import ground
from verifier.cli.main import main as restic_verify
from verifier.monitor.evidence.sign import signed
from verifier.monitor.history.memory import open_history

PICTURES = DOCS / "pictures"
PORT = 18_642
WIDTH, MARGIN = 960, 16


def _shoot(browser: Browser, url: str, name: str, last: str) -> None:
    """Take a page down to the end of the first element that a selector names."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 800}, color_scheme="light")
    page.goto(url)
    box = page.locator(last).first.bounding_box()
    assert box is not None, f"{last} is on no page"
    height = box["y"] + box["height"] + MARGIN
    clip: FloatRect = {"x": 0, "y": 0, "width": WIDTH, "height": height}
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True, clip=clip)
    page.close()


def _as_read(page: Path) -> Path:
    """Return a page of the tutorial with the reader's folder in it."""
    page.write_text(page.read_text(encoding="utf-8").replace(str(WRITTEN), READER), "utf-8")
    return page


def _controls(folder: Path) -> Path:
    """Make the page of a year, and return it."""
    keys = make_keys(folder)
    for report in year.year(copied=True):
        made = signed(report, keys.private, folder / "evidence")
    line = ("report", "controls", str(folder / "evidence"), "--key", str(keys.public))
    days = ("--since", "2025-12-01", "--until", "2026-11-25", "--last", made.sha256)
    status = restic_verify([*line, *days, "--html", str(folder), "--report", str(folder / "r")])
    assert status == 0
    return folder / "controls.html"


@contextmanager
def _dashboard(folder: Path) -> Iterator[str]:
    """Serve a history in which one host has missed a night."""
    file = folder / "history.sqlite"
    with open_history(file) as history:
        ground.fill(history, days=100, failed=lambda back: ("db1",) if back == 0 else ())
        for days_ago in (88, 58, 27):
            ground.verify(history, days_ago=days_ago, others=ground.HOSTS[1:])
        watch, told = ground.incident("db1", hours_ago=5.4)
        history.save_look({watch.subject: watch}, (told,), ground.NOW)
    words = json.dumps({"history": str(file), "port": PORT})
    line = [sys.executable, "-m", "tests.monitor.dashboard.serving", words]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        serving.stdout.readline()
        try:
            yield f"http://127.0.0.1:{PORT}/"
        finally:
            serving.terminate()


def main() -> None:
    """Take them all."""
    PICTURES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
        tempfile.TemporaryDirectory() as name,
        written_anew() as tutorial,
    ):
        proof, report = (_as_read(tutorial / one / "index.html") for one in ("proof", "report"))
        _shoot(browser, proof.as_uri(), "proof", "details figure")
        _shoot(browser, report.as_uri(), "monthly", "section:has-text('Groups under')")
        _shoot(browser, _controls(Path(name)).as_uri(), "controls", "table.controls")
        with _dashboard(Path(name)) as url:
            _shoot(browser, url, "dashboard", "section:has(table.hosts)")


if __name__ == "__main__":
    main()
