"""Faults of a fleet: what becomes of its machines, their lines, the repository and its disk.

They are made between two cycles, by day, from outside of the world, which knows nothing of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from verifier.config.models import Config
from verifier.config.scenario_faults import Faults
from verifier.core.snapshot import Snapshot
from verifier.fleet.disk import Disk
from verifier.fleet.line import cut_line, free_line, mend_line, slow_line
from verifier.retention.rules import rules_for
from verifier.simulate.faults import is_added
from verifier.simulate.faults_machines import (
    change_host_key,
    permit_restic,
    restore_memory,
    shorten_memory,
    upgrade_restic,
)
from verifier.simulate.faults_moments import Moments
from verifier.simulate.faults_programs import migrate
from verifier.simulate.faults_repository import damage_stores, is_migrated
from verifier.simulate.faults_scripts import script_spells
from verifier.simulate.faults_spells import Spell, for_good
from verifier.simulate.forge import Forge
from verifier.simulate.moment_scenes import fleet_scene
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
        self._spells = tuple(self._plan())
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
        for spell in self._spells:
            spell.turn(step.at.date())
        with self._moments.armed(step):
            outcome = self._world.run(step)
        self._damage(step)
        return outcome

    def _plan(self) -> Iterator[Spell]:
        yield from self._plan_lines()
        yield from self._plan_machines()
        yield from script_spells(self._faults, self._world)
        yield from self._plan_stores()

    def _plan_lines(self) -> Iterator[Spell]:
        for cut in self._faults.partition:
            one = self._fleet, cut.host
            yield Spell(cut.from_, cut.to, partial(cut_line, *one), partial(mend_line, *one))
        for slow in self._faults.link_slow:
            one = self._fleet, slow.host
            begin = partial(slow_line, *one, slow.kbit)
            yield Spell(slow.from_, slow.to, begin, partial(free_line, *one))

    def _plan_machines(self) -> Iterator[Spell]:
        host, restic = self._fleet.host, self._site.releases[self._site.release]
        for short in self._faults.memory_short:
            folder = data_folder(self._site.config.host(short.host).include[0])
            one = self._fleet, short.host, folder
            begin = partial(shorten_memory, *one)
            yield Spell(short.from_, short.to, begin, partial(restore_memory, *one))
        for lost in self._faults.capability_lost:
            upgrade = partial(upgrade_restic, host(lost.host), restic, permitted=False)
            yield Spell(lost.from_, lost.to, upgrade, partial(permit_restic, host(lost.host)))
        for changed in self._faults.host_key_changed:
            yield for_good(changed.from_, partial(change_host_key, host(changed.host)))
        for upgraded in self._faults.restic_upgraded:
            for name in upgraded.hosts:
                yield for_good(upgraded.from_, partial(self._upgrade, name, upgraded.restic))

    def _plan_stores(self) -> Iterator[Spell]:
        for locked in self._faults.key_locked:
            yield Spell(locked.from_, locked.to, self._restart_coordinator, self._world.unlock)
        for full in self._faults.disk_full:
            assert self._site.disk is not None, "made for this fault"
            yield Spell(full.from_, full.to, self._site.disk.fill, self._site.disk.free)
        store = self._world.store
        if store is not None:
            for away in self._faults.offsite_unreachable:
                yield Spell(away.from_, away.to, store.stop, store.start)
            for refused in self._faults.offsite_refused:
                yield Spell(refused.from_, refused.to, store.refuse, store.accept)

    def _restart_coordinator(self) -> None:
        name = self._site.config.coordinator.name
        self._fleet.power_off(name)
        self._fleet.power_on(name)

    def _upgrade(self, name: str, release: str) -> None:
        # On a host, `permit-restic` is run after each upgrade; the coordinator needs no such right.
        is_host = name != self._site.config.coordinator.name
        host, program = self._fleet.host(name), self._site.releases[release]
        upgrade_restic(host, program, permitted=is_host)
        if not is_host:
            self._site.model.obey(rules_for(release))

    def _forge(self, added: Iterable[Snapshot]) -> None:
        snapshots = list(added)
        if snapshots:
            Forge(self._site.repository, self._site.password).write(snapshots)
            _hand_over(self._site.repository)

    def _damage(self, step: Step) -> None:
        site = self._site
        damage_stores(self._faults, step, site.repository, site.copy, site.password)
        if is_migrated(self._faults, step):
            self._migrate()

    def _migrate(self) -> None:
        location = self._site.config.repository.location
        opening = {"RESTIC_REPOSITORY": location, "RESTIC_PASSWORD": self._site.password}
        migrate(self._world.coordinator(), ("restic",), opening)


def _hand_over(folder: Path) -> None:
    """Let what we put into a repository belong to whom the repository belongs to."""
    owner = folder.stat()
    for path in (folder / "snapshots").iterdir():
        os.chown(path, owner.st_uid, owner.st_gid)
