"""Looking ahead: backups go on as they did, and forget runs every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.ahead import continue_as_before, forget_ahead
from verifier.retention.rules import rules_for

START = datetime(2024, 1, 1, 4, tzinfo=UTC)
NOW = START + timedelta(days=30)
GROUP_BY = ("host", "paths")


def at_hours(hours: list[float], host: str = "web1") -> list[Snapshot]:
    return [Snapshot(f"{host}{h}", START + timedelta(hours=h), host, ("/srv",)) for h in hours]


def coming(snapshots: list[Snapshot], days: int) -> list[datetime]:
    until = NOW + timedelta(days=days)
    return [
        s.taken_at for s in continue_as_before(snapshots, now=NOW, until=until, group_by=GROUP_BY)
    ]


@pytest.mark.parametrize("days", [7, 8, 30, 400])
def test_a_daily_backup_stays_daily(days: int) -> None:
    history = at_hours([24 * day for day in range(30)])

    assert [START + timedelta(days=30 + day) for day in range(1, days + 1)] == coming(history, days)


def test_two_a_day_stay_two_a_day() -> None:
    history = at_hours([24 * day + hour for day in range(30) for hour in (0, 11)])
    gaps = {b - a for a, b in zip(coming(history, 20), coming(history, 20)[1:], strict=False)}

    assert {timedelta(hours=11), timedelta(hours=13)} == gaps


def test_working_days_stay_working_days() -> None:
    history = at_hours(
        [24 * day for day in range(30) if (START + timedelta(days=day)).weekday() < 5]
    )

    assert {0, 1, 2, 3, 4} == {at.weekday() for at in coming(history, 60)}


def test_three_days_of_history_are_enough() -> None:
    history = at_hours([24 * 27, 24 * 28, 24 * 29])

    assert [START + timedelta(days=day) for day in range(30, 41)] == [NOW, *coming(history, 10)]


def test_monthly_backups_stay_monthly() -> None:
    history = at_hours([24 * day for day in (-60, -30, 0)])

    assert [START + timedelta(days=60), START + timedelta(days=90)] == coming(history, 60)


def test_a_host_that_stopped_stays_silent() -> None:
    assert [] == coming(at_hours([24 * day for day in range(10)]), 30)


def test_a_year_ahead_equals_a_year_lived() -> None:
    policy = Policy(daily=30, weekly=5, monthly=12, yearly=10)
    rules = rules_for("0.18.0")
    history = at_hours([24 * day for day in range(31)])
    ahead = forget_ahead(history, policy, rules, now=NOW, days=365, zone=UTC, group_by=GROUP_BY)
    lived = at_hours([24 * day for day in range(396)])
    once = forget_ahead(
        lived, policy, rules, now=START + timedelta(days=395), days=0, zone=UTC, group_by=GROUP_BY
    )

    assert [s.taken_at for s, _ in once.kept()] == [s.taken_at for s, _ in ahead.kept()]
    assert [why for _, why in once.kept()] == [why for _, why in ahead.kept()]
