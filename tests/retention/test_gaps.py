"""A gap is found where it is, and not where the days are merely cut in an unlucky place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import decide
from verifier.retention.gaps import find_gaps, gap_text
from verifier.retention.rules import rules_for

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
"""A Friday; the days of a history are counted back from it."""


def history(days: Iterable[float], at: datetime = NOON) -> list[Snapshot]:
    return [Snapshot(f"{d}", at - timedelta(days=d), "web1", ("/srv",)) for d in days]


def words(snapshots: list[Snapshot], policy: Policy, *, scheduled: bool = False) -> list[str]:
    found = find_gaps(snapshots, policy, zone=UTC, scheduled=scheduled)
    return [gap_text(gap) for gap in found]


def without(*gone: int, days: int = 60) -> list[float]:
    return [float(day) for day in range(days) if day not in gone]


@pytest.mark.parametrize(
    "policy",
    [
        Policy(daily=30),
        Policy(daily=UNLIMITED),
        Policy(within=Duration(days=30)),
        Policy(within_daily=Duration(days=30)),
    ],
    ids=str,
)
def test_day_without_a_restore_point_is_a_gap(policy: Policy) -> None:
    assert ["2024-02-25 (1 day)"] == words(history(without(5)), policy)


def test_unbroken_history_has_no_gap() -> None:
    assert [] == words(history(without()), Policy(hourly=48, daily=30, weekly=8, monthly=2))


def test_days_in_a_row_are_one_gap() -> None:
    found = words(history(without(5, 6, 7, 12)), Policy(daily=30))

    assert ["2024-02-18 (1 day)", "2024-02-23 to 2024-02-25 (3 days)"] == found


def test_day_beyond_the_reach_of_the_policy_is_no_gap() -> None:
    assert [] == words(history(without(30)), Policy(daily=30))


def test_last_day_within_the_reach_is_a_gap() -> None:
    assert ["2024-02-01 (1 day)"] == words(history(without(29)), Policy(daily=30))


def test_days_before_the_first_backup_are_no_gap() -> None:
    assert [] == words(history(range(4)), Policy(daily=30, monthly=12, yearly=10))


def test_backups_around_midnight_leave_no_gap() -> None:
    midnight = NOON.replace(hour=0)
    jittered = history(day + (0.02 if day % 5 == 2 else -0.01) for day in range(20))
    moved = [Snapshot(s.id, s.taken_at - (NOON - midnight), s.host, s.paths) for s in jittered]

    assert [] == words(moved, Policy(daily=15))


def test_weekly_backups_have_no_gap_of_days() -> None:
    assert [] == words(history(range(0, 70, 7)), Policy(daily=30, weekly=8))


def test_scheduled_days_are_due_whatever_the_rhythm_looks_like() -> None:
    found = words(history(range(0, 21, 7)), Policy(daily=8), scheduled=True)

    assert ["2024-02-23 (1 day)", "2024-02-24 to 2024-02-29 (6 days)"][1:] == found


def test_weekends_off_are_learned() -> None:
    working = [day for day in range(60) if (NOON - timedelta(days=day)).weekday() < 5]

    assert [] == words(history(working), Policy(daily=30))


def test_weekends_off_are_gaps_where_backups_are_scheduled() -> None:
    working = [day for day in range(60) if (NOON - timedelta(days=day)).weekday() < 5]
    found = words(history(working), Policy(daily=14), scheduled=True)

    assert ["2024-02-17 to 2024-02-18 (2 days)", "2024-02-24 to 2024-02-25 (2 days)"] == found


def test_week_without_a_restore_point_is_a_gap() -> None:
    kept = [0, 1, 2, *range(8, 60, 7)]
    kept.remove(22)

    assert ["week 2024-06 (1 week)"] == words(history(kept), Policy(daily=3, weekly=8))


def test_week_of_seven_gaps_is_not_told_twice() -> None:
    found = words(history(without(*range(5, 19))), Policy(daily=30, weekly=5))

    assert ["2024-02-12 to 2024-02-25 (14 days)"] == found


def test_month_without_a_restore_point_is_a_gap() -> None:
    ends = [datetime(2023, month, 28, 12, tzinfo=UTC) for month in (3, 4, 5, 7, 8, 9, 10, 11, 12)]
    snapshots = [Snapshot(str(at), at, "web1", ("/srv",)) for at in ends]

    assert ["2023-06 (1 month)"] == words(snapshots, Policy(monthly=12))


def test_year_without_a_restore_point_is_a_gap() -> None:
    ends = [datetime(year, 12, 28, 12, tzinfo=UTC) for year in (2017, 2018, 2020, 2021, 2022)]
    snapshots = [Snapshot(str(at), at, "web1", ("/srv",)) for at in ends]

    assert ["2019 (1 year)"] == words(snapshots, Policy(yearly=10))


def test_hour_without_a_restore_point_is_a_gap() -> None:
    hours = [hour / 24 for hour in range(48) if hour not in {5, 6}]

    assert ["2024-03-01 06:00 UTC to 2024-03-01 07:00 UTC (2 hours)"] == words(
        history(hours), Policy(hourly=24)
    )


def test_endless_windows_are_no_error() -> None:
    assert [] == words(history(without()), Policy(within=Duration(years=9999)))


def test_no_rule_has_no_gap() -> None:
    assert [] == words(history(without(5)), Policy(last=3))


@pytest.mark.parametrize("days", [[], [0], [0, 0]])
def test_too_few_snapshots_have_no_gap(days: list[float]) -> None:
    assert [] == words(history(days), Policy(daily=30))


@given(
    st.sets(st.integers(0, 400), max_size=80),
    st.integers(1, 120),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_every_gap_lies_between_two_snapshots_and_holds_none(
    days: set[int], daily: int, weekly: int, monthly: int
) -> None:
    snapshots = history(sorted(days))
    policy = Policy(daily=daily, weekly=weekly, monthly=monthly)
    for gap in find_gaps(snapshots, policy, zone=UTC, scheduled=True):
        assert gap.before.taken_at < gap.first_at <= gap.last_at < gap.after.taken_at
        assert not [s for s in snapshots if gap.first_at <= s.taken_at <= gap.last_at]


@given(st.sets(st.integers(1, 58), max_size=40))
def test_scheduled_days_are_each_kept_or_in_a_gap(gone: set[int]) -> None:
    found = find_gaps(history(without(*gone)), Policy(daily=60), zone=UTC, scheduled=True)

    assert len(gone) == sum(gap.buckets for gap in found)


AUCKLAND, PACIFIC = ZoneInfo("Pacific/Auckland"), ZoneInfo("America/Los_Angeles")


def thinned(first: datetime, days: int, policy: Policy, hours: Iterable[int] = (0,)) -> list[str]:
    """Return the gaps after forget has run every night, in a zone with its summers."""
    zone, held = first.tzinfo, list[Snapshot]()
    assert zone is not None
    for day in range(days):
        for hour in hours:
            civil = first + timedelta(days=day, hours=hour)
            at = civil.replace(tzinfo=timezone(civil.utcoffset() or timedelta()))
            held.append(Snapshot(f"{at}", at, "web1", ("/srv",)))
        now = held[-1].taken_at + timedelta(minutes=5)
        kept = decide(held, policy, rules_for("0.18.0"), now=now, zone=zone)
        removed = {snapshot.id for snapshot in kept.removed()}
        held = [snapshot for snapshot in held if snapshot.id not in removed]
    return [gap_text(gap) for gap in find_gaps(held, policy, zone=zone, scheduled=True)]


@pytest.mark.parametrize(
    ("first", "days", "hours", "policy"),
    [
        pytest.param(
            datetime(2023, 1, 13, 0, 30, tzinfo=PACIFIC), 14, range(24),
            Policy(hourly=24, daily=30, within=Duration(days=7)), id="hours-west-of-utc",
        ),
        pytest.param(
            datetime(2025, 2, 1, 0, 1, tzinfo=PACIFIC), 121, [0],
            Policy(monthly=12, within_daily=Duration(months=3)), id="february-30",
        ),
        pytest.param(
            datetime(2024, 3, 11, 0, 1, tzinfo=AUCKLAND), 119, [0],
            Policy(monthly=12, within_daily=Duration(months=3)), id="summer-ends",
        ),
        pytest.param(
            datetime(2023, 3, 18, 0, 1, tzinfo=AUCKLAND), 35, [0],
            Policy(monthly=12, within=Duration(days=30)), id="summer-ended-within",
        ),
    ],
)  # fmt: skip
def test_what_forget_leaves_of_every_night_has_no_gap(
    first: datetime, days: int, hours: Iterable[int], policy: Policy
) -> None:
    assert [] == thinned(first, days, policy, hours)


def test_first_days_of_the_calendar_are_no_error() -> None:
    dawn = datetime(1, 1, 3, tzinfo=UTC)

    assert [] == words(history([0, 1], dawn), Policy(within=Duration(years=1)))
