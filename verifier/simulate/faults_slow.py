"""A backup that takes much longer than any other: what comes after it comes later. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from verifier.config.scenario_faults import BackupSlow
from verifier.core.snapshot import Snapshot
from verifier.simulate.faults import FaultedStep, is_added, machine_of
from verifier.simulate.timeline import Step, stored, turn_name

_NONE = timedelta()


def delay(steps: Sequence[Step], slow: Sequence[BackupSlow]) -> tuple[Step, ...]:
    """Return the steps as they go where some backups are slow: at the first cycle of their days.

    A step begins when the one before is done: a coordinator runs once at a time.
    """
    return tuple(_delayed(steps, slow)) if slow else tuple(steps)


def _delayed(steps: Iterable[Step], slow: Sequence[BackupSlow]) -> Iterator[Step]:
    begun: set[date] = set()
    free_at: datetime | None = None
    for step in steps:
        day, late = step.at.date(), _NONE
        if free_at is not None and step.ran:
            late = max(_NONE, free_at - step.at)
        takes = {fault.host: fault.takes for fault in slow if fault.on == day and day not in begun}
        if step.ran:
            begun.add(day)
        at, due = _later(step.at, late), []
        for snapshot in step.due:
            due.append(_dated(snapshot, step, late))
            late += _NONE if is_added(snapshot) else takes.get(machine_of(snapshot), _NONE)
        forgets_at = stored(_later(step.forget_at.astimezone(step.at.tzinfo), late))
        if step.ran:
            free_at = forgets_at
        yield FaultedStep(at, tuple(due), step.missed, step.ran, forgets_at, (*takes.items(),))


def _dated(snapshot: Snapshot, step: Step, late: timedelta) -> Snapshot:
    if is_added(snapshot) or not late:
        return snapshot
    turn_at = datetime.fromisoformat(snapshot.id.rpartition("@")[2])
    name = turn_name(machine_of(snapshot), stored(_later(turn_at.astimezone(step.at.tzinfo), late)))
    civil = snapshot.taken_at.astimezone(step.at.tzinfo)
    return replace(snapshot, id=name, taken_at=stored(_later(civil, late)))


def _later(at: datetime, by: timedelta) -> datetime:
    # Added to a civil time, a span would pass over an hour that the clocks skip.
    return at if not by else (at.astimezone(UTC) + by).astimezone(at.tzinfo)
