"""The rules held against what is remembered: the same from the history and from ClickHouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.monitor.alerting import (
    CONFIG,
    TAKES,
    backup,
    configured,
    cycle,
    good_lines,
    lines,
    locked_lines,
)
from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from verifier.config.models import Config
from verifier.core.errors import CannotVerify
from verifier.cycle.coordinator import fire_times
from verifier.monitor.cycles import parse_log
from verifier.monitor.delivery import Delivery, backup_delivery, log_delivery
from verifier.monitor.evaluation import Evaluation, evaluate
from verifier.monitor.heard import HistorySource, Source
from verifier.monitor.heard_clickhouse import ClickHouseSource
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.messages import alert_message
from verifier.monitor.sinks.clickhouse import ClickHouse
from verifier.monitor.subjects import BACKUPS, VERIFIER
from verifier.monitor.telemetry import LogLine

__all__ = ["clickhouse", "clickhouse_server"]

MONDAY = datetime(2024, 3, 4, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

Told = list[tuple[str, str, str, datetime]]


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with open_history(tmp_path / "history.sqlite") as opened:
        yield opened


def looked(
    history: History, now: datetime, source: Source | None = None, config: Config = CONFIG
) -> Evaluation:
    """Look once, and keep it."""
    found = evaluate(
        config,
        history,
        source or HistorySource(history),
        lambda first, days: fire_times(config.times, config.zone, first, days),
        now,
    )
    history.save_look(found.look.watches, found.look.transitions, now, found.deliveries)
    return found


def told(found: Evaluation) -> Told:
    """Return what was told of backups."""
    return [
        (one.kind, one.subject, one.level, one.at)
        for one in found.look.transitions
        if one.subject != VERIFIER
    ]


def body(found: Evaluation, subject: str) -> dict[str, object]:
    return next(dict(one.body) for one in found.deliveries if one.body["subject"] == subject)


def record(history: History, said: Sequence[LogLine]) -> None:
    for log in parse_log(said):
        history.record_cycle(log.cycle, log.lines)


def test_locked_key_tells_why_and_when_it_is_an_alarm(history: History) -> None:
    record(history, good_lines(MONDAY))
    looked(history, MONDAY + HOUR)
    record(history, locked_lines(MONDAY + DAY))
    found = looked(history, MONDAY + DAY)

    assert [("opened", "backup web1", "warning", MONDAY + DAY)] == told(found)
    web1 = body(found, "backup web1")
    assert "The password file is not there: is its data set still locked?" == web1["error"]
    assert ("1099a2b0", "2024-03-05T08:00:00-08:00") == (web1["snapshot"], web1["alarm_at"])
    assert ("2024-03-05T04:00:00-08:00", False) == (web1["failed_at"], web1["never"])
    assert found.deliveries == history.owed()


def test_silent_coordinator_has_not_failed(history: History) -> None:
    record(history, good_lines(MONDAY))
    looked(history, MONDAY + HOUR)
    found = looked(history, MONDAY + 25 * HOUR)

    assert [("opened", "backup web1", "warning", MONDAY + 25 * HOUR)] == told(found)
    web1 = body(found, "backup web1")
    assert (None, "") == (web1["failed_at"], web1["error"])
    assert "2024-03-05T04:00:00-08:00" == web1["due_at"]


def test_last_chance_of_a_long_age_is_its_last_day(history: History) -> None:
    """A failure of the third day is no answer for the tenth, which has an hour to be heard of."""
    config = configured('[alerts.backup]\nwarn-age = "10d"\nalarm-age = "12d"\n')
    record(history, good_lines(MONDAY))
    looked(history, MONDAY + HOUR, config=config)
    record(history, locked_lines(MONDAY + 3 * DAY))
    found = looked(history, MONDAY + 10 * DAY + HOUR, config=config)

    opened = ("opened", "backup web1", "warning", MONDAY + 10 * DAY + HOUR)
    # The clocks change on the tenth of March: the last run is due an hour before the limit.
    assert [opened] == [one for one in told(found) if one[1] == "backup web1"]


def test_restics_own_words_are_why_a_backup_failed(history: History) -> None:
    history.record_cycle(cycle(MONDAY, backup("web1", MONDAY), backup("db1", MONDAY)))
    looked(history, MONDAY + HOUR)
    bad = backup("web1", MONDAY + DAY, MINUTE, 1, "unable to open repository")
    history.record_cycle(cycle(MONDAY + DAY, bad, backup("db1", MONDAY + DAY), status=1))
    found = looked(history, MONDAY + DAY + HOUR)

    assert [("opened", "backup web1", "warning", MONDAY + DAY + MINUTE)] == told(found)
    assert "unable to open repository" == body(found, "backup web1")["error"]


def test_host_that_never_had_a_backup_is_waited_for_from_the_first_look(history: History) -> None:
    looked(history, MONDAY)
    found = looked(history, MONDAY + 2 * DAY)

    assert body(found, "backup web1")["never"]
    assert ["opened", "escalated"] == [kind for kind, who, *_ in told(found) if "web1" in who]


def test_word_that_comes_late_ends_the_incident(history: History) -> None:
    record(history, good_lines(MONDAY))
    looked(history, MONDAY + HOUR)
    looked(history, MONDAY + 30 * HOUR)
    record(history, good_lines(MONDAY + DAY))
    found = looked(history, MONDAY + 31 * HOUR)

    ended = MONDAY + 30 * HOUR
    assert [
        ("resolved", "backup db1", "alarm", ended),
        ("resolved", "backup web1", "alarm", ended),
    ] == told(found)


def test_host_that_is_configured_no_more_is_let_go(history: History) -> None:
    record(history, good_lines(MONDAY))
    looked(history, MONDAY + HOUR)
    looked(history, MONDAY + 26 * HOUR)
    alone = configured()
    fewer = alone.model_copy(update={"hosts": alone.hosts[:1]})
    found = looked(history, MONDAY + 26 * HOUR + MINUTE, config=fewer)

    assert [("resolved", "backup db1")] == [one[:2] for one in told(found)]
    assert not body(found, "backup db1")["watched"]
    assert "backup db1" not in history.watches()


def test_verification_of_the_history_counts(history: History) -> None:
    from tests.monitor.envelopes import drilled

    report = drilled(corrupted=0)
    history.record_report(report)
    at = datetime.fromisoformat(str(report["finished"])).astimezone(UTC)
    found = looked(history, at + HOUR)
    subject = next(
        f"verification {host.name}" for host in CONFIG.hosts if host.name in history.verifications()
    )

    assert at == found.look.watches[subject].good_at


@pytest.fixture
def remembered(clickhouse: ClickHouseServer) -> Callable[[Sequence[LogLine]], ClickHouseSource]:
    """Return what puts lines and the backups in them into ClickHouse, as the sink does."""
    names = "yamon", "logs", "verifications", "backups"
    sink = ClickHouse(clickhouse.url, *names, login=("", ""), timeout_s=20)

    def put(said: Sequence[LogLine]) -> ClickHouseSource:
        deliveries: list[Delivery] = [log_delivery(line) for line in said]
        deliveries += [backup_delivery(run) for log in parse_log(said) for run in log.cycle.backups]
        sink.deliver(deliveries, again=False)
        return ClickHouseSource(clickhouse.url, "yamon", "logs", "backups", "run-backups", {}, 20.0)

    return put


def slow_lines(begun: datetime) -> tuple[LogLine, ...]:
    return good_lines(begun, takes=3 * HOUR)


def failed_lines(begun: datetime) -> tuple[LogLine, ...]:
    return lines(
        begun,
        (0, "Started run backups."),
        (60, "Fatal: unable to open repository"),
        (60, "backup host=web1 status=1 duration_s=60"),
        (660, "backup host=db1 status=0 duration_s=600"),
        (660, "run status=1 duration_s=660"),
        (660, "Failed run backups."),
    )


def half_lines(begun: datetime) -> tuple[LogLine, ...]:
    """A coordinator that lost its power in the first backup."""
    return lines(begun, (0, "Started run backups."))


@pytest.mark.heavy
@pytest.mark.parametrize(
    "second", [good_lines, locked_lines, slow_lines, failed_lines, half_lines, None]
)
def test_clickhouse_and_the_history_tell_the_same(
    second: Callable[[datetime], tuple[LogLine, ...]] | None,
    remembered: Callable[[Sequence[LogLine]], ClickHouseSource],
    tmp_path: Path,
) -> None:
    days = [
        good_lines(MONDAY),
        second(MONDAY + DAY) if second else (),
        good_lines(MONDAY + 2 * DAY),
    ]
    ends = [MONDAY + 12 * HOUR, MONDAY + 36 * HOUR, MONDAY + 60 * HOUR]
    found: list[Told] = []
    errors: list[object] = []
    with (
        open_history(tmp_path / "one.sqlite") as one,
        open_history(tmp_path / "other.sqlite") as other,
    ):
        for said, end in zip(days, ends, strict=True):
            record(one, said)
            source = remembered(said or half_lines(MONDAY - 9 * DAY))
            pair = [looked(one, end), looked(other, end, source)]
            assert told(pair[0]) == told(pair[1])
            found.append(told(pair[0]))
            bodies = [[dict(d.body) for d in each.deliveries] for each in pair]
            assert bodies[0] == bodies[1]
            errors += [it["error"] for it in bodies[0] if it["error"]]
    assert bool(found[1]) is (second is not good_lines)
    assert bool(errors) is (second in {locked_lines, failed_lines})


@pytest.mark.heavy
def test_older_backup_is_found_among_the_telemetry(
    remembered: Callable[[Sequence[LogLine]], ClickHouseSource],
) -> None:
    source = remembered((*good_lines(MONDAY), *failed_lines(MONDAY + DAY)))
    good = source.last_good_backup("web1")

    assert good is not None
    assert (MONDAY, TAKES, "1099a2b0", 4096, 1024) == (
        good.began_at,
        timedelta(seconds=good.duration_s),
        good.snapshot,
        good.processed_bytes,
        good.added_bytes,
    )
    assert source.last_good_backup("it's \\ none") is None


@pytest.mark.heavy
def test_clickhouse_without_tables_or_out_of_reach_cannot_be_looked_at(
    clickhouse: ClickHouseServer,
) -> None:
    def source(url: str) -> ClickHouseSource:
        return ClickHouseSource(url, "yamon", "logs", "backups", "run-backups")

    with pytest.raises(CannotVerify, match=r"404|Code: (60|81)"):
        source(clickhouse.url).cycles(MONDAY, MONDAY + DAY)
    with pytest.raises(CannotVerify, match="cannot be asked"):
        source("http://127.0.0.1:1").cycles(MONDAY, MONDAY + DAY)


def mute_lines(begun: datetime) -> tuple[LogLine, ...]:
    """Return what a script of one's own may print."""
    said = (0, "Started run backups."), (60, "all good"), (61, "Finished run backups.")
    return lines(begun, *said)


def test_runs_that_tell_nothing_are_one_incident(history: History) -> None:
    """Not one a host; and each host is watched again once something is heard of one."""
    looked(history, MONDAY - HOUR)
    record(history, mute_lines(MONDAY))
    first = looked(history, MONDAY + HOUR)
    record(history, mute_lines(MONDAY + DAY))
    second = looked(history, MONDAY + DAY + 3 * HOUR)
    again = looked(history, MONDAY + DAY + 3 * HOUR + MINUTE)
    record(history, good_lines(MONDAY + 2 * DAY))
    last = looked(history, MONDAY + 2 * DAY + HOUR)

    assert [] == told(first)
    assert {BACKUPS} == {one for one in first.watched if one.startswith("backup")}
    opened = [("opened", BACKUPS, "warning", MONDAY + DAY + 2 * HOUR)]
    assert opened == told(second)
    assert [] == told(again)
    assert [("escalated", BACKUPS), ("resolved", BACKUPS)][-1:] == [
        (kind, subject) for kind, subject, *_ in told(last)
    ]
    assert "backup web1" in last.watched
    message = alert_message(body(second, BACKUPS), is_first=True)
    assert "WARNING: nothing has been said of any backup for 1 day 1 h" == message.title
    assert "docs/history.md" in message.text
    over = alert_message(body(last, BACKUPS), is_first=False)
    assert over.title.startswith("RESOLVED: runs tell of backups again")


def test_failed_run_without_a_line_is_a_failure_of_every_host(history: History) -> None:
    record(history, good_lines(MONDAY))
    looked(history, MONDAY + HOUR)
    record(history, lines(MONDAY + DAY, (0, "Started run backups."), (1, "Failed run backups.")))
    found = looked(history, MONDAY + DAY + MINUTE)

    assert [("opened", "backup web1")] == [one[:2] for one in told(found)]
