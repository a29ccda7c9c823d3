"""Faults of a timeline: steps as planned to steps as they go when clocks, names and people fail.

Pure. What a fault does to a repository's files is done elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from verifier.config.scenario_faults import (
    ClockWrong,
    Faults,
    HostRenamed,
    SnapshotsAdded,
    Tagged,
    ZoneChanged,
)
from verifier.core.snapshot import Snapshot
from verifier.simulate.timeline import TURN, Step, stored

_ADDED = "added:"

_NEVER = datetime.max.replace(tzinfo=UTC)

Alter = Callable[[Snapshot, Step], Snapshot]
"""What becomes of a snapshot that is due on a step."""


@dataclass(frozen=True, slots=True)
class FaultedStep(Step):
    """A step whose forget knows its own hour: snapshots may be dated by other clocks than its.

    Attributes:
        slow: machines whose backups take as long as this.
    """

    # After a field that has a default; every step here is given one.
    forgets_at: datetime = _NEVER
    slow: tuple[tuple[str, timedelta], ...] = ()

    @property
    def forget_at(self) -> datetime:
        """When forget runs, by the coordinator's clock."""
        return self.forgets_at

    def takes(self, snapshot: Snapshot) -> timedelta:
        """Return how long the backup takes that makes a snapshot."""
        return dict(self.slow).get(machine_of(snapshot), TURN)


def apply(
    steps: Sequence[Step], faults: Faults, include: Mapping[str, tuple[str, ...]]
) -> tuple[Step, ...]:
    """Return the steps as they go with these faults.

    Args:
        include: host -> the paths that it backs up before any change, for snapshots that are
            added before it ever made one.
    """
    alters = tuple(_alters(faults))
    if not alters and not faults.snapshots_added:
        return tuple(steps)
    paths, begun = dict(include), set[date]()
    faulted = []
    for step in steps:
        paths.update((snapshot.host, snapshot.paths) for snapshot in step.due)
        due = [_altered(snapshot, step, alters) for snapshot in step.due]
        added: list[Snapshot] = []
        if step.ran and step.at.date() not in begun:
            begun.add(step.at.date())
            added += _added(faults.snapshots_added, step, paths)
        # Before the day's own: who attacks does not wait for the backup.
        faulted.append(FaultedStep(step.at, (*added, *due), step.missed, step.ran, step.forget_at))
    return tuple(faulted)


def is_added(snapshot: Snapshot) -> bool:
    """Say whether a snapshot is one that somebody adds, and no backup makes."""
    return snapshot.id.startswith(_ADDED)


def machine_of(snapshot: Snapshot) -> str:
    """Return the host that makes a planned snapshot, as the coordinator calls it.

    The snapshot itself may carry another name.
    """
    return snapshot.host if is_added(snapshot) else snapshot.id.rpartition("@")[0]


def begun_at(snapshot: Snapshot) -> datetime:
    """Return when a planned snapshot's turn begins; its own date is its host's affair."""
    _, at, turn = snapshot.id.rpartition("@")
    return datetime.fromisoformat(turn) if at else snapshot.taken_at


def forgetting_at(steps: Iterable[Step], now: datetime) -> tuple[Step, ...]:
    """Return the steps as a program sees them whose clock says `now` in all of them."""
    return tuple(FaultedStep(s.at, s.due, s.missed, s.ran, now) for s in steps)


def _altered(snapshot: Snapshot, step: Step, alters: Iterable[Alter]) -> Snapshot:
    for alter in alters:
        snapshot = alter(snapshot, step)
    return snapshot


def _alters(faults: Faults) -> Iterator[Alter]:
    yield from (partial(_misdate, fault) for fault in faults.clock_wrong)
    yield from (partial(_move, fault) for fault in faults.zone_changed)
    yield from (partial(_tag, fault) for fault in faults.tagged)
    # Last: all of them know a host by the name that the coordinator has for it.
    yield from (partial(_rename, fault) for fault in faults.host_renamed)


def _misdate(fault: ClockWrong, snapshot: Snapshot, step: Step) -> Snapshot:
    if snapshot.host != fault.host or not fault.from_ <= step.at.date() <= fault.to:
        return snapshot
    wrong_at = snapshot.taken_at.astimezone(UTC) + fault.by
    return replace(snapshot, taken_at=stored(wrong_at.astimezone(step.at.tzinfo)))


def _move(fault: ZoneChanged, snapshot: Snapshot, step: Step) -> Snapshot:
    if snapshot.host != fault.host or step.at.date() < fault.from_:
        return snapshot
    return replace(
        snapshot, taken_at=stored(snapshot.taken_at.astimezone(ZoneInfo(fault.timezone)))
    )


def _tag(fault: Tagged, snapshot: Snapshot, step: Step) -> Snapshot:
    if snapshot.host != fault.host or not fault.from_ <= step.at.date() <= fault.to:
        return snapshot
    return replace(snapshot, tags=tuple(dict.fromkeys((*snapshot.tags, *fault.tags))))


def _rename(fault: HostRenamed, snapshot: Snapshot, step: Step) -> Snapshot:
    if snapshot.host != fault.host or step.at.date() < fault.from_:
        return snapshot
    return replace(snapshot, host=fault.name)


def _added(
    attacks: Sequence[SnapshotsAdded], step: Step, paths: Mapping[str, tuple[str, ...]]
) -> Iterator[Snapshot]:
    for attack_index, attack in enumerate(attacks):
        if attack.on != step.at.date():
            continue
        for turn in range(attack.count):
            taken_at = stored(attack.first + turn * attack.every)
            name = f"{_ADDED}{attack_index}-{attack.host}@{taken_at.isoformat(timespec='seconds')}"
            own_time = stored(step.at)
            yield Snapshot(name, taken_at, attack.host, paths[attack.host], made_at=own_time)
