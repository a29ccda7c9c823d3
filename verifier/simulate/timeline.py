"""Timelines: which backups are due when, and what becomes of their snapshots.

One loop for every fidelity: a world runs a step and says what it did, `follow` checks it against
the policy's promises and remembers what the proof needs. `follow` knows no world, a world knows no
promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from posixpath import normpath
from typing import Protocol

from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.monitor.telemetry import LogLine
from verifier.retention.checks import Promises
from verifier.retention.decide import group_key


@dataclass(frozen=True, slots=True)
class Source:
    """What one host backs up: its name and its include paths."""

    host: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Days:
    """A range of civil days, both ends in it."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class PathChange:
    """From a day on, a host backs up other paths."""

    host: str
    first: date
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deviations:
    """What does not go as scheduled.

    Attributes:
        missed: days on which the coordinator does not run at all.
        down: hosts that cannot be reached, and when.
        changes: path lists that change.
    """

    missed: tuple[Days, ...] = ()
    down: tuple[tuple[str, Days], ...] = ()
    changes: tuple[PathChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One firing of the coordinator's timer.

    Attributes:
        at: when it begins, with the offset that then holds.
        due: the backups that are made, hosts in turn, each as the snapshot it should become.
        missed: hosts whose backup is not made.
        ran: false where the coordinator itself did not run: no forget either.
    """

    at: datetime
    due: tuple[Snapshot, ...]
    missed: tuple[str, ...]
    ran: bool = True

    @property
    def forget_at(self) -> datetime:
        """When forget runs: a minute after the last backup began."""
        return (self.due[-1].taken_at if self.due else stored(self.at)) + TURN

    def takes(self, snapshot: Snapshot) -> timedelta:
        """Return how long the backup takes that makes a snapshot."""
        return TURN


TURN = timedelta(minutes=1)
"""How long a backup of which nothing else is known takes."""


@lru_cache(maxsize=64)
def _fixed(offset: timedelta) -> timezone:
    return timezone(offset)


def stored(at: datetime) -> datetime:
    """Return the instant with a fixed UTC offset, as a snapshot stores it."""
    offset = at.utcoffset()
    assert offset is not None, "a step's time carries its offset"
    return at.astimezone(_fixed(offset))


def plan_steps(
    sources: Sequence[Source], fired: Iterable[datetime], deviations: Deviations
) -> tuple[Step, ...]:
    """Plan every step: hosts in turn, a minute apart or, for many hosts, within the hour.

    A step begins when the one before is done: a coordinator runs once at a time.

    Args:
        fired: instants of the coordinator's timer, in the schedule's zone, ascending.
    """
    # Whole seconds, because `restic backup --time` takes no less.
    spacing = timedelta(seconds=min(60, max(1, 3_600 // max(len(sources), 1))))
    steps: list[Step] = []
    for fires_at in fired:
        at = fires_at
        if steps and steps[-1].forget_at > fires_at:
            at = steps[-1].forget_at.astimezone(fires_at.tzinfo)
        steps.append(_plan_step(sources, at, fires_at.date(), deviations, spacing))
    return tuple(steps)


def turn_name(machine: str, at: datetime) -> str:
    """Return the name of a planned snapshot: whose turn it is, and when that begins."""
    return f"{machine}@{at.isoformat(timespec='seconds')}"


def _plan_step(
    sources: Sequence[Source], at: datetime, day: date, deviations: Deviations, spacing: timedelta
) -> Step:
    names = tuple(source.host for source in sources)
    if any(day in days for days in deviations.missed):
        return Step(at, (), names, ran=False)
    down = {host for host, days in deviations.down if day in days}
    due = tuple(
        _due(source, taken_at, deviations.changes)
        for source, taken_at in zip(sources, _turns(at, spacing, len(sources)), strict=True)
        if source.host not in down
    )
    return Step(at, due, tuple(name for name in names if name in down))


def _turns(at: datetime, spacing: timedelta, count: int) -> list[datetime]:
    base = stored(at)
    turns = [base + turn * spacing for turn in range(count)]
    if turns and turns[-1].astimezone(at.tzinfo).utcoffset() == base.utcoffset():
        return turns
    # The clocks change between the first host and the last.
    return [stored(turn.astimezone(at.tzinfo)) for turn in turns]


def _due(source: Source, taken_at: datetime, changes: Sequence[PathChange]) -> Snapshot:
    paths, since = source.paths, date.min
    for change in changes:
        if change.host == source.host and since <= change.first <= taken_at.date():
            paths, since = change.paths, change.first
    return Snapshot(
        turn_name(source.host, taken_at),
        taken_at,
        source.host,
        _cleaned(paths),
    )


@lru_cache(maxsize=1_024)
def _cleaned(paths: tuple[str, ...]) -> tuple[str, ...]:
    # As restic stores it; two slashes in front mean something to POSIX, and nothing to restic.
    return tuple("/" + normpath(path).lstrip("/") for path in paths)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a world made of a step.

    Attributes:
        created: the snapshots that now exist.
        groups: the decision on every group that exists after forget ran; none where it did not.
        duration_s: how long the cycle took, in real seconds, where commands really ran.
        repository_bytes: the repository's size afterwards, where there is one.
        findings: what went wrong in the step itself, and where the world disagreed with the model.
        compared: decisions compared with the model's, and how many agreed.
        sound: whether the repository proved sound, where it was read after this step.
        log: what the coordinator's script printed, in simulated time, where it really ran.
    """

    step: Step
    created: tuple[Snapshot, ...]
    groups: tuple[GroupDecision, ...]
    findings: tuple[Finding, ...] = ()
    duration_s: float | None = None
    repository_bytes: int | None = None
    compared: int = 0
    agreed: int = 0
    sound: bool | None = None
    log: tuple[LogLine, ...] = ()


class World(Protocol):
    """A place in which a coordinator runs its cycle."""

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots instead of none."""
        ...

    def run(self, step: Step) -> Outcome:
        """Run one step: the backups, forget, prune, sync."""
        ...

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A step as the proof remembers it: what came, what went and for which reason it had stayed."""

    step: Step
    created: tuple[Snapshot, ...]
    removed: tuple[tuple[Snapshot, tuple[str, ...]], ...]
    kept: int
    findings: tuple[Finding, ...]
    duration_s: float | None
    repository_bytes: int | None


@dataclass(slots=True)
class History:
    """One group so far: the last decision on it, and when snapshots came."""

    decision: GroupDecision | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    worst_gap: timedelta = timedelta()


@dataclass(slots=True)
class Following:
    """What is known of a timeline so far. `follow` alone writes it."""

    records: list[Record] = field(default_factory=list)
    groups: dict[GroupKey, History] = field(default_factory=dict)
    compared: int = 0
    agreed: int = 0
    read: int = 0
    unsound: int = 0

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings of every step, in order."""
        return tuple(finding for record in self.records for finding in record.findings)

    def survivors(self) -> tuple[GroupDecision, ...]:
        """Return the last decision on every group that still has snapshots, by key."""
        decisions = [known.decision for _, known in sorted(self.groups.items())]
        return tuple(decision for decision in decisions if decision and decision.keep)


def follow(
    outcomes: Iterable[Outcome], promises: Promises, group_by: Sequence[str]
) -> Iterator[tuple[Following, Outcome]]:
    """Follow a timeline, checking every step; yield the state (one object, growing) after each."""
    state = Following()
    for outcome in outcomes:
        arrived: dict[GroupKey, list[Snapshot]] = {}
        for snapshot in outcome.created:
            key = group_key(snapshot, group_by)
            arrived.setdefault(key, []).append(snapshot)
            promises.record(key, snapshot)
            _note_arrival(state.groups.setdefault(key, History()), snapshot.taken_at)
        findings = list(outcome.findings)
        removed: list[tuple[Snapshot, tuple[str, ...]]] = []
        for group in (*outcome.groups, *_vanished(outcome, state, arrived)):
            history = state.groups.setdefault(group.key, History())
            known = history.decision
            there = (*arrived.get(group.key, ()), *(known.keep[:1] if known else ()))
            newest = max(there, key=lambda snapshot: snapshot.taken_at, default=None)
            findings += promises.check(newest, group)
            removed += ((snapshot, _last_reasons(known, snapshot)) for snapshot in group.remove)
            history.decision = group
        state.compared += outcome.compared
        state.agreed += outcome.agreed
        state.read += outcome.sound is not None
        state.unsound += outcome.sound is False
        state.records.append(_record(outcome, tuple(removed), tuple(findings), state))
        yield state, outcome


def _vanished(
    outcome: Outcome, state: Following, arrived: Mapping[GroupKey, Sequence[Snapshot]]
) -> list[GroupDecision]:
    # A world names every group after forget; of one it does not name, nothing is left.
    if not outcome.step.ran:
        return []
    named = {group.key for group in outcome.groups}
    gone: list[GroupDecision] = []
    for key in sorted(state.groups.keys() - named):
        known = state.groups[key].decision
        lost = (*arrived.get(key, ()), *(known.keep if known else ()))
        if lost:
            gone.append(GroupDecision(key, (), (), lost))
    return gone


def _record(
    outcome: Outcome,
    removed: tuple[tuple[Snapshot, tuple[str, ...]], ...],
    findings: tuple[Finding, ...],
    state: Following,
) -> Record:
    known = state.records[-1].kept if state.records else 0
    return Record(
        outcome.step,
        outcome.created,
        removed,
        known + len(outcome.created) - len(removed),
        findings,
        outcome.duration_s,
        outcome.repository_bytes,
    )


def _note_arrival(history: History, taken_at: datetime) -> None:
    if history.last_at is None:
        history.first_at = history.last_at = taken_at
    else:
        history.worst_gap = max(history.worst_gap, taken_at - history.last_at)
        history.last_at = max(history.last_at, taken_at)


def _last_reasons(known: GroupDecision | None, snapshot: Snapshot) -> tuple[str, ...]:
    # From the old end: what forget removes is seldom new.
    if known is not None:
        for kept, reasons in zip(reversed(known.keep), reversed(known.reasons), strict=True):
            if kept is snapshot or kept.id == snapshot.id:
                return reasons
    return ()
