"""The pages in a real Chromium: nothing is complained of, all can be read, by eye and keyboard."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.house.tree import ROOT
from tests.monitor import envelopes
from tests.monitor.dashboard.ground import DAY, HOSTS, NOW, TOKEN, fill, incident, verify
from tests.monitor.dashboard.test_pages import HOSTILE
from verifier.monitor.dashboard import links
from verifier.monitor.history.memory import open_history

pytestmark = pytest.mark.heavy

CHROMIUM = "/usr/bin/chromium"
LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")
PLACES = (
    "/",
    "/durations?days=365",
    links.host(HOSTILE, "365"),
    "/cycles",
    "/cycles/100",
    "/coverage",
    links.link("/retention", host="db1"),
    "/reports",
    "/reports/1",
    "/reports/5",
    "/nothing",
)
SIZES = {"wide": (1280, 900), "phone": (360, 740)}


@contextmanager
def serving(history: Path, **asked: Any) -> Iterator[str]:
    """Serve a history; give the address."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    words = json.dumps({"history": str(history), "port": port, **asked})
    line = (sys.executable, "-m", "tests.monitor.dashboard.serving", words)
    with subprocess.Popen(line, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert b"listening\n" == process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of a bad week, in which a host has a hostile name."""
    file = tmp_path_factory.mktemp("troubled") / "h.sqlite"
    hosts = (*HOSTS, HOSTILE)
    watch, told = incident(HOSTILE, hours_ago=30)
    with open_history(file) as history:
        fill(history, days=120, hosts=hosts, last=2, failed=lambda n: hosts[3:] if n < 9 else ())
        verify(history, days_ago=60, host=HOSTILE)
        verify(history, days_ago=40, corrupted=3, host=HOSTILE)
        verify(history, days_ago=39, host="web1")
        history.record_report(envelopes.planned(HOSTILE))
        history.record_report(envelopes.simulated(days=40, fidelity="cycle"))
        history.save_look({watch.subject: watch}, [told], NOW - DAY)
    return file


@pytest.fixture(scope="module")
def address(troubled: Path) -> Iterator[str]:
    """Where the pages of the bad week are."""
    with serving(troubled, hosts=[*HOSTS, HOSTILE]) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def looking(
    chromium: Browser, address: str, *, scheme: Any = "light", size: str = "wide"
) -> Iterator[tuple[Page, list[str]]]:
    """Open a window; give it and what is complained of in it."""
    width, height = SIZES[size]
    viewport: Any = {"width": width, "height": height}
    context = chromium.new_context(color_scheme=scheme, viewport=viewport)
    page = context.new_page()
    page.set_default_timeout(15_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(address) else said.append(f"to {asked.url}"),
    )
    yield page, said
    context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_pages_can_be_read(chromium: Browser, address: str, scheme: str, size: str) -> None:
    flaws = {}
    with looking(chromium, address, scheme=scheme, size=size) as (page, said):
        for place in PLACES:
            page.goto(address + place)
            # What is folded away is read, too.
            page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
            found = page.evaluate(LOOKS)
            # That a page is not there is told on the console by Chromium itself.
            found += [line for line in said if "404" not in line]
            said.clear()
            if found:
                flaws[place] = found

    assert {} == flaws


@pytest.mark.parametrize(
    ("html", "flaw"),
    [
        ("<p style='color:#888;background:#fff'>grey</p>", "contrast 3.54"),
        ("<div style='width:3000px'>x</div>", "wider than the window"),
        ("<table><tr><td>1</td></tr></table>", "a table without headings"),
        ("<svg role=img></svg>", "a picture without a name"),
        ("<input>", "a field without a label"),
        ("<h3>x</h3>", "heading 3 after 0"),
    ],
)
def test_flaw_of_a_page_is_seen(chromium: Browser, html: str, flaw: str) -> None:
    page = chromium.new_page()
    page.set_content(f"<header class=bar></header><main>{html}</main><footer></footer>")
    found = page.evaluate(LOOKS)
    page.close()

    assert any(flaw in one for one in found), found


def test_script_in_a_page_would_not_run(chromium: Browser, address: str) -> None:
    with looking(chromium, address) as (page, said):
        page.goto(address)
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            " { textContent: 'alert(1)' }))"
        )

    assert any("Content Security Policy" in line for line in said)
    assert not any(line.startswith("dialog") for line in said)


def test_keyboard_reaches_everything_in_order(chromium: Browser, address: str) -> None:
    reached = []
    with looking(chromium, address) as (page, _):
        page.goto(address)
        wanted = page.evaluate(
            "[...document.querySelectorAll('a, button, select, input, [tabindex=\"0\"]')]"
            ".map(e => e.textContent.trim().slice(0, 30))"
        )
        for _ in wanted:
            page.keyboard.press("Tab")
            words, outline = page.evaluate(
                "(e => [e.textContent.trim().slice(0, 30), getComputedStyle(e).outlineStyle])"
                "(document.activeElement)"
            )
            assert "solid" == outline, words
            reached.append(words)
        page.goto(address)
        page.keyboard.press("Tab")
        skip = page.evaluate("document.activeElement.getBoundingClientRect().left")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        after = page.evaluate("document.activeElement.closest('main') !== null")

    assert wanted == reached
    assert "Skip to the content" == reached[0]
    assert skip >= 0
    assert after


def test_token_is_asked_once(chromium: Browser, troubled: Path) -> None:
    with serving(troubled, token=TOKEN) as address, looking(chromium, address) as (page, said):
        page.goto(f"{address}/cycles")
        assert page.url == f"{address}/login"
        assert [] == page.evaluate(LOOKS)
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        page.get_by_label("Token of [dashboard]").fill(TOKEN)
        page.get_by_role("button", name="Come in").click()
        page.wait_for_url(f"{address}/")
        assert "" == page.evaluate("document.cookie")
        page.goto(f"{address}/cycles")
        page.get_by_role("button", name="Leave").click()
        page.wait_for_url(f"{address}/login")
        page.goto(f"{address}/cycles")
        assert page.url == f"{address}/login"

    assert [] == [line for line in said if "401" not in line]


def test_choice_of_a_host_leads_to_it(chromium: Browser, address: str) -> None:
    with looking(chromium, address) as (page, _):
        page.goto(f"{address}/retention")
        page.get_by_label("Host").select_option(links.quoted(HOSTILE))
        page.get_by_role("button", name="Show").click()
        page.get_by_role("heading", name="Restore points of </title>").wait_for()
