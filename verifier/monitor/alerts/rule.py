"""When an age is too great, and whether a run that was due has had its time to mend it.

Pure. A daily backup is 24 hours old every single day, just before the next one is done, and 25 on
the day on which summer time ends: an age alone would cry wolf. So an age speaks only when the run
that should have kept it low has failed, or has been silent for too long. `docs/alerts.md` has the
arithmetic.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rule:
    """How old the last success may be.

    Attributes:
        warn_age, alarm_age: counted from the beginning of the last success.
        allow: how long nothing may be heard of a run that is due.
        remind_every: after the last message on an incident that goes on.
        damping: an incident that comes within it after the one before is flapping, and ends only
            when its subject has been well for as long.
    """

    warn_age: timedelta = timedelta(hours=24)
    alarm_age: timedelta = timedelta(hours=28)
    allow: timedelta = timedelta(hours=1)
    remind_every: timedelta = timedelta(hours=24)
    damping: timedelta = timedelta(days=3)


class Dues:
    """What the schedule had due: instants, from before the last success to past the next one.

    Args:
        instants: in any order and any zone.
    """

    def __init__(self, instants: Iterable[datetime]) -> None:
        # Civil arithmetic within one zone would lose the hour of a change to summer time.
        self._instants = sorted(instant.astimezone(UTC) for instant in instants)

    def last_chance(self, good_at: datetime, limit_at: datetime) -> datetime | None:
        """Return when the run was due that should have kept the age below a limit.

        It is the last one that was due between the last success and the limit; where none was, as
        on a day of 25 hours, the first one after it.
        """
        place = bisect_right(self._instants, limit_at)
        if place and self._instants[place - 1] > good_at:
            return self._instants[place - 1]
        return self._instants[place] if place < len(self._instants) else None


def overdue_at(
    rule: Rule, dues: Dues, good_at: datetime, failed_at: datetime | None
) -> datetime | None:
    """Return when the age becomes worth telling, if nothing else succeeds.

    That is when the age has passed the limit and the run that was the last chance has failed, or
    has been silent for as long as is allowed, since it was due and since the limit.

    Args:
        good_at: when the last success began.
        failed_at: when the last failure was known.

    Returns:
        None where nothing was due, and so nothing is late.
    """
    limit_at = good_at + rule.warn_age
    chance_at = dues.last_chance(good_at, limit_at)
    if chance_at is None:
        return None
    silent_at = max(limit_at, chance_at) + rule.allow
    if failed_at is None or failed_at < chance_at:
        return silent_at
    return min(silent_at, max(limit_at, failed_at))
