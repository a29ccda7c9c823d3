"""Faults of a real cycle: what becomes of the repository, its copy, the scripts and the programs.

They are made between two cycles, by day, in the folder that the world lives in, as chance or
somebody with rights would make them. The world knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date

from verifier.config.scenario_faults import Faults
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.simulate.faults import is_added
from verifier.simulate.faults_around import Place, Surroundings
from verifier.simulate.faults_key import lock_key, unlock_key
from verifier.simulate.faults_moments import Moments
from verifier.simulate.faults_repository import damage_stores, migrated
from verifier.simulate.faults_spells import Condition, is_on
from verifier.simulate.forge import Forge
from verifier.simulate.segments import RealWorld
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.relocate import relocate_paths


class FaultyCycle:
    """A cycle's world in which faults happen; a `RealWorld`."""

    def __init__(
        self,
        world: RealWorld,
        place: Place,
        around: Surroundings,
        moments: Moments | None,
        conditions: Sequence[Condition[bool]],
        faults: Faults,
    ) -> None:
        self._world = world
        self._moments = moments
        self._conditions = conditions
        self._around = around
        self._folder = place.folder
        self._password = place.password
        self._faults = faults

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
        day = step.at.date()
        self._forge(snapshot for snapshot in step.due if is_added(snapshot))
        for condition in self._conditions:
            condition.turn(day)
        self._change_surroundings(day)
        with self._moments.armed(step) if self._moments else nullcontext():
            outcome = self._world.run(step)
        return replace(outcome, findings=(*outcome.findings, *self._damage(step)))

    def _forge(self, added: Iterable[Snapshot]) -> None:
        moved = [replace(s, paths=relocate_paths(s.paths)) for s in added]
        if moved:
            Forge(self._folder / "repository", self._password).write(moved)

    def _change_surroundings(self, day: date) -> None:
        key = self._folder / "keys" / "password"
        if is_on(day, self._faults.key_locked):
            lock_key(key)
        else:
            unlock_key(key)
        self._around.turn(day)

    def _damage(self, step: Step) -> Iterator[Finding]:
        repository, password = self._folder / "repository", self._password
        yield from damage_stores(self._faults, step, repository, self._folder / "offsite", password)
        yield from migrated(self._faults, step, repository, password, self._around.migrate)
