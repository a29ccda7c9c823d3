"""What is recorded is found again, once, and nothing that is needed is tidied away."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.monitor import envelopes
from tests.monitor.five_years import HOSTS, fill, open_incident
from verifier.core.errors import CannotVerify
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import Transition
from verifier.monitor.alerts.watch import Incident, Watch, begin_watch
from verifier.monitor.delivery import Delivery
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.history.tables import HISTORY
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine, StageRun

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """Give an empty history."""
    with open_history(tmp_path / "history.sqlite") as opened:
        yield opened


def backup(host: str = "web1", *, day: int = 0, status: int = 0) -> BackupRun:
    return BackupRun(host, AT + day * DAY, 12.0, status, "0" * 64, "0.18.0", 1, 2, 3, 400, 50)


def cycle(*backups: BackupRun, day: int = 0, status: int | None = 0, run: str = "") -> CycleRun:
    stages = (StageRun("forget", AT + day * DAY + timedelta(seconds=20), 1.0, 0),)
    return CycleRun(
        "jak",
        "run-backups",
        AT + day * DAY,
        30.0,
        status,
        backups or (backup(day=day),),
        stages,
        run,
    )


def line(text: str, *, second: float = 0, run: str = "") -> LogLine:
    return LogLine(AT + timedelta(seconds=second), "jak", "run-backups", text, run)


def test_cycle_is_recorded_once(history: History) -> None:
    assert [True, False] == [history.record_cycle(cycle()) for _ in range(2)]

    (found,) = history.cycles()
    assert cycle() == found.cycle == history.cycle(found.number)


def test_unfinished_cycle_is_completed(history: History) -> None:
    history.record_cycle(replace(cycle(), status=None, duration_s=5.0, stages=()))

    assert history.record_cycle(cycle())
    assert not history.record_cycle(replace(cycle(), status=None, duration_s=5.0, stages=()))
    assert [cycle()] == [found.cycle for found in history.cycles()]


def test_a_run_under_its_invocation_is_the_one_without(history: History) -> None:
    """Journald knows an invocation and microseconds, a table of logs neither."""
    history.record_cycle(cycle(run="a" * 32), [line("Started run backups.", second=0.25)])
    again = history.record_cycle(cycle(), [line("Started run backups.")])

    assert not again
    assert 1 == len(history.cycles()) == len(history.cycle_lines(1))


def test_two_runs_of_one_second_are_two_where_that_is_known(history: History) -> None:
    history.record_cycle(cycle(run="a"))
    history.record_cycle(cycle(backup("db1"), run="b"))

    assert ["a", "b"] == [found.cycle.run for found in history.cycles()]


def test_lines_are_kept_in_their_order(history: History) -> None:
    history.record_cycle(cycle(), [line("Started run backups.")])
    history.record_cycle(cycle(), [line("last", second=9), line("first", second=1)])

    assert ["Started run backups.", "first", "last"] == [
        told.data for told in history.cycle_lines(1)
    ]


def test_last_and_last_good_backup_differ_after_a_failure(history: History) -> None:
    for day, status in enumerate((0, 0, 1)):
        history.record_cycle(cycle(backup(day=day, status=status), day=day))

    assert backup(day=2, status=1) == history.last_backup("web1")
    assert backup(day=1) == history.last_good_backup("web1")
    assert history.last_backup("other") is None


def test_backups_are_asked_for_by_host_and_time(history: History) -> None:
    for day in range(5):
        history.record_cycle(cycle(backup(day=day), backup("db1", day=day), day=day))

    assert ("db1", "web1") == history.hosts()
    assert [AT + DAY, AT + 2 * DAY] == [
        run.began_at for run in history.backups("db1", AT + DAY, AT + 3 * DAY)
    ]
    assert 4 == len(history.backups(since=AT + 3 * DAY))
    assert 2 == history.cycle_of(backup("db1", day=1))


def test_report_is_recorded_once_and_comes_back_whole(history: History) -> None:
    report = envelopes.drilled(corrupted=1)
    numbers = [history.record_report(report) for _ in range(2)]

    assert [1, None] == numbers
    assert report == history.report(1)
    (found,) = history.reports("monthly")
    assert report["verdict"] == found.verdict
    assert {"CRITICAL": 1} == found.findings["corrupted"]
    assert () == history.reports("audit")
    assert history.report(2) is None


def verified(*subjects: str, at: datetime = AT, severity: str = "CRITICAL") -> dict[str, Any]:
    """Return a report on web1 and db1 in which something is wrong with these."""
    host = {"snapshot": "0" * 64, "taken": AT.isoformat(), "files": 1, "bytes": 1, "counts": {}}
    packs = {"packs": 1, "packs_read": 1, "bytes": 1, "read_bytes": 1, "finished": True}
    hosts = [{"host": name, **host} for name in ("web1", "db1")]
    findings = [
        {"kind": "lost", "severity": severity, "subject": about, "detail": "", "evidence": {}}
        for about in subjects
    ]
    drill = {"repository": packs, "hosts": hosts, "excluded": [], "rehearsals": []}
    return {
        **envelopes.toolchain(),
        "kind": "monthly",
        "verdict": severity if findings else "OK",
        "finished": at.isoformat(),
        "findings": findings,
        "drill": drill,
    }


@pytest.mark.parametrize(
    ("subjects", "bad"),
    [
        ((), set()),
        (("web1:/srv/a",), {"web1"}),
        (("web1 /srv",), {"web1"}),
        (("db1",), {"db1"}),
        (("web10:/srv",), {"web1", "db1"}),
        (("data/0a/0a12",), {"web1", "db1"}),
    ],
)
def test_a_host_is_verified_by_what_is_about_it(
    history: History, subjects: tuple[str, ...], bad: set[str]
) -> None:
    history.record_report(verified(*subjects))
    found = history.verifications()

    assert {"web1", "db1"} == found.keys()
    assert bad == {host for host, one in found.items() if one.newest.verdict == "CRITICAL"}
    assert bad == {host for host, one in found.items() if one.good is None}


def test_a_warning_verifies_and_a_failed_look_does_not(history: History) -> None:
    history.record_report(verified("web1", severity="WARNING"))
    history.record_report(verified("web1", at=AT + DAY, severity="UNKNOWN"))
    found = history.verifications()["web1"]

    assert ("UNKNOWN", AT + DAY) == (found.newest.verdict, found.newest.at)
    assert found.good
    assert ("WARNING", AT) == (found.good.verdict, found.good.at)


def test_a_report_that_is_none_of_a_host_verifies_nothing(history: History) -> None:
    history.record_report(envelopes.failed())
    history.record_report(envelopes.planned())

    assert {} == history.verifications()


def opened(subject: str = "backup web1") -> Transition:
    return Transition("opened", subject, "warning", AT, AT, AT - DAY)


def watch(subject: str = "backup web1", *, incident: Incident | None = None) -> Watch:
    return replace(begin_watch(subject, AT - DAY), incident=incident)


def test_a_look_is_kept_whole(history: History) -> None:
    late = watch(incident=Incident(AT, told="warning", told_at=AT))
    owed = Delivery("alert", AT, {"title": "late"})
    for _ in range(2):
        history.save_look({late.subject: late}, [opened()], AT, [owed])

    assert {late.subject: late} == history.watches()
    assert AT == history.looked_at()
    assert (owed,) == history.owed()
    (incident,) = history.incidents()
    assert (True, (opened(),)) == (incident.is_open, incident.told)


def test_nobody_has_looked_at_first(history: History) -> None:
    assert (None, {}, ()) == (history.looked_at(), history.watches(), history.incidents())


def test_an_incident_ends_by_its_last_word(history: History) -> None:
    over = replace(opened(), kind="resolved", level="alarm", at=AT + 6 * HOUR)
    history.save_look({}, [opened(), over], AT)
    (incident,) = history.incidents()

    assert ("alarm", AT + 6 * HOUR) == (incident.level, incident.resolved_at)
    assert 6 * HOUR == incident.lasted(AT + DAY)
    assert () == history.incidents(AT + DAY)


def test_an_incident_in_a_silence_is_open_before_anybody_is_told(history: History) -> None:
    history.save_look({"backup web1": watch(incident=Incident(AT))}, [], AT)
    (incident,) = history.incidents(AT)

    assert (True, "warning", ()) == (incident.is_open, incident.level, incident.told)


def test_a_silence_may_be_longer_and_end_early(history: History) -> None:
    silence = Silence("backup *", AT, AT + HOUR)
    longer = replace(silence, until_at=AT + DAY)
    told = [history.add_silence(one, "work") for one in (silence, silence, longer)]

    assert [True, False, True] == told
    assert [True, False] == [history.end_silence(1, AT + HOUR) for _ in range(2)]
    assert [(silence, "work")] == [(past.silence, past.reason) for past in history.silences()]


def test_what_is_owed_stays_until_it_is_sent(history: History) -> None:
    first, second = (Delivery("log", AT, {"data": text}) for text in ("a", "b"))
    history.owe([first, second, first])

    assert [first.id, second.id] == [delivery.id for delivery in history.owed()]
    history.sent([first])
    assert (second,) == history.owed()


def test_a_cursor_is_kept(history: History) -> None:
    assert "" == history.cursor("journal run-backups")
    history.set_cursor("journal run-backups", "s=1")
    history.set_cursor("journal run-backups", "s=2")

    assert ("s=2", "") == (history.cursor("journal run-backups"), history.cursor("other"))


def test_what_fails_half_way_leaves_nothing(history: History) -> None:
    with pytest.raises(KeyError), history.together():  # noqa: PT012
        history.record_cycle(cycle())
        history.set_cursor("journal", "s=1")
        raise KeyError

    assert ((), "") == (history.cycles(), history.cursor("journal"))


def test_tidying_keeps_what_is_new_open_or_the_last_of_something(history: History) -> None:
    for day in range(10):
        names = ("web1",) if day else ("web1", "gone")
        runs = (backup(name, day=day, status=day % 2) for name in names)
        history.record_cycle(cycle(*runs, day=day))
        history.record_report(verified(at=AT + day * DAY))
        history.record_report(verified("web1", at=AT + day * DAY + HOUR))
    late = watch(incident=Incident(AT, told="warning", told_at=AT))
    over = replace(opened("backup db1"), kind="resolved", at=AT + HOUR)
    told = [opened(), opened("backup db1"), over]
    history.save_look({late.subject: late}, told, AT)
    history.add_silence(Silence("backup *", AT, AT + HOUR), "over")
    history.add_silence(Silence("backup *", AT + HOUR, AT + 90 * DAY), "not over")
    removed = history.tidy(2 * DAY, AT + 30 * DAY)

    assert [0, 8, 9] == [(one.cycle.began_at - AT).days for one in history.cycles()]
    assert (7, 7) == (removed.cycles, removed.backups)
    assert history.last_good_backup("gone") == backup("gone")
    assert [AT + 9 * DAY + HOUR, AT + 9 * DAY] == [one.finished_at for one in history.reports()]
    assert ["backup web1"] == [incident.subject for incident in history.incidents()]
    assert ["not over"] == [past.reason for past in history.silences()]
    assert 0 == history.tidy(2 * DAY, AT + 30 * DAY).cycles


def test_tidying_a_young_history_removes_nothing(history: History) -> None:
    history.record_cycle(cycle())
    history.record_report(verified())

    assert {0} == set(astuple(history.tidy(30 * DAY, AT + 29 * DAY)))


def _made(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (("CREATE TABLE t (a)",), "no history"),
        (
            (
                f"PRAGMA application_id = {HISTORY.application}",
                f"PRAGMA user_version = {HISTORY.version + 1}",
            ),
            "newer",
        ),
        (("PRAGMA application_id = 1",), "no history"),
    ],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_no_history_is_refused_and_not_touched(
    tmp_path: Path, content: tuple[str, ...], message: str, read_only: bool
) -> None:
    path = tmp_path / "other.sqlite"
    _made(path, *content)
    before = path.read_bytes()

    with pytest.raises(CannotVerify, match=message), open_history(path, read_only=read_only):
        pass
    assert before == path.read_bytes()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_text_file_is_no_history(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "text"
    path.write_text("hello " * 1_000)

    with pytest.raises(CannotVerify, match="no history"), open_history(path, read_only=read_only):
        pass


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_no_file_is_no_history(
    tmp_path: Path, make: Callable[[Path], None], read_only: bool
) -> None:
    path = tmp_path / "history.sqlite"
    make(path)
    with pytest.raises(CannotVerify, match="no file"), open_history(path, read_only=read_only):
        pass


def test_reading_makes_no_history(tmp_path: Path) -> None:
    path = tmp_path / "none" / "history.sqlite"

    with pytest.raises(CannotVerify, match="no history yet"), open_history(path, read_only=True):
        pass
    assert not path.parent.exists()


def test_a_reader_writes_nothing_and_sees_what_is_written_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with open_history(path) as writer, open_history(path, read_only=True) as reader:
        writer.record_cycle(cycle())

        assert 1 == len(reader.cycles())
        with pytest.raises(CannotVerify, match="cannot be written"):
            reader.record_cycle(cycle(day=1))


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with open_history(path) as first, open_history(path) as second, ThreadPoolExecutor() as pool:
        with first.together():
            first.record_cycle(cycle())
            waiting = pool.submit(second.record_cycle, cycle(day=1))
            assert not waiting.done()
        assert waiting.result()

    with open_history(path) as history:
        assert 2 == len(history.cycles())


def test_no_question_walks_through_everything(history: History) -> None:
    """Every question about a host or a time goes by an index, however much there is."""
    fill(history, days=40, hosts=HOSTS[:5])
    open_incident(history)
    history.store.connection.execute("ANALYZE")
    asked: list[str] = []
    history.store.connection.set_trace_callback(asked.append)
    history.hosts()
    history.last_backup(HOSTS[0])
    history.last_good_backup(HOSTS[0])
    history.backups(HOSTS[0], AT)
    history.backups(since=AT)
    history.cycles(AT)
    history.last_cycle()
    history.cycle_of(backup(HOSTS[0]))
    history.cycle_lines(1)
    history.report(1)
    history.reports("monthly", 3)
    history.reports(limit=3)
    history.store.connection.set_trace_callback(None)

    plans = {query: history.store.rows(f"EXPLAIN QUERY PLAN {query}") for query in asked}
    walks = {
        query: step[3]
        for query, plan in plans.items()
        for step in plan
        if re.match(r"SCAN (backups|cycles|lines|reports|stages|transitions)\b(?! USING)", step[3])
    }
    assert len(asked) > 12
    assert {} == walks


def test_a_history_without_a_table_holds_nothing_yet(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.touch()

    with pytest.raises(CannotVerify, match="nothing yet"), open_history(path, read_only=True):
        pass
    with open_history(path) as history:
        assert () == history.hosts()
    with open_history(path, read_only=True) as history:
        assert () == history.hosts()
