"""Civil time as restic reckons it: calendar buckets, and Go's `AddDate`.

Integers throughout, so that a window of 9999 years is arithmetic and not an overflow.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from verifier.core.policy import Duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND_MIN = -62_135_596_800 + 172_800
_SECOND_MAX = 253_402_300_799 - 172_800
"""What `datetime` can hold, less two days for any offset."""


def microseconds(at: datetime) -> int:
    """Return an instant as microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=65_536)
def iso_week(day: int) -> int:
    """Return the ISO week of a civil day YYYYMMDD as YYYYWW, by ISO year.

    2020-12-28 to 2021-01-03 is one week, 202053; 2024-12-30 is 202501.
    """
    year, week, _ = date(day // 10_000, day // 100 % 100, day % 100).isocalendar()
    return year * 100 + week


def days_since_epoch(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a civil date of any year; month and day may overflow.

    Overflow is Go's: month 13 is January of the next year, day 31 of a month of 28 days the third
    of the month after. Years run from March, so that the leap day comes last.
    """
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    marched = year - (month <= 2)
    era_days = marched * 365 + marched // 4 - marched // 100 + marched // 400
    return era_days + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719_468


def instant_of(civil: datetime, zone: tzinfo) -> datetime | None:
    """Return the instant of a civil time; none where a change to summer time skips it.

    One that comes twice is the first of the two, as for systemd's `OnCalendar=`.

    Args:
        civil: without a zone; to the minute.
    """
    # A time from under freezegun is of a class of its own, which would stay in every other.
    at = datetime(civil.year, civil.month, civil.day, civil.hour, civil.minute, tzinfo=zone)
    there_and_back = at.astimezone(UTC).astimezone(zone)
    return at if there_and_back.replace(tzinfo=None) == civil else None


def _offset_s(zone: tzinfo, second: int) -> int:
    clamped = min(max(second, _SECOND_MIN), _SECOND_MAX)
    offset = datetime.fromtimestamp(clamped, zone).utcoffset()
    assert offset is not None, "a zone knows its offset"
    return offset // timedelta(seconds=1)


def _local_to_epoch(local_s: int, zone: tzinfo) -> int:
    # Go's time.Date: take the offset at the wall time read as UTC; if it does not hold at the
    # instant so found, take the one that does. In a gap this gives the offset after the change
    # (02:30 becomes 01:30 standard time), in a fold the first pass.
    offset_s = _offset_s(zone, local_s)
    return local_s - _offset_s(zone, local_s - offset_s)


# Who decides and who checks the decision ask for the same one.
@lru_cache(maxsize=4_096)
def window_start(anchor: datetime, span: Duration, zone: tzinfo) -> int:
    """Return where `--keep-within SPAN` begins, in microseconds since 1970 UTC, itself outside.

    restic computes `anchor.AddDate(-years, -months, -days)` less the hours as exact hours. The
    calendar part is reckoned in `zone`, the zone of the forgetting process, if the snapshot's
    stored offset is the one that zone has at that instant, and in the stored offset otherwise:
    so `1d` is a calendar day across daylight saving in the one case and 24 hours in the other.

    Args:
        anchor: the newest snapshot's time, with its stored offset.
        span: the window's length.
        zone: TZ of the process that runs forget.
    """
    stored = anchor.utcoffset()
    assert stored is not None, "a snapshot's time carries its offset"
    day = days_since_epoch(
        anchor.year - span.years, anchor.month - span.months, anchor.day - span.days
    )
    local_s = day * 86_400 + anchor.hour * 3_600 + anchor.minute * 60 + anchor.second
    if anchor.astimezone(zone).utcoffset() == stored:
        second = _local_to_epoch(local_s, zone)
    else:
        second = local_s - stored // timedelta(seconds=1)
    return (second - span.hours * 3_600) * 1_000_000 + anchor.microsecond
