"""Gaps: hours, days, weeks, months and years inside a policy's reach without a restore point.

A count rule keeps the newest of each bucket that had a backup, so a bucket without one breaks no
promise of `forget`, and yet nobody can go back to it. What is looked at is what a group holds now;
whether a backup was never made or was removed, the snapshot after the gap tells by its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from statistics import median_low

from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.calendar import microseconds, window_start

DISTANCE = 1.5
"""A bucket is a gap if the snapshots around it lie further apart than so many of its lengths: a
backup that starts now before midnight and now after it leaves days out and no gap."""

LEARN_DAYS = 21
"""With so many days of history, a weekday that never had a snapshot is taken for a day off."""

DAY = timedelta(days=1)
_LENGTHS = {
    "hourly": timedelta(hours=1),
    "daily": DAY,
    "weekly": 7 * DAY,
    "monthly": 31 * DAY,
    "yearly": 366 * DAY,
}
_MONDAY = date(1, 1, 1)
_FIRST = datetime(1, 1, 6, tzinfo=UTC)
"""A span of centuries begins before any calendar of ours."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Buckets that follow one another, none with a restore point.

    Attributes:
        rule: `hourly`, `daily`, `weekly`, `monthly` or `yearly`.
        buckets: how many.
        first_at: where the first one begins; hours in UTC, days as midnight in UTC of that date.
        last_at: where the last one begins.
        before, after: the snapshots around it.
    """

    rule: str
    buckets: int
    first_at: datetime
    last_at: datetime
    before: Snapshot
    after: Snapshot


def find_gaps(
    snapshots: Iterable[Snapshot], policy: Policy, *, zone: tzinfo, scheduled: bool = False
) -> tuple[Gap, ...]:
    """Find the gaps of one group, the finest rule's first, each by time.

    A rule finer than the group's own rhythm has none: days mean nothing where backups are weekly.

    Args:
        snapshots: of the group, in any order, without those whose dates are not believed.
        zone: TZ of the forgetting process, for `within` windows.
        scheduled: a backup is due every day, so nothing is learned from what is not there.
    """
    dated = sorted(snapshots, key=lambda snapshot: snapshot.taken_at)
    found: list[Gap] = []
    known: list[tuple[datetime, datetime]] = []
    for rule in _LENGTHS:
        rule_gaps = list(_rule_gaps(rule, dated, policy, zone, scheduled))
        # A missing week is nothing new where its seven days have been named.
        found += [
            g for g in rule_gaps if not any(a <= g.first_at and _end(g) <= b for a, b in known)
        ]
        known += [(g.first_at, _end(g)) for g in rule_gaps]
    return tuple(found)


def _end(gap: Gap) -> datetime:
    bucket = _bucket(gap.rule, gap.last_at)
    return _start(gap.rule, bucket + 1)


def _rule_gaps(
    rule: str, dated: Sequence[Snapshot], policy: Policy, zone: tzinfo, scheduled: bool
) -> Iterator[Gap]:
    if len(dated) < 2:
        return
    first = _reach(rule, dated, policy, zone)
    if first is None:
        return
    held = [(_bucket(rule, s.taken_at), s) for s in dated]
    # The last one before the reach stands at its edge: a gap may begin there.
    inside = [pair for pair in held if pair[0] >= first]
    outside = [pair for pair in held if pair[0] < first][-1:]
    steps = [newer - older for (older, _), (newer, _) in pairwise(inside) if newer > older]
    if not steps or (median_low(steps) > 1 and not (scheduled and rule != "hourly")):
        return
    is_due = _due(rule, [bucket for bucket, _ in inside], scheduled)
    for (older, before), (newer, after) in pairwise([*outside, *inside]):
        lacking = [b for b in range(max(older + 1, first), newer) if is_due(b)]
        if lacking and after.taken_at - before.taken_at > DISTANCE * _LENGTHS[rule]:
            ends = _start(rule, lacking[0]), _start(rule, lacking[-1])
            yield Gap(rule, len(lacking), *ends, before, after)


def _due(rule: str, buckets: Sequence[int], scheduled: bool) -> Callable[[int], bool]:
    if rule != "daily" or scheduled or buckets[-1] - buckets[0] < LEARN_DAYS:
        return lambda _: True
    weekdays = {bucket % 7 for bucket in buckets}
    return lambda bucket: bucket % 7 in weekdays


def _reach(rule: str, dated: Sequence[Snapshot], policy: Policy, zone: tzinfo) -> int | None:
    # The first bucket that the policy reaches back to, from the group's newest snapshot.
    count, span = getattr(policy, rule), getattr(policy, f"within_{rule}")
    oldest, newest = dated[0], dated[-1]
    reached: list[int] = []
    if count == UNLIMITED:
        reached.append(_bucket(rule, oldest.taken_at))
    elif count:
        reached.append(_bucket(rule, newest.taken_at) - count + 1)
    for window in (span, policy.within):
        reached += [_window(rule, newest, window, zone)] if window else []
    return max(min(reached), _bucket(rule, oldest.taken_at)) if reached else None


def _window(rule: str, newest: Snapshot, span: Duration, zone: tzinfo) -> int:
    # Three months before May 31 are March 3, and before June 1 March 1: what forget removed on the
    # days before is not to be had any more. Summer time may shift the window's begin by an hour.
    latest = max(newest.taken_at, _FIRST)
    starts_us = [window_start(latest - day * DAY, span, zone) for day in range(4)]
    slack = timedelta(hours=0 if rule == "hourly" else 2)
    start_us = max(*starts_us, microseconds(_FIRST))
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start_us) + slack
    # The window begins inside its first bucket, of which it need hold nothing.
    return _bucket(rule, at.astimezone(newest.taken_at.tzinfo)) + 1


def _bucket(rule: str, at: datetime) -> int:
    # A number that grows by one from bucket to bucket. Days are those of the stored offset, as
    # restic cuts them; hours are counted in UTC, where none is left out in spring.
    if rule == "hourly":
        return microseconds(at) // 3_600_000_000
    day = at.date()
    if rule == "daily":
        return (day - _MONDAY).days
    if rule == "weekly":
        return (day - _MONDAY).days // 7
    return day.year * 12 + day.month - 1 if rule == "monthly" else day.year


def _start(rule: str, bucket: int) -> datetime:
    if rule == "hourly":
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=bucket)
    if rule in {"daily", "weekly"}:
        day = _MONDAY + bucket * _LENGTHS[rule]
    elif rule == "monthly":
        day = date(bucket // 12, bucket % 12 + 1, 1)
    else:
        day = date(bucket, 1, 1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def gap_text(gap: Gap) -> str:
    """Return the gap's buckets in words: `2024-03-04 to 2024-03-06 (3 days)`."""
    shape, unit = _WORDS[gap.rule]
    first, last = gap.first_at.strftime(shape), gap.last_at.strftime(shape)
    words = first if first == last else f"{first} to {last}"
    return f"{words} ({gap.buckets} {unit}{'s' if gap.buckets > 1 else ''})"


_WORDS = {
    "hourly": ("%Y-%m-%d %H:00 UTC", "hour"),
    "daily": ("%Y-%m-%d", "day"),
    "weekly": ("week %G-%V", "week"),
    "monthly": ("%Y-%m", "month"),
    "yearly": ("%Y", "year"),
}
