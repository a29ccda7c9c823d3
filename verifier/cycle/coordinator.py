"""When the coordinator's timer fires.

The timer is a job of the `schedule` library, driven under a frozen clock. It runs in the civil
time of the schedule's zone, because `schedule` reckons with the machine's own zone and, across a
change to summer time, lets a job drift by an hour. Which instant a civil time is, or whether it
exists at all, is decided here as systemd decides it for `OnCalendar=`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from verifier.retention.calendar import instant_of


def fire_times(
    times: Sequence[str], zone: ZoneInfo, start: date, days: int
) -> tuple[datetime, ...]:
    """Return every instant at which the timer fires, ascending, in the schedule's zone.

    A time that a change to summer time skips does not fire on that day; one that comes twice
    fires the first time.

    Args:
        times: civil times of the day as `HH:MM`.
        zone: the schedule's zone.
        start: the first civil day.
        days: how many civil days.
    """
    fired = (instant_of(civil, zone) for civil in _civil_times(tuple(times), start, days))
    return tuple(at for at in fired if at is not None)


# A search has few calendars, in many zones.
@lru_cache(maxsize=256)
def _civil_times(times: tuple[str, ...], start: date, days: int) -> tuple[datetime, ...]:
    import freezegun
    import schedule

    logging.getLogger("schedule").setLevel(logging.WARNING)
    midnight = datetime.combine(start, time())
    fired: list[datetime] = []
    timer = schedule.Scheduler()
    with freezegun.freeze_time(midnight - timedelta(seconds=1)) as clock:
        for at in sorted(set(times)):
            timer.every().day.at(at).do(lambda: fired.append(clock.time_to_freeze))
        end = midnight + timedelta(days=days)
        while (due := timer.next_run) is not None and due < end:
            clock.move_to(due)
            timer.run_pending()
    return tuple(fired)
