"""The recovery point of every host on every day: how much of its work would have been lost.

That is the age of the newest snapshot that is there, at its worst on that day. Until a backup is
done it is the one before that counts, and what forget removes counts no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from verifier.simulate.scenario_alerts import backups_of
from verifier.simulate.timeline import TURN, Record

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One host on one day, from its first backup on.

    Attributes:
        hours: whole hours of work that would have been lost, at the worst; none where everything
            would have been, since no snapshot was left.
    """

    host: str
    day: date
    hours: int | None


def recovery_of(
    records: Sequence[Record], hosts: Sequence[str], zone: tzinfo, until_at: datetime
) -> tuple[Recovery, ...]:
    """Return every host's recovery point on every day up to an instant, days cut in a zone."""
    return tuple(
        Recovery(host, day, hours)
        for host in hosts
        for day, hours in _worst(list(_changes(records, host)), zone, until_at).items()
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """From an instant on, the newest snapshot is of another one, or there is none."""

    at: datetime
    newest_at: datetime | None


def _changes(records: Sequence[Record], host: str) -> Iterator[_Change]:
    there: dict[str, datetime] = {}
    for record in records:
        forgets_at = record.step.at.astimezone(UTC) + TURN
        for snapshot, news in backups_of(record, host):
            there[snapshot.id] = news.at
            forgets_at = max(forgets_at, news.known_at)
            yield _Change(news.known_at, max(there.values()))
        gone = [snapshot.id for snapshot, _ in record.removed if snapshot.id in there]
        for name in gone:
            del there[name]
        if gone:
            yield _Change(forgets_at, max(there.values(), default=None))


def _worst(
    changes: Sequence[_Change], zone: tzinfo, until_at: datetime
) -> Mapping[date, int | None]:
    found: dict[date, int | None] = {}
    ends = [*(change.at for change in changes[1:]), until_at.astimezone(UTC)]
    for change, end_at in zip(changes, ends, strict=False):
        for day, last_at in _days(change.at, end_at, zone):
            found[day] = _worse(found.get(day, 0), change, last_at)
    return found


def _worse(known: int | None, change: _Change, last_at: datetime) -> int | None:
    if known is None or change.newest_at is None:
        return None
    return max(known, (last_at - change.newest_at) // _HOUR)


def _days(begin_at: datetime, end_at: datetime, zone: tzinfo) -> Iterator[tuple[date, datetime]]:
    """Yield the civil days of a time, each with the last instant of it that lies in the time."""
    day = begin_at.astimezone(zone).date()
    while begin_at < end_at:
        day_ends_at = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
        yield day, min(day_ends_at, end_at)
        day, begin_at = day + timedelta(days=1), day_ends_at
