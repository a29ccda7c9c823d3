"""When each job of the daemon is due, as instants; pure.

The same instants as those of the timers that `render` writes: a civil time is decided as
`coordinator.fire_times` decides it, without a frozen clock, since a process that lives cannot stop
its time. What is put off at random is put off by what the job and its day say, so that another
process, or the next one, knows the same instant.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from verifier.config.models import Config
from verifier.config.monitor import JobName
from verifier.cycle.units import TIDY_AT
from verifier.retention.calendar import instant_of

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_NEAR, _MONTHS_NEAR = 4, 3
"""Before and after now: where summer time skips a time, or a zone a day, there still is one."""


class Due(Protocol):
    """When something is due."""

    def last(self, now: datetime) -> datetime | None:
        """Return the newest instant that is not after now; none, where none is near."""
        ...

    def next(self, now: datetime) -> datetime:
        """Return the first instant after now."""
        ...


@dataclass(frozen=True, slots=True)
class Civil:
    """At times of the day in a zone, every day or on one day of the month.

    Attributes:
        day: of the month; none for every day.
        delay: each is put off by up to so much, as `seed` and its day say.
    """

    times: tuple[time, ...]
    zone: ZoneInfo
    day: int | None = None
    delay: timedelta = timedelta(0)
    seed: str = ""

    def last(self, now: datetime) -> datetime | None:
        """Return the newest instant that is not after now; none, where none is near."""
        return max((at for at in self._near(now) if at <= now), default=None)

    def next(self, now: datetime) -> datetime:
        """Return the first instant after now."""
        return min(at for at in self._near(now) if at > now)

    def _near(self, now: datetime) -> Iterator[datetime]:
        today = now.astimezone(self.zone).date()
        for day in _days(today) if self.day is None else _months(today, self.day):
            for at in self.times:
                found = instant_of(datetime.combine(day, at), self.zone)
                if found is not None:
                    # In UTC: two times of one zone are compared by what their clocks show.
                    yield found.astimezone(UTC) + self._put_off(found)

    def _put_off(self, at: datetime) -> timedelta:
        drawn = random.Random(f"{self.seed} {at:%Y-%m-%d}").random()  # noqa: S311 - no secret
        return timedelta(seconds=int(drawn * self.delay.total_seconds()))


def _days(today: date) -> Iterator[date]:
    return (today + number * _DAY for number in range(-_DAYS_NEAR, _DAYS_NEAR + 1))


def _months(today: date, day: int) -> Iterator[date]:
    for number in range(-_MONTHS_NEAR, _MONTHS_NEAR + 1):
        year, month = divmod(today.year * 12 + today.month - 1 + number, 12)
        yield date(year, month + 1, day)


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, at the same instants whoever reckons them."""

    span: timedelta

    def last(self, now: datetime) -> datetime | None:
        """Return the newest instant that is not after now."""
        return now - (now - _EPOCH) % self.span

    def next(self, now: datetime) -> datetime:
        """Return the first instant after now."""
        return now - (now - _EPOCH) % self.span + self.span


def timetable(config: Config) -> dict[JobName, Due]:
    """Return when each job is due."""
    jobs, zone = config.jobs, config.zone
    every = Every(jobs.alert_every)
    seed = f"{config.coordinator.name} {config.repository.location}"
    found: dict[JobName, Due] = {
        "backups": Civil(tuple(config.schedule.times), zone),
        "monthly": Civil((jobs.monthly_time,), zone, jobs.monthly_day, jobs.delay, f"{seed} drill"),
        "collect": every,
        "alert": every,
        "tidy": Civil((TIDY_AT,), zone, None, jobs.delay, f"{seed} tidy"),
    }
    return {name: due for name, due in found.items() if name not in jobs.skip}
