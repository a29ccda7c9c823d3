"""The days ahead, if backups go on as they do: the last week of every living group, repeated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from statistics import median_low

from verifier.core.decision import Decision, GroupDecision, GroupKey
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import decide, group_key, newest_first
from verifier.retention.rules import Rules

DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def forget_ahead(
    snapshots: Iterable[Snapshot],
    policy: Policy,
    rules: Rules,
    *,
    now: datetime,
    days: int,
    zone: tzinfo,
    group_by: Sequence[str],
) -> Decision:
    """Decide as forget will, run after every day from now until `days` days ahead.

    Returns:
        What survives at the end with its reasons then, and of what exists now, what is gone.
    """
    existing = tuple(snapshots)
    daily = follow_ahead(existing, policy, rules, now=now, days=days, zone=zone, group_by=group_by)
    *_, (_, decision) = daily
    return (
        decision
        if decision.refused
        else replace(decision, groups=tuple(_with_gone(decision, existing, group_by)))
    )


def follow_ahead(
    snapshots: Iterable[Snapshot],
    policy: Policy,
    rules: Rules,
    *,
    now: datetime,
    days: int,
    zone: tzinfo,
    group_by: Sequence[str],
) -> Iterator[tuple[datetime, Decision]]:
    """Yield what forget decides now and after every day, with when; each removes what it says."""
    alive = list(snapshots)
    coming = continue_as_before(alive, now=now, until=now + timedelta(days=days), group_by=group_by)
    decision = decide(alive, policy, rules, now=now, zone=zone, group_by=group_by)
    yield now, decision
    arrived = 0
    for day in range(1, days + 1):
        at = now + timedelta(days=day)
        if not decision.refused:
            alive = [snapshot for snapshot, _ in decision.kept()]
        while arrived < len(coming) and coming[arrived].taken_at <= at:
            alive.append(coming[arrived])
            arrived += 1
        decision = decide(alive, policy, rules, now=at, zone=zone, group_by=group_by)
        yield at, decision


def _with_gone(
    decision: Decision, existing: Sequence[Snapshot], group_by: Sequence[str]
) -> Iterator[GroupDecision]:
    kept = {snapshot.id for snapshot, _ in decision.kept()}
    gone: dict[GroupKey, list[Snapshot]] = {}
    for snapshot in existing:
        if snapshot.id not in kept:
            gone.setdefault(group_key(snapshot, group_by), []).append(snapshot)
    groups = {group.key: group for group in decision.groups}
    for key in sorted(groups.keys() | gone.keys()):
        group = groups.get(key) or GroupDecision(key, (), (), ())
        yield replace(group, remove=newest_first(gone.get(key, ())))


def continue_as_before(
    snapshots: Iterable[Snapshot], *, now: datetime, until: datetime, group_by: Sequence[str]
) -> list[Snapshot]:
    """Return the snapshots to expect after now, oldest first.

    A group that had a snapshot in its last week repeats that week; one that is made less often
    goes on at its median interval; one that has been silent for longer than three of its
    intervals stays silent. Wall clocks keep the offset of the snapshot they repeat.
    """
    groups: dict[object, list[Snapshot]] = {}
    for snapshot in sorted(snapshots, key=lambda s: s.taken_at):
        if snapshot.taken_at <= now:
            groups.setdefault(group_key(snapshot, group_by), []).append(snapshot)
    coming = [s for group in groups.values() for s in _continued(group, now, until)]
    return sorted(coming, key=lambda s: s.taken_at)


def _continued(group: Sequence[Snapshot], now: datetime, until: datetime) -> Iterable[Snapshot]:
    last = group[-1]
    gaps = [newer.taken_at - older.taken_at for older, newer in pairwise(group)]
    recent = median_low(gaps[-30:]) if gaps else timedelta(days=1)
    interval = max(recent, timedelta(minutes=1))
    if now - last.taken_at > max(3 * interval, timedelta(days=2)):
        return
    period = WEEK if interval < WEEK else interval
    if interval < WEEK and last.taken_at - group[0].taken_at + interval < WEEK:
        # Less than a week of history: repeat what there is of it, by whole days if it has some.
        span = last.taken_at - group[0].taken_at + interval
        period = timedelta(days=round(span / DAY)) if span >= DAY else span
    pattern = [s for s in group if last.taken_at - s.taken_at < period]
    turn = 1
    while True:
        for snapshot in pattern:
            taken_at = snapshot.taken_at + turn * period
            if taken_at > until:
                return
            if taken_at > now:
                yield _expected(last, taken_at)
        turn += 1


def _expected(like: Snapshot, taken_at: datetime) -> Snapshot:
    name = taken_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Snapshot(f"expected-{like.host}-{name}", taken_at, like.host, like.paths, like.tags)
