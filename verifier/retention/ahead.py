"""The days ahead, if backups go on as they do: the last week of every living group, repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from statistics import median

from verifier.core.decision import Decision
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import decide, group_key
from verifier.retention.rules import Rules

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

    The decision covers what exists at the end, and as removed what goes on the last day.
    """
    alive = list(snapshots)
    coming = continue_as_before(alive, now=now, until=now + timedelta(days=days), group_by=group_by)
    decision = decide(alive, policy, rules, now=now, zone=zone, group_by=group_by)
    arrived = 0
    for day in range(1, days + 1):
        at = now + timedelta(days=day)
        if not decision.refused:
            alive = [snapshot for snapshot, _ in decision.kept()]
        while arrived < len(coming) and coming[arrived].taken_at <= at:
            alive.append(coming[arrived])
            arrived += 1
        decision = decide(alive, policy, rules, now=at, zone=zone, group_by=group_by)
    return decision


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
    gaps = [newer.taken_at - older.taken_at for older, newer in zip(group, group[1:], strict=False)]
    recent = median(gaps[-30:]) if gaps else timedelta(days=1)
    interval = max(recent, timedelta(minutes=1))
    if now - last.taken_at > max(3 * interval, timedelta(days=2)):
        return
    period = WEEK if interval < WEEK else interval
    pattern = [s for s in group if last.taken_at - s.taken_at < period]
    first_at = pattern[0].taken_at
    if len(pattern) > 1 and last.taken_at - first_at + interval < period:
        # Less than a week of history: repeat what there is of it.
        period = last.taken_at - first_at + interval
    elif len(pattern) == 1:
        period = interval
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
