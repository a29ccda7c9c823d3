"""What surrounds a cycle's world and fails by the day: its disk, programs and store of the copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from verifier.clock.control import under
from verifier.config.scenario import Scenario
from verifier.core.host import Host
from verifier.retention.rules import rules_for
from verifier.simulate.faults_disk import FullDisk, check_mounts
from verifier.simulate.faults_offsite import Beside, Store
from verifier.simulate.faults_programs import install_restic, migrate, release_on
from verifier.simulate.faults_spells import is_on
from verifier.simulate.worlds.cycle import Programs
from verifier.simulate.worlds.model import ModelWorld


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cycle's world lives, and what its faults are done with.

    Attributes:
        folder: holds the whole world.
        host: where commands run: this machine.
        releases: release -> its program, by its full path, of all that a machine ever has.
        release: the one that every machine begins with.
        beside: runs a server.
    """

    folder: Path
    password: str
    host: Host
    programs: Programs
    releases: Mapping[str, str]
    release: str
    beside: Beside


class Surroundings:
    """The surroundings of one cycle's world, which is there already; to be closed.

    Args:
        disk: the repository's.
        model: follows the coordinator's release.

    Raises:
        CannotVerify: what is to fail cannot be had here.
    """

    def __init__(self, place: Place, scenario: Scenario, disk: FullDisk, model: ModelWorld) -> None:
        self._place = place
        self._faults = scenario.faults
        self._disk = disk
        self._model = model
        self._store = _open_store(place) if place.programs.store else None
        folder, hosts = place.folder, [table.name for table in scenario.config.hosts]
        self._machines = {name: folder / "hosts" / name / "bin" for name in hosts}
        self._coordinator = scenario.config.coordinator.name
        self._machines[self._coordinator] = folder / "bin"
        if self._faults.disk_full:
            check_mounts(place.host, folder / "repository")

    def close(self) -> None:
        """End what runs."""
        if self._store:
            self._store.close()

    def turn(self, day: date) -> None:
        """Be on this day as the faults say."""
        self._disk.full = is_on(day, self._faults.disk_full)
        if self._store:
            self._store.on(day, self._faults)
        if self._faults.restic_upgraded:
            self._upgrade(day)

    def migrate(self) -> None:
        """Migrate the repository to version 2, by the coordinator's restic."""
        folder = self._place.folder
        restic = under(folder / "clock" / "cycle", (str(folder / "bin" / "restic"),))
        opening = {
            "RESTIC_REPOSITORY": str(folder / "repository"),
            "RESTIC_PASSWORD": self._place.password,
            "RESTIC_CACHE_DIR": str(folder / "cache" / "coordinator"),
        }
        migrate(self._place.host, restic, opening)

    def _upgrade(self, day: date) -> None:
        upgrades = self._faults.restic_upgraded
        for name, folder in self._machines.items():
            release = release_on(name, day, upgrades, self._place.release)
            install_restic(folder, self._place.releases[release])
            if name == self._coordinator:
                self._model.obey(rules_for(release))


def _open_store(place: Place) -> Store:
    assert place.programs.rclone, "where there is a store there is an rclone"
    return Store(place.folder, place.programs.rclone, place.host, place.beside)
