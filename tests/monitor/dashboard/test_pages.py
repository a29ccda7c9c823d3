"""Every page is whole, obeys no name, runs nothing, and says what it cannot show."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.monitor import envelopes
from tests.monitor.dashboard.ground import (
    DAY,
    HOSTS,
    NOW,
    ZONE,
    application,
    ask,
    cycle,
    fill,
    incident,
    look,
    terms,
    verify,
)
from tests.monitor.test_ledger import ledger, run, scope
from tests.monitor.test_page import _Reading
from verifier.core.snapshot import Snapshot
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.dashboard import links
from verifier.monitor.dashboard.terms import Reading
from verifier.monitor.history.memory import open_history
from verifier.monitor.render.wording import printable

HOSTILE = "</title><script>alert(1)</script>\x1b[31m\u202egnp\n\"'&#x"
PAGES = (
    "/",
    "/?refresh=60",
    "/durations",
    "/durations?days=1830",
    links.host("web1", "365"),
    "/cycles",
    "/cycles/1",
    "/coverage",
    "/retention",
    "/retention?host=db1",
    "/reports",
    "/reports?kind=audit",
    "/reports/1",
    "/nothing",
    "/durations?host=nobody",
    "/cycles?before=x",
)
_OURS = re.compile(r"/(?!/)|#content$")


def read(html: str) -> _Reading:
    """Read a page as a browser would; it must be balanced."""
    reading = _Reading(html)

    assert [] == reading.open
    return reading


@pytest.mark.parametrize("place", PAGES)
def test_page_is_whole_and_runs_nothing(ordinary: Path, place: str) -> None:
    answer = ask(application(ordinary), place)
    reading = read(answer.text)

    assert "text/html; charset=utf-8" == answer.headers["content-type"]
    assert {"main", "h1", "title", "nav"} <= set(reading.tags)
    assert 1 == reading.tags.count("main") == reading.tags.count("h1")
    assert not {"script", "iframe", "object", "base", "img", "style"} & set(reading.tags)
    named = dict(reading.attributes)
    assert "style" not in named
    assert not [name for name in named if name.startswith("on")]
    places = [value for name, value in reading.attributes if name in {"href", "src", "action"}]
    assert [] == [value for value in places if not _OURS.match(value)]


@pytest.mark.parametrize("place", PAGES)
def test_page_of_an_empty_history_is_whole_too(tmp_path: Path, place: str) -> None:
    with open_history(tmp_path / "h.sqlite"):
        pass
    answer = ask(application(tmp_path / "h.sqlite"), place)
    read(answer.text)

    assert answer.status_code in {200, 400, 404}


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("/", 200),
        ("/cycles/100", 200),
        ("/cycles/101", 404),
        (f"/cycles/{1 << 80}", 404),
        ("/cycles/x", 404),
        ("/reports/9", 404),
        ("/durations?days=7", 400),
        ("/durations?host=nobody", 404),
        ("/durations?host=%ff%00", 404),
        ("/retention?host=nobody", 404),
        ("/cycles?before=-1", 400),
        ("/reports?page=0", 400),
        ("/?refresh=x", 400),
    ],
)
def test_what_is_not_there_is_said(ordinary: Path, place: str, status: int) -> None:
    assert status == ask(application(ordinary), place).status_code


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history in which every text that others write is a hostile one."""
    file = tmp_path_factory.mktemp("hostile") / "h.sqlite"
    today = NOW.astimezone(ZONE).date()
    held, log = cycle(today, ("web1", HOSTILE), failed=(HOSTILE,))
    backups = tuple(
        replace(one, restic=HOSTILE, message=HOSTILE, snapshot=HOSTILE) for one in held.backups
    )
    stages = tuple(replace(one, name=HOSTILE) for one in held.stages[:1])
    held = replace(held, coordinator=HOSTILE, service=HOSTILE, backups=backups, stages=stages)
    watch, told = incident(HOSTILE, hours_ago=3)
    with open_history(file) as history:
        history.record_cycle(held, [replace(line, service=HOSTILE, data=HOSTILE) for line in log])
        fill(history, days=9, last=1, hosts=("web1", HOSTILE))
        verify(history, days_ago=3, corrupted=2, host=HOSTILE)
        history.save_look({watch.subject: watch}, [told], NOW)
    return file


@pytest.mark.parametrize(
    "place",
    [
        "/",
        "/durations",
        links.host(HOSTILE),
        "/cycles",
        "/cycles/1",
        "/coverage",
        links.link("/retention", host=HOSTILE),
        "/reports/1",
    ],
)
@pytest.mark.parametrize("expected", [True, False])
def test_hostile_name_is_shown_as_what_it_is(hostile: Path, place: str, expected: bool) -> None:
    held = terms((*HOSTS, HOSTILE) if expected else HOSTS)
    answer = ask(application(hostile, held), place)
    reading = read(answer.text)

    assert 200 == answer.status_code
    assert "script" not in reading.tags
    assert printable(HOSTILE) in "".join(reading.text)
    assert all(line.isprintable() for line in answer.text.splitlines())


@pytest.mark.parametrize("host", [HOSTILE, "a/b", "a?b&c=d#e", "%41", "..", "ü", "x" * 300])
def test_link_to_a_host_leads_to_it(tmp_path: Path, host: str) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        fill(history, days=2, hosts=(host,))
    app = application(tmp_path / "h.sqlite")
    answer = ask(app, links.host(host))

    assert 200 == answer.status_code
    assert printable(host) in "".join(read(answer.text).text)


def test_undecodable_name_of_a_host_is_shown(ordinary: Path) -> None:
    host = "caf\udce9"
    held = terms((*HOSTS, host))

    for place in ("/", links.host(host), links.link("/retention", host=host), "/durations"):
        answer = ask(application(ordinary, held), place)
        assert 200 == answer.status_code
        assert "caf\\xe9" in answer.text


def test_long_log_is_shown_in_parts(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        fill(history, days=1, lines=1_000)
    app = application(tmp_path / "h.sqlite")
    first, last = ask(app, "/cycles/1").text, ask(app, "/cycles/1?page=3").text

    assert "line 0 of the log" in first
    assert "line 400 of the log" not in first
    assert "Later lines" in first
    assert "Earlier lines" not in first
    assert "Finished run backups." in last
    assert "Later lines" not in last


def test_list_of_cycles_goes_on(ordinary: Path) -> None:
    app = application(ordinary)
    first = ask(app, "/cycles").text
    found = re.search(r'href="(/cycles\?before=\d+)"', first)

    assert found is not None
    rest = ask(app, found.group(1)).text
    numbers = [set(re.findall(r'"/cycles/(\d+)"', text)) for text in (first, rest)]
    assert (60, 40) == (len(numbers[0]), len(numbers[1]))
    assert not numbers[0] & numbers[1]


def test_report_is_the_one_that_is_mailed(ordinary: Path) -> None:
    answer = ask(application(ordinary), "/reports/1").text

    for shown in ("29,720 of 30,000 files", "Restore rehearsal", "Off-site copy", "restic 0.18.0"):
        assert shown.replace("restic 0.18.0", "0.18.0") in answer


@pytest.mark.parametrize(
    "report", [envelopes.failed(), envelopes.planned(), envelopes.simulated(days=40)]
)
def test_any_report_is_shown(tmp_path: Path, report: dict[str, object]) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        number = history.record_report(report)
    answer = ask(application(tmp_path / "h.sqlite"), f"/reports/{number}")
    read(answer.text)

    assert 200 == answer.status_code
    assert str(report["verdict"]) in answer.text


def test_page_of_restore_points_says_where_they_come_from(ordinary: Path) -> None:
    snapshots = (Snapshot("f" * 64, NOW - DAY, "web1", ("/etc", "/srv")),)
    cases = {
        "The repository itself was not asked": None,
        "could not be read: it is being read for the first time": Reading(None, None),
        "could not be read: no key opens": Reading(None, None, "no key opens"),
        "Read from the repository 2 h ago": Reading(snapshots, NOW - DAY / 12),
        "Since then it could not be read: gone": Reading(snapshots, NOW - DAY, "gone"),
    }
    for said, reading in cases.items():
        held = terms(reading=lambda reading=reading: reading)
        text = ask(application(ordinary, held), "/retention?host=web1").text
        assert said in text
        assert ("ffffffff" in text) is bool(reading and reading.snapshots)


def test_ledger_is_on_the_page_of_proofs_where_it_can_be_read(ordinary: Path) -> None:
    section = ledger(scope((0, 3, 30), (None, 1, 10)), runs=(run(),))
    shown = ask(application(ordinary, terms(ledger=lambda: section)), "/coverage").text
    read(shown)

    assert "What was proven how long ago" in shown
    assert "Last runs" in shown
    assert "There is none yet" in ask(application(ordinary), "/coverage").text


def test_history_that_is_gone_is_said_with_a_remedy(tmp_path: Path) -> None:
    for place in ("/", "/cycles", "/api/now", "/healthz"):
        answer = ask(application(tmp_path / "h.sqlite"), place)

        assert 503 == answer.status_code
        assert "there is no history yet" in answer.text
        assert "run collect" in answer.text.lower()


def test_page_asks_again_only_where_the_reader_wants_it(ordinary: Path) -> None:
    app = application(ordinary)

    assert 'http-equiv="refresh"' not in ask(app, "/").text
    assert '<meta http-equiv="refresh" content="60">' in ask(app, "/?refresh=60").text


def test_open_incident_is_on_the_first_page(tmp_path: Path) -> None:
    watch, told = incident("db1", hours_ago=3)
    with open_history(tmp_path / "h.sqlite") as history:
        fill(history, days=3)
        history.save_look({watch.subject: watch}, [told], NOW)
    text = ask(application(tmp_path / "h.sqlite"), "/").text

    assert "Open incidents" in text
    assert "backup db1" in text


def test_silence_is_on_the_first_page_until_it_ends(ordinary: Path) -> None:
    silence = Silence("backup web*", NOW - DAY, NOW + DAY)
    held = terms(silences=lambda _history: [silence])

    for now, shown in ((NOW - DAY, True), (NOW, True), (NOW + DAY, False)):
        text = ask(application(ordinary, held, now=now), "/").text
        assert shown is ("Nothing new is told of <b>backup web*</b> until Sun 2026-11-29" in text)


def test_every_page_but_reports_is_small(ordinary: Path) -> None:
    app = application(ordinary)

    for place in PAGES:
        assert len(ask(app, place).content) < 150_000


def test_look_of_the_ground_is_recorded(tmp_path: Path) -> None:
    with open_history(tmp_path / "h.sqlite") as history:
        look(history)
        assert history.looked_at() is not None
