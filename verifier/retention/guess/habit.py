"""When backups are made: the times of day, and how many days lie between.

What `forget` has removed is not there to tell: of a schedule of several runs a day, under a policy
that keeps one a day, nothing is left but that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from statistics import median

from verifier.core.snapshot import Snapshot
from verifier.retention.calendar import instant_of
from verifier.retention.guess.zone import WELL_KNOWN, ZoneGuess, by_offsets, by_times, minute_of_day

DAY = timedelta(days=1)
RECENT = timedelta(days=30)
"""How far back from its newest snapshot a host shows its present times of day."""

APART_MIN = 45
"""Two times of day lie further apart; where there are many a day, a third of that."""

MANY_A_DAY = 4


@dataclass(frozen=True, slots=True)
class Habit:
    """A schedule.

    Attributes:
        times: of the day, in the zone.
        every_days: days from one day with backups to the next.
        regular: the share of the snapshots that lie at these times, from 0 to 1.
        earliest, latest: how long after its time a run's first snapshot is dated.
        runs: how many of them the host shows that shows the most.
    """

    times: tuple[time, ...]
    zone: ZoneGuess
    every_days: int
    regular: float
    earliest: timedelta
    latest: timedelta
    runs: int


def find_habit(
    hosts: Mapping[str, Sequence[Snapshot]], zones: Mapping[str, tzinfo], here: Sequence[str]
) -> Habit:
    """Find the schedule that made the snapshots of all hosts.

    Args:
        hosts: host -> its snapshots, newest first, none empty; those that are still backed up.
        zones: every zone by its name.
        here: names of this machine's own zone, which goes before others that fit.
    """
    histories = [[s.taken_at for s in snapshots] for snapshots in hosts.values()]
    own = by_offsets([at for history in histories for at in history], zones, here)
    order = [own.name] if own and own.name != "UTC" else []
    order += [n for n in (*here, *WELL_KNOWN) if n in zones and n not in order]
    runs = max(_runs_a_day(history) for history in histories)
    (name, *same), regular = by_times(histories, runs, zones, order)
    guess = own if own and own.name == name else ZoneGuess(name, zones[name], tuple(same))
    starts = _starts(histories, zones[name])
    times = tuple(sorted({_rounded(minute) for minute in starts}))
    delays = [timedelta(minutes=(m - _minutes(_rounded(m))) % 1440) for m in starts]
    every = min(_every_days(history, zones[name]) for history in histories)
    shown = max(map(_runs, histories))
    return Habit(times, guess, every, regular, min(delays), max(delays), shown)


def _runs(history: Sequence[datetime]) -> int:
    # A host with several lists of paths has several snapshots of one run.
    apart = timedelta(minutes=APART_MIN / MANY_A_DAY)
    return 1 + sum(later - sooner > apart for later, sooner in pairwise(history))


def _runs_a_day(history: Sequence[datetime]) -> int:
    # The day before the newest snapshot, which no policy has thinned out much yet.
    return max(1, sum(history[0] - at < DAY - timedelta(minutes=APART_MIN) for at in history))


def _starts(histories: Sequence[Sequence[datetime]], zone: tzinfo) -> list[float]:
    """Return the minutes of the day at which runs start, by the earliest host of each run."""
    clusters = [_clusters(history, zone) for history in histories]
    most = max(map(len, clusters))
    # Hosts are backed up in turn: the first of them tells when the run starts.
    found: list[float] = []
    leading = next(one for one in clusters if len(one) == most)
    reach = 1440 / most / 2
    for minute in leading:
        near = [m for one in clusters for m in one if _back(m, minute) <= reach]
        found.append(max(near, key=lambda m: _back(m, minute)))
    return found


def _back(earlier: float, later: float) -> float:
    return (later - earlier) % 1440


def _clusters(history: Sequence[datetime], zone: tzinfo) -> list[float]:
    """Return the first minute of each time of day at which a host is backed up lately."""
    runs = _runs_a_day(history)
    span = DAY if runs >= MANY_A_DAY else RECENT
    minutes = sorted(minute_of_day(at, zone) for at in history if history[0] - at < span)
    apart = APART_MIN / 3 if runs >= MANY_A_DAY else APART_MIN
    groups: list[list[float]] = []
    for minute in minutes:
        if groups and minute - groups[-1][-1] <= apart:
            groups[-1].append(minute)
        else:
            groups.append([minute])
    if len(groups) > 1 and groups[0][0] + 1440 - groups[-1][-1] <= apart:
        groups[0] = groups.pop() + groups[0]
    # One that came up once, among others that come up again and again, was made by hand.
    most = max(map(len, groups))
    kept = [group for group in groups if len(group) >= max(1, most / 4)]
    return [_first(group) for group in kept]


def _first(group: list[float]) -> float:
    # Not the very first: one run that was early is no schedule.
    return group[len(group) // 20]


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _rounded(minute: float) -> time:
    # People write round times, and what they start takes seconds to begin.
    for step, late in ((15, 3.0), (5, 1.5), (1, 1.0)):
        start = int(minute // step) * step
        if minute - start <= late:
            return time(start // 60, start % 60)
    raise AssertionError("a minute is not later than itself")


def _every_days(history: Sequence[datetime], zone: tzinfo) -> int:
    days = sorted({at.astimezone(zone).date() for at in history}, reverse=True)[:9]
    gaps = [(later - sooner).days for later, sooner in pairwise(days)]
    return max(1, round(median(gaps))) if gaps else 1


def slots(habit: Habit, oldest: datetime, newest: datetime) -> Iterator[datetime]:
    """Yield every instant at which a run was due, from the day before one instant until another.

    Args:
        oldest, newest: snapshots, which lie after the times of their runs.
    """
    zone = habit.zone.zone
    last = newest.astimezone(zone).date()
    first = oldest.astimezone(zone).date() - DAY
    days = (last - first).days
    for back in range(days, -1, -1):
        if back % habit.every_days:
            continue
        for at in habit.times:
            due = instant_of(datetime.combine(_day(last, back), at), zone)
            if due is not None and due <= newest:
                yield due


def _day(last: date, back: int) -> date:
    return last - timedelta(days=back)
