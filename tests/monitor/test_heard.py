"""What is heard of a host from runs of the coordinator, and why a run had no backup of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.monitor.alerting import COORDINATOR, backup, cycle, good_lines, lines, locked_lines
from verifier.monitor.alerts.transition import News
from verifier.monitor.cycles import parse_log
from verifier.monitor.heard import HistorySource, backup_news, is_mute, is_of, verification_news
from verifier.monitor.history.memory import open_history
from verifier.monitor.history.reports import Verification, Verified
from verifier.monitor.reasons import LENGTH_MAX, last_error
from verifier.monitor.telemetry import LogLine

AT = datetime(2024, 3, 4, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_backup_is_known_when_it_ends() -> None:
    run = cycle(AT, backup("web1", AT), backup("db1", AT + 10 * MINUTE, status=1))

    assert [News(AT, AT + 10 * MINUTE, succeeded=True)] == list(backup_news("web1", [run]))
    assert [News(AT + 10 * MINUTE, AT + 20 * MINUTE, succeeded=False)] == list(
        backup_news("db1", [run])
    )


def test_run_that_ended_without_a_backup_of_a_host_has_failed_it() -> None:
    run = cycle(AT, backup("db1", AT), status=1)

    assert [News(AT, AT + 10 * MINUTE, succeeded=False)] == list(backup_news("web1", [run]))


def test_run_that_ends_well_without_a_word_says_nothing_of_hosts() -> None:
    """An own script that prints texts of its own is no failure of every host."""
    said = lines(AT, (0, "Started run backups."), (60, "all good"), (61, "Finished run backups."))
    (log,) = parse_log(said)

    assert is_mute(log.cycle)
    assert [] == list(backup_news("web1", [log.cycle]))
    assert not is_mute(cycle(AT, status=3))


@pytest.mark.parametrize(
    ("said", "expected"),
    [("jak", True), ("jak.example.org", True), ("jill", False), ("jill.example.org", False)],
)
def test_run_is_the_coordinators_by_its_name(said: str, expected: bool) -> None:
    assert expected is is_of(replace(cycle(AT), coordinator=said), "jak")


def test_run_whose_end_was_never_heard_of_says_nothing() -> None:
    assert [] == list(backup_news("web1", [cycle(AT, backup("db1", AT), status=None)]))


def test_older_good_backup_is_heard_of_too() -> None:
    old = backup("web1", AT - 90 * DAY)

    assert [AT - 90 * DAY, AT] == [
        one.at for one in backup_news("web1", [cycle(AT, status=3)], old)
    ]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("OK", "OK"), [(DAY, True)]),
        (("CRITICAL", "OK"), [(timedelta(), True), (DAY, False)]),
        (("UNKNOWN", None), [(DAY, False)]),
    ],
)
def test_verification_is_its_newest_good_and_a_worse_one_since(
    verdicts: tuple[str, str | None], expected: list[tuple[timedelta, bool]]
) -> None:
    newest = Verification("web1", AT + DAY, verdicts[0], 2)  # type: ignore[arg-type]
    good = newest if verdicts[0] == "OK" else None
    if verdicts[1] and not good:
        good = Verification("web1", AT, "OK", 1)
    found = verification_news(Verified(newest, good))

    assert expected == [(one.at - AT, one.succeeded) for one in found]
    assert [] == list(verification_news(None))


def test_history_gives_what_it_was_told(tmp_path: Path) -> None:
    with open_history(tmp_path / "history.sqlite") as history:
        for log in (*parse_log(good_lines(AT)), *parse_log(locked_lines(AT + DAY))):
            history.record_cycle(log.cycle, log.lines)
        source = HistorySource(history)
        first, second = source.cycles(AT, AT + 2 * DAY)

        assert ((second,), ()) == (
            source.cycles(AT + MINUTE, AT + 2 * DAY),
            source.cycles(AT + 2 * DAY, AT + 9 * DAY),
        )
        assert [line.data for line in locked_lines(AT + DAY)] == [
            line.data for line in source.lines(second)
        ]
        assert ("1099a2b0", None) == (
            getattr(source.last_good_backup("web1"), "snapshot", None),
            source.last_good_backup("x"),
        )
        assert (0, 3) == (first.status, second.status)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            ["The password file is not there.", "password status=3 reason=key-file-absent"],
            "The password file is not there.",
        ),
        (["password status=3 reason=key-file-empty"], "password status=3 reason=key-file-empty"),
        (
            [
                "all is well",
                "forget status=0 duration_s=1",
                "Fatal: no",
                "prune status=1 duration_s=2",
            ],
            "no",
        ),
        (["all is well", "forget status=0 duration_s=1", "run status=0 duration_s=9"], ""),
        (
            ['{"message_type":"status"}', "prune status=1 duration_s=2"],
            "prune status=1 duration_s=2",
        ),
        (["x " * 1_000, "prune status=1 duration_s=2"], ("x " * 1_000)[: LENGTH_MAX - 1] + "…"),
        ([], ""),
    ],
)
def test_last_word_before_a_stage_failed_is_why(said: list[str], expected: str) -> None:
    run = lines(AT, *((0, text) for text in ("Started run backups.", *said)))
    systemd = LogLine(AT, COORDINATOR, "systemd", "Failed to start run backups.")

    assert expected == last_error((*run, systemd))
