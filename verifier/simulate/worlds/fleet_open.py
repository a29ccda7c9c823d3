"""Open a fleet's world: the folders that its machines share, their keys, the machines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.clock.page import ClockPage
from verifier.fleet.containers import Ground, open_fleet
from verifier.simulate.worlds.fleet import FleetWorld, Setting
from verifier.simulate.worlds.fleet_keys import new_identity
from verifier.simulate.worlds.fleet_settle import copy_folder
from verifier.simulate.worlds.fleet_system import Grounds, coordinator_machine, host_machine
from verifier.simulate.worlds.model import ModelWorld


@contextmanager
def open_fleet_world(
    ground: Ground, folder: Path, setting: Setting, model: ModelWorld
) -> Iterator[FleetWorld]:
    """Start a fleet and give the world in it; everything is gone afterwards.

    Args:
        folder: empty; holds everything, and its name tells it from others of the run.
        model: the model's twin of this world, at the same state.
    """
    config = setting.config
    grounds = Grounds(
        folder / "repository",
        folder / "offsite",
        folder / "clock",
        setting.restic,
        setting.uid,
        setting.controlled,
    )
    shutil.copytree(setting.template.folder, grounds.repository)
    grounds.offsite.mkdir()
    copy = copy_folder(config, grounds.offsite)
    if copy is not None:
        shutil.copytree(setting.template.folder, copy, dirs_exist_ok=True)
    for name in (config.coordinator.name, *(host.name for host in config.hosts)):
        (grounds.clock / name).mkdir(parents=True)
        ClockPage.create(grounds.clock / name / "page")
    identity, keys = new_identity(), {host.name: new_identity() for host in config.hosts}
    machines = (
        coordinator_machine(config, grounds, identity, keys),
        *(host_machine(config, h, grounds, identity, keys[h.name]) for h in config.hosts),
    )
    with open_fleet(ground, machines, folder / folder.name) as fleet:
        world = FleetWorld(fleet, setting, grounds, model)
        world.unlock()
        yield world
