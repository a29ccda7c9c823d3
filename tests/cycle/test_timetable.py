"""When jobs are due: as the timers are that `render` writes, whoever reckons it and when."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from verifier.config.defaults import defaults
from verifier.cycle.coordinator import fire_times
from verifier.cycle.timetable import Civil, Due, Every, timetable

PACIFIC = ZoneInfo("America/Los_Angeles")
START = datetime(2024, 1, 1, tzinfo=UTC)


def instants(due: Due, start: datetime, end: datetime) -> list[datetime]:
    """Return every instant after one and until another."""
    found = []
    at = due.next(start)
    while at <= end:
        found.append(at)
        at = due.next(at)
    return found


@pytest.mark.parametrize(
    ("times", "zone", "first"),
    [
        (["04:00"], "America/Los_Angeles", date(2024, 1, 1)),
        (["02:30", "14:30"], "America/Los_Angeles", date(2024, 1, 1)),
        (["01:30"], "America/Los_Angeles", date(2024, 1, 1)),
        (["00:00"], "America/Sao_Paulo", date(2018, 1, 1)),
        (["00:30"], "Asia/Beirut", date(2023, 1, 1)),
        (["02:15"], "Australia/Lord_Howe", date(2024, 1, 1)),
        (["12:00"], "Pacific/Apia", date(2011, 1, 1)),
    ],
)
def test_a_daily_job_is_due_when_the_timer_fires(times: list[str], zone: str, first: date) -> None:
    """Over a year with both days on which the clocks change, or a day that is left out."""
    expected = [at.astimezone(UTC) for at in fire_times(times, ZoneInfo(zone), first, 366)]
    due = Civil(tuple(map(time.fromisoformat, times)), ZoneInfo(zone))
    found = instants(due, expected[0] - timedelta(seconds=1), expected[-1])

    assert expected == found


def test_last_and_next_meet_at_the_instant_itself() -> None:
    due = Civil((time(4),), PACIFIC)
    at = datetime(2024, 3, 10, 11, tzinfo=UTC)

    assert at == due.last(at) == due.last(at + timedelta(hours=23))
    assert at == due.next(at - timedelta(seconds=1))
    assert due.last(at - timedelta(seconds=1)) == datetime(2024, 3, 9, 12, tzinfo=UTC)


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(hours=1)])
def test_a_monthly_job_is_due_once_a_month(delay: timedelta) -> None:
    due = Civil((time(12),), PACIFIC, 1, delay, "jak")
    found = instants(due, START, START + timedelta(days=366))
    civil = [at.astimezone(PACIFIC) for at in found]

    assert [(2024, month) for month in range(1, 13)] == [(at.year, at.month) for at in civil]
    assert all(at.day == 1 and time(12) <= at.time() <= time(13) for at in civil)
    assert len({at.time() for at in civil}) == (1 if not delay else 12)


def test_a_delay_is_the_same_for_who_reckons_it_again() -> None:
    first, again, other = (
        Civil((time(12),), PACIFIC, 1, timedelta(hours=1), seed) for seed in ("jak", "jak", "eva")
    )

    assert first.next(START) == again.next(START)
    assert first.next(START) != other.next(START)


def test_again_and_again_is_on_a_grid_that_all_share() -> None:
    due = Every(timedelta(minutes=5))
    at = datetime(2024, 11, 3, 8, 55, tzinfo=UTC)

    assert at == due.last(at) == due.last(at + timedelta(minutes=4, seconds=59))
    assert at + timedelta(minutes=5) == due.next(at)


def test_the_configuration_names_the_jobs_and_leaves_some_out() -> None:
    config = defaults()
    skip = config.model_copy(update={"jobs": config.jobs.model_copy(update={"skip": ("tidy",)})})

    assert {"backups", "monthly", "alert", "collect", "tidy"} == set(timetable(config))
    assert "tidy" not in timetable(skip)
