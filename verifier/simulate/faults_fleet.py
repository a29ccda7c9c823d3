"""Faults of a fleet: what becomes of its machines, their lines, the repository and its disk.

They are made between two cycles, by day, from outside of the world, which knows nothing of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from verifier.config.models import Config
from verifier.config.scenario_faults import Faults, LinkSlow
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.fleet.disk import Disk
from verifier.fleet.line import cut_line, free_line, mend_line, packets_held, slow_line
from verifier.retention.rules import rules_for
from verifier.simulate.faults import is_added
from verifier.simulate.faults_machines import (
    change_host_key,
    restore_memory,
    shorten_memory,
    upgrade_restic,
)
from verifier.simulate.faults_moments import Moments
from verifier.simulate.faults_offsite import StoreState, store_on
from verifier.simulate.faults_programs import migrate, release_on
from verifier.simulate.faults_repository import damage_stores, migrated
from verifier.simulate.faults_scripts import script_conditions
from verifier.simulate.faults_spells import Condition, during, for_good, is_on
from verifier.simulate.forge import Forge
from verifier.simulate.moment_scenes import fleet_scene
from verifier.simulate.observed import observed_delays
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.fleet import FleetWorld
from verifier.simulate.worlds.fleet_data import data_folder
from verifier.simulate.worlds.model import ModelWorld


@dataclass(frozen=True, slots=True)
class Site:
    """What a fleet's world is made of, where things go wrong.

    Attributes:
        config: a settled one.
        repository, copy: the folders.
        disk: the repository's, where it has one of its own.
        release: of restic, which every machine begins with.
        releases: release -> its program, of all that a machine ever has.
        model: follows the coordinator's release.
    """

    config: Config
    repository: Path
    copy: Path | None
    password: str
    disk: Disk | None
    release: str
    releases: Mapping[str, str]
    model: ModelWorld


class FaultyFleet:
    """A fleet's world in which faults happen; a `RealWorld`."""

    def __init__(self, world: FleetWorld, site: Site, faults: Faults) -> None:
        self._world = world
        self._fleet = world.fleet
        self._site = site
        self._faults = faults
        self._conditions = tuple(self._plan())
        self._day = date.min
        world.fleet.after_start(self._turn_started)
        self._moments = Moments(faults, fleet_scene(world, site.config))

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots instead of none."""
        self._world.seed(snapshots)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return self._world.snapshots()

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot what identifies its content."""
        return self._world.fingerprints()

    def run(self, step: Step) -> Outcome:
        """Run one step, with what goes wrong before it and after it."""
        self._forge(snapshot for snapshot in step.due if is_added(snapshot))
        self._turn(step.at.date())
        with self._moments.armed(step):
            outcome = self._world.run(step)
        seen = (*self._look(step), *self._damage(step))
        return replace(outcome, findings=(*outcome.findings, *seen))

    def _turn(self, day: date) -> None:
        self._day = day
        for condition in self._conditions:
            # What cannot be done to a machine without power is done when it has some again.
            if not condition.machine or self._fleet.is_up(condition.machine):
                condition.turn(day)

    def _turn_started(self, name: str) -> None:
        for condition in self._conditions:
            if condition.machine == name:
                condition.turn_started(self._day)

    def _plan(self) -> Iterator[Condition[Any]]:
        for host in self._site.config.hosts:
            yield from self._plan_line(host.name)
            yield from self._plan_machine(host.name)
        for changed in self._faults.host_key_changed:
            change = partial(change_host_key, self._fleet.host(changed.host))
            yield for_good(changed.from_, change, changed.host)
        for name in (self._site.config.coordinator.name, *self._names()):
            yield self._plan_restic(name)
        yield from script_conditions(self._faults, self._world)
        yield from self._plan_stores()

    def _names(self) -> list[str]:
        return [host.name for host in self._site.config.hosts]

    def _plan_line(self, name: str) -> Iterator[Condition[Any]]:
        one = self._fleet, name
        cuts = [fault for fault in self._faults.partition if fault.host == name]
        cut, mend = partial(cut_line, *one), partial(mend_line, *one)
        yield during(cuts, cut, mend, name, lapses=True)
        slow = [fault for fault in self._faults.link_slow if fault.host == name]

        def become(kbit: int | None) -> None:
            free_line(*one) if kbit is None else slow_line(*one, kbit)

        yield Condition(partial(slowest_on, slow), become, None, name, lapses=True)

    def _plan_machine(self, name: str) -> Iterator[Condition[Any]]:
        short = [fault for fault in self._faults.memory_short if fault.host == name]
        one = self._fleet, name, data_folder(self._site.config.host(name).include[0])
        yield during(short, partial(shorten_memory, *one), partial(restore_memory, *one), name)

    def _plan_restic(self, name: str) -> Condition[tuple[str, bool]]:
        # On a host, `permit-restic` is run after each upgrade; the coordinator needs no such right.
        is_host, release = name in self._names(), self._site.release
        lost = [fault for fault in self._faults.capability_lost if fault.host == name]

        def wanted(day: date) -> tuple[str, bool]:
            upgrades = self._faults.restic_upgraded
            return release_on(name, day, upgrades, release), is_host and not is_on(day, lost)

        return Condition(wanted, partial(self._upgrade, name), (release, is_host), name)

    def _plan_stores(self) -> Iterator[Condition[Any]]:
        faults, disk, store = self._faults, self._site.disk, self._world.store
        yield during(faults.key_locked, self._restart_coordinator, self._world.unlock)
        if disk is not None:
            yield during(faults.disk_full, disk.fill, disk.free)
        if store is not None:
            acts: Mapping[StoreState, Callable[[], None]] = {
                "unreachable": store.stop,
                "refusing": store.refuse,
                "there": store.accept,
            }
            yield Condition(lambda day: store_on(day, faults), lambda state: acts[state](), "there")

    def _restart_coordinator(self) -> None:
        name = self._site.config.coordinator.name
        self._fleet.power_off(name)
        self._fleet.power_on(name)

    def _upgrade(self, name: str, wanted: tuple[str, bool]) -> None:
        release, permitted = wanted
        upgrade_restic(self._fleet.host(name), self._site.releases[release], permitted=permitted)
        if name == self._site.config.coordinator.name:
            self._site.model.obey(rules_for(release))

    def _forge(self, added: Iterable[Snapshot]) -> None:
        snapshots = list(added)
        if snapshots:
            Forge(self._site.repository, self._site.password).write(snapshots)
            _hand_over(self._site.repository)

    def _look(self, step: Step) -> Iterator[Finding]:
        for name in self._names():
            slow = [fault for fault in self._faults.link_slow if fault.host == name]
            if is_on(step.at.date(), slow) and self._fleet.is_up(name):
                yield from observed_delays(name, packets_held(self._fleet, name))

    def _damage(self, step: Step) -> Iterator[Finding]:
        site = self._site
        repository, password = site.repository, site.password
        yield from damage_stores(self._faults, step, repository, site.copy, password)
        yield from migrated(self._faults, step, repository, password, self._migrate)

    def _migrate(self) -> None:
        location = self._site.config.repository.location
        opening = {"RESTIC_REPOSITORY": location, "RESTIC_PASSWORD": self._site.password}
        migrate(self._world.coordinator(), ("restic",), opening)


def slowest_on(slow: Iterable[LinkSlow], day: date) -> int | None:
    """Return what a line carries on a day, thousands of bits a second; none if nothing is slow."""
    return min((fault.kbit for fault in slow if is_on(day, (fault,))), default=None)


def _hand_over(folder: Path) -> None:
    """Let what we put into a repository belong to whom the repository belongs to."""
    owner = folder.stat()
    for path in (folder / "snapshots").iterdir():
        os.chown(path, owner.st_uid, owner.st_gid)
