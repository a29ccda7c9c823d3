"""What a group of snapshots shows of a policy: for each rule, from which count on it keeps what.

A snapshot that is there was kept by some rule. A run that was due and has no snapshot was removed,
so no rule keeps it; or it never took place. For a rule with count `n`, the last `n` buckets that
have a snapshot are those that it reaches to, since it keeps one of each. So each snapshot, and each
run, has one number for each rule: the least count at which the rule keeps it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from statistics import median

from verifier.core.snapshot import Snapshot
from verifier.retention.decide import bucket_of
from verifier.retention.guess.habit import DAY, Habit, slots

RULES = ("yearly", "monthly", "weekly", "daily", "hourly", "last")
"""From coarse to fine."""

NEVER = 1 << 30
"""The count at which a rule keeps what it never keeps."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group, newest first.

    Attributes:
        there: its snapshots.
        absent: runs that were due and have none, as the snapshots that they would have been.
    """

    there: tuple[Snapshot, ...]
    absent: tuple[Snapshot, ...]


def find_absent(
    there: Sequence[Snapshot], habit: Habit, zone: tzinfo | None, since: datetime | None = None
) -> Group:
    """Find the runs of which a group has no snapshot.

    Args:
        there: newest first.
        zone: of the host, in which it dates its snapshots; none where no zone fits.
        since: its backups are known to have begun by then; by its oldest snapshot where none is
            given.
    """
    oldest, newest = there[-1].taken_at, there[0].taken_at
    begun = min(since or oldest, oldest)
    due = list(slots(habit, begun, newest))
    taken: dict[int, timedelta] = {}
    for snapshot in there:
        place = bisect_right(due, snapshot.taken_at) - 1
        if place >= 0:
            taken[place] = snapshot.taken_at - due[place]
    usual = timedelta(seconds=median(d.total_seconds() for d in taken.values())) if taken else DAY
    first = bisect_right(due, begun) - 1
    instants = [snapshot.taken_at for snapshot in reversed(there)]

    def dated(at: datetime) -> datetime:
        if zone is not None:
            return at.astimezone(zone)
        return at.astimezone(instants[max(0, bisect_right(instants, at) - 1)].tzinfo)

    absent = [
        replace(there[0], id=f"absent {at.isoformat()}", taken_at=dated(at + usual), tree="")
        for place, at in enumerate(due)
        if place not in taken and place >= first and at + usual < newest
    ]
    return Group(tuple(there), tuple(reversed(absent)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of all groups together.

    Attributes:
        keeps: rule -> the least count at which it keeps each snapshot.
        wants: rule -> the least count at which it would keep each absent run.
        reach: rule -> the greatest number of buckets that a group has.
    """

    keeps: Mapping[str, tuple[int, ...]]
    wants: Mapping[str, tuple[int, ...]]
    reach: Mapping[str, int]


def gather(groups: Sequence[Group], *, oldest_kept: bool) -> Evidence:
    """Gather the evidence of groups that one policy decides over.

    Args:
        oldest_kept: a rule with counts left keeps the oldest snapshot (restic 0.16 and newer).
    """
    keeps: dict[str, list[int]] = {rule: [] for rule in RULES}
    wants: dict[str, list[int]] = {rule: [] for rule in RULES}
    reach = dict.fromkeys(RULES, 0)
    for group in groups:
        for rule in RULES:
            kept, wanted, buckets = _thresholds(group, rule, oldest_kept)
            keeps[rule] += kept
            wants[rule] += wanted
            reach[rule] = max(reach[rule], buckets)
    return Evidence(
        {rule: tuple(found) for rule, found in keeps.items()},
        {rule: tuple(found) for rule, found in wants.items()},
        reach,
    )


def _thresholds(group: Group, rule: str, oldest_kept: bool) -> tuple[list[int], list[int], int]:
    bucket = _bucket(rule)
    newest: dict[object, Snapshot] = {}
    for snapshot in group.there:
        newest.setdefault(bucket(snapshot), snapshot)
    place = {key: number for number, key in enumerate(newest, start=1)}
    kept = [place[bucket(s)] if newest[bucket(s)] is s else NEVER for s in group.there]
    if oldest_kept and group.there:
        kept[-1] = min(kept[-1], len(place) + 1)
    # Newest first: so many buckets with a snapshot lie after an instant.
    ends = [-snapshot.taken_at.timestamp() for snapshot in newest.values()]
    wanted = [_wanted(absent, bucket(absent), newest, place, ends) for absent in group.absent]
    return kept, wanted, len(place)


def _wanted(
    absent: Snapshot,
    key: object,
    newest: Mapping[object, Snapshot],
    place: Mapping[object, int],
    ends: Sequence[float],
) -> int:
    if key in place:
        later = absent.taken_at > newest[key].taken_at
        return place[key] if later else NEVER
    return bisect_right(ends, -absent.taken_at.timestamp()) + 1


def _bucket(rule: str) -> Callable[[Snapshot], object]:
    if rule == "last":
        return lambda snapshot: snapshot.id
    cut = bucket_of(rule)
    return lambda snapshot: cut(snapshot.hour)
