"""Faults at a moment of a cycle: a command is killed, a machine loses power, somebody interferes.

Programs stand on the machines only while the cycle of such a day runs. What goes wrong on a day
does so in the first cycle of that day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Protocol

from verifier.clock.page import ClockPage
from verifier.config.scenario_faults import Faults
from verifier.core.snapshot import Snapshot
from verifier.fleet.containers import Fleet
from verifier.simulate.faults import FaultedStep, is_added, machine_of
from verifier.simulate.moment_order import Order, order_at
from verifier.simulate.moment_post import Guard, Post
from verifier.simulate.timeline import Step, turn_name

STEP = timedelta(minutes=20)
"""How far the clock moves at a time while a restic waits: half an hour, and its lock is stale."""

_APART = timedelta(seconds=1)
"""How long a turn is in a cycle that somebody starts by hand while another one waits."""

Act = Callable[[], None]


class Startable(Protocol):
    """A world whose coordinator can be asked for more than its cycle."""

    def run_beside(self, step: Step) -> None:
        """Run the coordinator's script once more while a step is under way."""
        ...

    def remove_stale_locks(self, step: Step) -> None:
        """Run `restic unlock` where the coordinator runs, just before a step."""
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """What a world's faults of a moment are done with.

    Attributes:
        coordinator: its name.
        method: of the off-site copy, if there is one.
        post: a machine's name -> where somebody can stand on it.
        page: a machine's name -> its clock.
        fleet: the machines, where they have a power of their own.
    """

    world: Startable
    coordinator: str
    method: str | None
    post: Callable[[str], Post]
    page: Callable[[str], ClockPage]
    fleet: Fleet | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    post: Post
    order: Order
    act: Act | None = None


class Moments:
    """The faults of a moment in one world."""

    def __init__(self, faults: Faults, scene: Scene) -> None:
        self._faults = faults
        self._scene = scene
        self._over: set[date] = set()

    @contextmanager
    def armed(self, step: Step) -> Iterator[None]:
        """Let happen what happens while this step runs.

        Raises:
            CannotVerify: it could not be made to happen.
        """
        day = step.at.date()
        if day in self._over or not step.ran:
            yield
            return
        self._over.add(day)
        if any(unlocked.on == day for unlocked in self._faults.unlocked):
            self._scene.world.remove_stale_locks(step)
        events = list(self._events(step))
        guards = _guards(events)
        with ThreadPoolExecutor(max_workers=len(events) + 1) as pool:
            try:
                for guard in guards.values():
                    guard.stand()
                acts = [pool.submit(_meet, *one) for one in _to_meet(events, guards)]
                yield
            finally:
                self._clear(guards)
        for act in acts:
            act.result()
        for guard in guards.values():
            guard.check()

    def _clear(self, guards: Mapping[str, Guard]) -> None:
        fleet = self._scene.fleet
        for machine, guard in guards.items():
            if fleet is not None and not fleet.is_up(machine):
                fleet.power_on(machine)
            guard.leave()

    def _events(self, step: Step) -> Iterator[_Event]:
        day, scene, faults = step.at.date(), self._scene, self._faults
        for killed in (fault for fault in faults.killed if fault.on == day):
            order = order_at(killed.what, killed.moment, host=killed.host, method=scene.method)
            yield _Event(scene.post(killed.host or scene.coordinator), replace(order, kill=True))
        for rebooted in (fault for fault in faults.rebooted if fault.on == day):
            order = order_at("backup", "writing", host=rebooted.host, method=None)
            assert scene.fleet is not None, "a fault of machines"
            off = partial(scene.fleet.power_off, rebooted.host)
            yield _Event(scene.post(rebooted.host), replace(order, kill=True, hold=True), off)
        for slow in (fault for fault in faults.backup_slow if fault.on == day):
            order = order_at("backup", "begun", host=slow.host, method=None)
            passing = partial(_pass_time, scene.page(slow.host), slow.takes)
            yield _Event(scene.post(slow.host), replace(order, hold=True), passing)
        for second in (fault for fault in faults.second_coordinator if fault.on == day):
            due = [snapshot for snapshot in step.due if not is_added(snapshot)]
            host = machine_of(due[0]) if second.at == "backup" and due else None
            order = order_at(second.at, "begun", host=host, method=None)
            again = partial(scene.world.run_beside, started_again(step, while_backup=bool(host)))
            yield _Event(scene.post(host or scene.coordinator), replace(order, hold=True), again)


def started_again(step: Step, *, while_backup: bool) -> Step:
    """Return what is to come of a cycle that is started by hand while a step is under way.

    Args:
        while_backup: the step's first backup is under way; otherwise its last is over.
    """
    due = [snapshot for snapshot in step.due if not is_added(snapshot)]
    begun_at = due[0].taken_at if while_backup else step.forget_at
    again = tuple(_dated(one, begun_at + turn * _APART) for turn, one in enumerate(due, start=1))
    return FaultedStep(step.at, again, step.missed, True, begun_at + (len(due) + 1) * _APART)


def _dated(snapshot: Snapshot, at: datetime) -> Snapshot:
    return replace(snapshot, id=turn_name(machine_of(snapshot), at), taken_at=at)


def _guards(events: Sequence[_Event]) -> dict[str, Guard]:
    posts = {event.post.machine: event.post for event in events}
    return {
        name: Guard(post, [event.order for event in events if event.post == post])
        for name, post in posts.items()
    }


def _to_meet(
    events: Sequence[_Event], guards: Mapping[str, Guard]
) -> Iterator[tuple[Guard, int, Act]]:
    numbers = dict.fromkeys(guards, -1)
    for event in events:
        numbers[event.post.machine] += 1
        if event.act is not None:
            yield guards[event.post.machine], numbers[event.post.machine], event.act


def _meet(guard: Guard, number: int, act: Act) -> None:
    if guard.wait(number):
        try:
            act()
        finally:
            guard.release(number)


def _pass_time(page: ClockPage, takes: timedelta) -> None:
    while takes:
        part = min(takes, STEP)
        page.advance(part, however_far=True)
        takes -= part
