"""Open a fleet's world: the folders that its machines share, their keys, the machines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from verifier.clock.page import ClockPage
from verifier.config.models import Config
from verifier.fleet.containers import Ground, open_fleet
from verifier.fleet.description import Installed, Machine
from verifier.fleet.rclone_server import find_server
from verifier.simulate.worlds.fleet import FleetWorld, Setting
from verifier.simulate.worlds.fleet_keys import new_identity
from verifier.simulate.worlds.fleet_logs import logs_machine
from verifier.simulate.worlds.fleet_settle import copy_folder, free_name, remote_of
from verifier.simulate.worlds.fleet_store import StoreSite
from verifier.simulate.worlds.fleet_system import (
    Grounds,
    coordinator_machine,
    fleet_store_machine,
    host_machine,
)
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
        _store_site(config, folder),
        free_name(config, "logs"),
    )
    shutil.copytree(setting.template.folder, grounds.repository, dirs_exist_ok=True)
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
        *((fleet_store_machine(config, grounds),) if grounds.store else ()),
        logs_machine(grounds.logs),
    )
    machines = tuple(_with_own(machine, config, setting.own) for machine in machines)
    with open_fleet(ground, machines, folder / folder.name) as fleet:
        world = FleetWorld(fleet, setting, grounds, model)
        world.unlock()
        world.logs.create()
        yield world


def _with_own(machine: Machine, config: Config, own: Mapping[str, bytes]) -> Machine:
    """Return a machine with the user's files in place of generated ones."""
    coordinates = machine.name == config.coordinator.name
    part = "coordinator/" if coordinates else f"hosts/{machine.name}/"
    mine = {name.removeprefix(part): it for name, it in own.items() if name.startswith(part)}
    installed = {f"/{path}": Installed(content, 0o755) for path, content in mine.items()}
    return replace(machine, files={**machine.files, **installed})


def has_store(config: Config) -> bool:
    """Say whether the copy of a settled configuration lies in a store that rclone serves."""
    return config.offsite is not None and bool(remote_of(config.offsite)[0])


def _store_site(config: Config, folder: Path) -> StoreSite | None:
    if not has_store(config):
        return None
    name = free_name(config, "offsite")
    return StoreSite.make(name, folder / "offsite", folder / "access", find_server())
