"""What the coordinator and the hosts print becomes cycles, whatever stands between it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from verifier.monitor.cycles import dated, parse_log
from verifier.monitor.history.absorb import absorb
from verifier.monitor.history.memory import open_history
from verifier.monitor.spoken import Unit, forms, parse_unit, reduced
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine, StageRun

CASES = Path(__file__).parents[1] / "cases" / "restic"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUMMARY = {
    "message_type": "summary",
    "files_new": 1,
    "files_changed": 2,
    "files_unmodified": 3,
    "total_bytes_processed": 400,
    "data_added": 50,
    "total_duration": 1.5,
    "snapshot_id": "0" * 64,
}
WEB = (
    "restic host=web1 version=0.18.0",
    json.dumps(SUMMARY),
    "backup host=web1 status=0 duration_s=12",
)
LOCKED = (
    '{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}',
    "backup host=db1 status=12 duration_s=2",
)
REST = ("forget status=0 duration_s=1", "prune status=0 duration_s=30")
STARTED = "Started run backups."
WELL = ("run status=0 duration_s=43", "Finished run backups.")
ILL = ("run status=1 duration_s=45", "Failed run backups.")

WEB_RUN = BackupRun("web1", AT, 12.0, 0, "0" * 64, "0.18.0", 1, 2, 3, 400, 50)


def run(*texts: str, at: datetime = AT, host: str = "jak", unit: str = "") -> list[LogLine]:
    """Return lines of one run, dated as they are printed."""
    return [replace(line, run=unit) for line in dated(texts, host, "run-backups", at)]


def systemd(text: str, *, at: datetime = AT, host: str = "jak", unit: str = "") -> LogLine:
    return LogLine(at, host, "systemd", text, unit)


def parsed(lines: Iterable[LogLine]) -> tuple[CycleRun, ...]:
    return tuple(log.cycle for log in parse_log(lines))


def only(lines: Iterable[LogLine]) -> CycleRun:
    (found,) = parsed(lines)
    return found


def test_a_run_is_its_backups_and_stages() -> None:
    second = timedelta(seconds=1)

    assert (
        CycleRun(
            "jak",
            "run-backups",
            AT,
            45.0,
            1,
            (
                WEB_RUN,
                BackupRun(
                    "db1", AT + 12 * second, 2.0, 12, message="wrong password or no key found"
                ),
            ),
            (
                StageRun("forget", AT + 14 * second, 1.0, 0),
                StageRun("prune", AT + 15 * second, 30.0, 0),
            ),
        )
    ) == only(run(STARTED, *WEB, *LOCKED, *REST, *ILL))


@pytest.mark.parametrize("release", ["0.14.0", "0.18.0", "0.19.1"])
def test_the_summary_of_every_release_is_read(release: str) -> None:
    case = json.loads((CASES / release / "backup.json").read_text("utf-8"))
    printed = case["stdout"].splitlines()
    found = only(run(STARTED, *printed, "backup host=web1 status=0 duration_s=1", *WELL))

    (backup,) = found.backups
    (summary,) = [json.loads(line) for line in printed if '"summary"' in line]
    assert (summary["snapshot_id"], summary["files_new"], summary["data_added"]) == (
        backup.snapshot,
        backup.files_new,
        backup.added_bytes,
    )


@pytest.mark.parametrize("release", ["0.14.0", "0.18.0", "0.19.1"])
def test_what_restic_gave_up_for_is_told(release: str) -> None:
    case = json.loads((CASES / release / "wrong-password.json").read_text("utf-8"))
    printed = case["stderr"].splitlines()
    status = f"backup host=web1 status={case['status']} duration_s=1"

    assert "wrong password" in only(run(STARTED, *printed, status, *ILL)).backups[0].message


def test_unreadable_files_are_counted_once() -> None:
    unread = [
        json.dumps({"message_type": "error", "error": {}, "during": during, "item": item})
        for item in ("/a", "/b")
        for during in ("scan", "archival")
    ]
    texts = (STARTED, *unread, WEB[1], "backup host=web1 status=3 duration_s=12", *ILL)

    assert [2] == [backup.errors for backup in only(run(*texts)).backups]


def test_a_host_that_cannot_be_reached_says_why() -> None:
    refused = "ssh: connect to host web1 port 50000: Connection refused"
    found = only(run(STARTED, refused, "backup host=web1 status=255 duration_s=0", *ILL))

    assert [refused] == [backup.message for backup in found.backups]


def test_a_locked_key_is_a_stage_that_failed() -> None:
    locked = "password status=3 reason=key-file-absent"
    found = only(run(STARTED, locked, "run status=3 duration_s=0", "Failed run backups."))

    assert (3, (StageRun("password", AT, 0.0, 3),), ()) == (
        found.status,
        found.stages,
        found.backups,
    )


def test_a_run_that_is_not_over_has_no_status() -> None:
    found = only(run(STARTED, *WEB))

    assert (None, 12.0, (WEB_RUN,)) == (found.status, found.duration_s, found.backups)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (("Failed to start run backups.",), 1),
        (("Failed to start run-backups.service - run backups.",), 1),
        (
            (
                "run-backups.service: Main process exited, code=killed, status=9/KILL",
                "Failed to start run backups.",
            ),
            137,
        ),
        (("Finished run-backups.service - run backups.",), 0),
        (("Finished apt-daily.service - Daily apt.",), None),
    ],
)
def test_systemd_ends_a_run_that_cannot(said: tuple[str, ...], status: int | None) -> None:
    later = AT + timedelta(seconds=60)
    lines = [*run(STARTED, *WEB), *(systemd(text, at=later) for text in said)]

    assert status == only(lines).status


def test_a_run_says_better_than_systemd_how_it_ended() -> None:
    lines = [*run(STARTED, "run status=3 duration_s=0"), systemd("Failed to start run backups.")]

    assert 3 == only(lines).status


def test_a_script_that_says_nothing_is_a_run_by_systemds_word() -> None:
    end = AT + timedelta(minutes=5)
    lines = [
        systemd("Starting run-backups.service - run backups..."),
        LogLine(AT, "jak", "own-script", "hello"),
        systemd("Finished run-backups.service - run backups.", at=end),
    ]

    assert CycleRun("jak", "run-backups", AT, 300.0, 0, (), ()) == only(lines)


def test_foreign_lines_are_no_run() -> None:
    lines = [
        LogLine(AT, "jak", "nginx", "GET /"),
        systemd("Started nginx.service - A high performance web server."),
        LogLine(AT, "jak", "sshd", '{"message_type": "other"}'),
        LogLine(AT, "jak", "sshd", "[1, 2]"),
        LogLine(AT, "jak", "sshd", '{"message_type": "summ'),
    ]

    assert () == parsed(lines)


def test_foreign_lines_change_nothing() -> None:
    ours = run(STARTED, *WEB, *REST, *WELL)
    noise = [
        LogLine(line.at, "jak", "cron", text)
        for line in ours
        for text in ("", "backup host= status=0 duration_s=1", "status=0 duration_s=1", "{")
    ]
    mixed = sorted([*ours, *noise], key=lambda line: line.at)

    assert only(ours) == only(mixed)


def test_two_coordinators_are_two_runs() -> None:
    first = run(STARTED, *WEB, *WELL)
    second = run(STARTED, *LOCKED, *ILL, host="jill")
    mixed = [line for pair in zip(first, second, strict=False) for line in pair]
    mixed += first[len(second) :] + second[len(first) :]

    assert {"jak": 0, "jill": 1} == {c.coordinator: c.status for c in parsed(mixed)}


def test_two_runs_at_once_are_told_apart_by_their_invocation() -> None:
    first = run(STARTED, *WEB, *WELL, unit="a" * 32)
    second = run(STARTED, *LOCKED, *ILL, unit="b" * 32)
    found = {cycle.run[0]: cycle for cycle in parsed([*first, *second])}

    assert (0, ("web1",)) == (found["a"].status, tuple(b.host for b in found["a"].backups))
    assert (1, ("db1",)) == (found["b"].status, tuple(b.host for b in found["b"].backups))


def test_a_start_ends_what_was_before() -> None:
    later = AT + timedelta(days=1)
    found = parsed([*run(STARTED, *WEB), *run(STARTED, *WEB, *WELL, at=later)])

    assert [(AT, None), (later, 0)] == [(cycle.began_at, cycle.status) for cycle in found]


def test_a_log_that_begins_half_way_is_dated_by_its_end() -> None:
    found = only(run(STARTED, *WEB, *REST, *WELL)[3:])

    assert (AT, ("web1",)) == (found.began_at, tuple(backup.host for backup in found.backups))


def test_lines_that_were_all_dated_at_the_end_are_a_run_before_it() -> None:
    end = AT + timedelta(seconds=43)
    lines = [replace(line, at=end) for line in run(STARTED, *WEB, *REST, *WELL)]

    assert (AT, 43.0) == (only(lines).began_at, only(lines).duration_s)


def test_an_impossible_number_is_another_line() -> None:
    huge = f"backup host=web1 status=0 duration_s={'9' * 400}"

    assert () == only(run(STARTED, huge, "backup host=web1 status=1 duration_s=1.2.3")).backups


def test_systemd_of_another_unit_is_not_heard() -> None:
    assert parse_unit("Finished logrotate.service - Rotate log files.") is None
    assert Unit("nightly", "ended", 0) == parse_unit("Finished nightly.service - run backups.")


FORMS = ("run backups", "nightly.service", "nightly.service - run backups")
"""Of the same unit, by the three values of `StatusUnitFormat=`."""


@pytest.mark.parametrize("named", FORMS)
@pytest.mark.parametrize(
    ("said", "what", "status"),
    [
        ("Starting {}...", "starting", 0),
        ("Finished {}.", "ended", 0),
        ("Failed to start {}.", "ended", 1),
        ("Dependency failed for {}.", "ended", 1),
        ("Stopped {}.", "stopped", 1),
        ("Stopped (with error) {}.", "stopped", 1),
        ("Started {}.", None, 0),
        ("Stopping {}...", None, 0),
    ],
)
def test_systemd_speaks_of_a_unit_in_three_forms(
    named: str, said: str, what: str | None, status: int
) -> None:
    unit = "nightly" if "nightly" in named else ""

    assert said.format("run backups") == reduced(said.format(named), "nightly")
    assert (Unit(unit, what, status) if what else None) == parse_unit(said.format(named), "nightly")


def test_what_is_said_of_another_unit_is_not_reduced() -> None:
    for text in ("Finished apt-daily.service.", "nightly.service: Deactivated successfully."):
        assert text == reduced(text, "nightly")
    assert parse_unit("Finished apt-daily.service.", "nightly") is None


@pytest.mark.parametrize("named", FORMS)
def test_a_run_of_systemds_words_is_the_same_in_each_form(tmp_path: Path, named: str) -> None:
    """It never came to its script, and its unit has a name of its own."""
    told = [
        systemd(f"Starting {named}..."),
        systemd("nightly.service: Main process exited, code=exited, status=203/EXEC", at=AT),
        systemd(f"Failed to start {named}.", at=AT + timedelta(seconds=1)),
    ]
    with open_history(tmp_path / "h") as history:
        absorbed = [absorb(history, told, "nightly") for _ in range(2)]

        (past,) = history.cycles()
        assert ("nightly", 203) == (past.cycle.service, past.cycle.status)
        assert "Failed to start run backups." == history.cycle_lines(past.number)[-1].data
        assert [3, 0] == [len(one.lines) for one in absorbed]


def test_one_line_in_two_forms_is_one_line(tmp_path: Path) -> None:
    lines = [*run(STARTED, *WEB, *WELL)]
    with open_history(tmp_path / "h") as history:
        for text in forms("Finished", "run-backups"):
            absorb(history, [*lines, systemd(text, at=AT + timedelta(seconds=43))])

        (past,) = history.cycles()
        assert len(lines) + 1 == len(history.cycle_lines(past.number))


def test_a_run_that_is_stopped_has_ended() -> None:
    """Red where only `Finished` and `Failed` end a run: it would be under way for ever."""
    killed = "run-backups.service: Main process exited, code=killed, status=15/TERM"
    later = AT + timedelta(seconds=60)
    said = [systemd(text, at=later) for text in (killed, "Stopped run backups.")]
    lines = [*run(STARTED, *WEB), *said]

    assert 143 == only(lines).status
    assert () == parsed([systemd("Stopped run backups.")]), "and it begins none"


@pytest.mark.parametrize(
    "changed",
    [
        {"data_added": 1 << 90},
        {"data_added": -1},
        {"files_new": 1e300},
        {"snapshot_id": "\ud800" * 100},
        {"total_duration": float("inf")},
        {"files_new": None},
        {"item": "[" * 100_000},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_a_summary_says_can_be_remembered(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    told = json.dumps({**SUMMARY, **changed})
    deep = '{"message_type": ' + '{"a":' * 100_000
    texts = (STARTED, deep, told, "Fatal: \ud800", "backup host=web1 status=1 duration_s=2", *ILL)
    with open_history(tmp_path / "h") as history:
        absorb(history, run(*texts))
        absorb(history, run(*texts))

        (backup,) = history.backups()
        assert (1, 2.0) == (backup.status, backup.duration_s)
        assert 0 <= backup.added_bytes < 1 << 63
