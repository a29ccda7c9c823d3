"""What a policy promises, checked against what survives: stated apart from how forget decides.

`Promises` remembers which snapshots a group ever received and what the policy owes for them: the
newest snapshot of each of the last N days (weeks, months, years) that had one, the last N, and
everything (or the newest of each bucket) inside a window. It never asks `decide`, so a fault there
shows here. `simulate` feeds it day by day; on a real repository it is fed once. Of two snapshots of
one group and instant it is chance which one restic keeps, so what is owed is an instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, tzinfo

from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.finding import Finding
from verifier.core.policy import UNLIMITED, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.calendar import microseconds, window_start
from verifier.retention.decide import bucket_of

_SPANS = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year", "hourly": "hour"}


@dataclass(slots=True)
class Tally:
    """How often one invariant was checked and how often it did not hold."""

    name: str
    stated: str
    checked: int = 0
    violated: int = 0


class Promises:
    """The invariants of one policy over a growing history of backups.

    Args:
        policy: what was promised.
        zone: TZ of the forgetting process, for `within` windows.
    """

    def __init__(self, policy: Policy, zone: tzinfo) -> None:
        self._policy = policy
        self._zone = zone
        self._counted: dict[GroupKey, list[_Newest]] = {}
        self._counts = {
            rule.name: getattr(policy, rule.name)
            for rule in fields(policy)
            if isinstance(getattr(policy, rule.name), int) and getattr(policy, rule.name)
        }
        self._windows = {
            name: getattr(policy, name)
            for name in ("within", *(f"within_{rule}" for rule in _SPANS))
            if getattr(policy, name)
        }
        self._inside: dict[GroupKey, list[tuple[int, Snapshot]]] = {}
        self._newest = Tally("newest-kept", "The newest snapshot of a group is never removed.")
        self._kept = {
            rule: Tally(f"{rule}-kept", _count_promise(rule, n)) for rule, n in self._counts.items()
        }
        self._held = {
            name: Tally(f"{name.replace('_', '-')}-kept", _window_promise(name, str(span)))
            for name, span in self._windows.items()
        }
        self.bound = policy_bound(policy)
        self._bounded = Tally(
            "bounded", f"A group never holds more than {self.bound} snapshots after forget."
        )

    def tallies(self) -> tuple[Tally, ...]:
        """Return every invariant with what was checked; the bound only where there is one."""
        bounded = (self._bounded,) if self.bound is not None else ()
        return (self._newest, *self._kept.values(), *self._held.values(), *bounded)

    def record(self, key: GroupKey, snapshot: Snapshot) -> None:
        """Take note that a group received a snapshot."""
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = [
                _Newest(rule, count) for rule, count in self._counts.items()
            ]
        for newest in counted:
            newest.add(snapshot)
        if self._windows:
            taken = microseconds(snapshot.taken_at), snapshot
            self._inside.setdefault(key, []).append(taken)

    def check(self, before: Snapshot | None, after: GroupDecision) -> Iterator[Finding]:
        """Check one group after one forget.

        Args:
            before: the group's newest snapshot before forget; none where it had none.
            after: what forget left of the group.
        """
        alive = {snapshot.taken_at for snapshot in after.keep}
        if before is not None:
            self._newest.checked += 1
            if before.taken_at not in alive:
                self._newest.violated += 1
                yield Finding(
                    "newest-removed", str(after.key), f"forget removed {_named(before)}, the newest"
                )
        for newest in self._counted.get(after.key, ()):
            tally = self._kept[newest.rule]
            tally.checked += 1
            if not newest.kept_in(alive):
                tally.violated += 1
                yield from newest.broken(after.key, alive)
        if self._windows and after.keep:
            yield from self._check_windows(after, alive)
        if self.bound is not None:
            self._bounded.checked += 1
            if len(after.keep) > self.bound:
                self._bounded.violated += 1
                detail = (
                    f"{len(after.keep)} snapshots survive where the policy keeps {self.bound} "
                    "at most"
                )
                yield Finding("over-bound", str(after.key), detail)

    def _check_windows(self, after: GroupDecision, alive: set[datetime]) -> Iterator[Finding]:
        anchor = after.keep[0].taken_at
        starts = {
            name: window_start(anchor, span, self._zone) for name, span in self._windows.items()
        }
        reach = min(starts.values())
        inside = [taken for taken in self._inside[after.key] if taken[0] > reach]
        self._inside[after.key] = inside
        for name, start in starts.items():
            tally = self._held[name]
            tally.checked += 1
            owed = _owed(name, [snapshot for instant, snapshot in inside if instant > start])
            gone = [s for s in owed if s.taken_at not in alive]
            tally.violated += bool(gone)
            for snapshot in gone:
                detail = (
                    f"{_named(snapshot)} is inside {name.replace('_', '-')} "
                    f"{self._windows[name]} and is gone"
                )
                yield Finding("promise-broken", str(after.key), detail)


class _Newest:
    """The newest snapshot of each of the last N buckets that had one."""

    __slots__ = ("_bucket", "_count", "_in_order", "_newest_at", "_owed", "_position", "rule")

    def __init__(self, rule: str, count: int) -> None:
        self.rule = rule
        self._count = count
        self._bucket = None if rule == "last" else bucket_of(rule)
        self._owed: dict[int, datetime] = {}
        self._position = 0
        self._newest_at = datetime.min.replace(tzinfo=UTC)
        self._in_order = True

    def add(self, snapshot: Snapshot) -> None:
        """Take note of a snapshot; out of time order is fine, only slower."""
        taken_at, owed = snapshot.taken_at, self._owed
        self._position += 1
        bucket = self._bucket(snapshot.hour) if self._bucket else self._position
        if taken_at >= self._newest_at:
            self._newest_at = taken_at
        else:
            self._in_order = False
            if bucket in owed and owed[bucket] >= taken_at:
                return
        # To the end: where UTC offsets are mixed, a day can come back.
        owed.pop(bucket, None)
        owed[bucket] = taken_at
        if self._count != UNLIMITED and len(owed) > self._count:
            del owed[next(iter(owed)) if self._in_order else min(owed, key=owed.__getitem__)]

    def kept_in(self, alive: set[datetime]) -> bool:
        """Say whether every snapshot that is owed is alive."""
        return alive.issuperset(self._owed.values())

    def broken(self, key: GroupKey, alive: set[datetime]) -> Iterator[Finding]:
        """Yield a finding for each snapshot that is owed and gone."""
        for taken_at in self._owed.values():
            if taken_at not in alive:
                place = (
                    f"one of the last {self._count}"
                    if self.rule == "last"
                    else f"the newest of its {_SPANS[self.rule]}"
                )
                taken = taken_at.isoformat(sep=" ", timespec="minutes")
                detail = (
                    f"the snapshot of {taken}, {place}, is gone although "
                    f"{self.rule}={self._count} promises it"
                )
                yield Finding("promise-broken", str(key), detail)


def policy_bound(policy: Policy) -> int | None:
    """Return how many snapshots a group can hold; none where windows or tags set no limit."""
    counts = [
        getattr(policy, rule) for rule in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
    ]
    endless = (
        UNLIMITED in counts
        or policy.tags
        or any(getattr(policy, f.name) for f in fields(policy) if f.name.startswith("within"))
    )
    return None if endless or not policy else sum(counts)


def _owed(name: str, inside: list[Snapshot]) -> list[Snapshot]:
    if name == "within":
        return inside
    newest: dict[int, Snapshot] = {}
    bucket_under = bucket_of(name.removeprefix("within_"))
    for snapshot in inside:
        bucket = bucket_under(snapshot.hour)
        held = newest.get(bucket)
        if held is None or held.taken_at < snapshot.taken_at:
            newest[bucket] = snapshot
    return list(newest.values())


def _count_promise(rule: str, count: int) -> str:
    if rule == "last":
        return (
            "Every snapshot stays." if count == UNLIMITED else f"The last {count} snapshots stay."
        )
    span = _SPANS[rule]
    which = f"every {span}" if count == UNLIMITED else f"each of the last {count} {span}s"
    return f"Of {which} that had a backup, the newest snapshot stays."


def _window_promise(name: str, span: str) -> str:
    if name == "within":
        return f"Every snapshot of the last {span} stays."
    bucket = _SPANS[name.removeprefix("within_")]
    return f"Of each {bucket} of the last {span} that had a backup, the newest snapshot stays."


def _named(snapshot: Snapshot) -> str:
    return f"the snapshot of {snapshot.taken_at.isoformat(sep=' ', timespec='minutes')}"
