"""Where the faults of a moment happen: in a cycle's folder, or on the machines of a fleet."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from verifier.clock.page import ClockPage
from verifier.config.models import Config
from verifier.core.host import Host
from verifier.simulate.faults_moments import Scene
from verifier.simulate.moment_post import Post
from verifier.simulate.worlds.cycle import CycleWorld
from verifier.simulate.worlds.fleet import FleetWorld
from verifier.simulate.worlds.fleet_settle import OFFSITE, remote_of
from verifier.simulate.worlds.fleet_system import PYTHON

_FRONT, _ORDERS = "/usr/local/bin", "/var/lib/simulated-orders"


def cycle_scene(world: CycleWorld, folder: Path, config: Config, host: Host) -> Scene:
    """Return the scene of a cycle's world: all of its machines have one PATH and one clock.

    Args:
        folder: in which the world lives.
        host: where commands run: this machine.
    """
    name, offsite = config.coordinator.name, config.offsite
    copy = str(folder / "offsite") if offsite else None
    post = Post(
        name,
        host,
        sys.executable,
        str(folder / "front"),
        str(folder / "orders"),
        str(folder / "repository"),
        copy,
    )
    page = partial(ClockPage, folder / "clock" / "cycle")
    return Scene(world, name, offsite.method if offsite else None, lambda _: post, lambda _: page())


def fleet_scene(world: FleetWorld, config: Config) -> Scene:
    """Return the scene of a fleet's world.

    Args:
        config: a settled one.
    """
    machines = _Machines(world, config)
    offsite = config.offsite
    return Scene(
        world,
        config.coordinator.name,
        offsite.method if offsite else None,
        machines.post,
        world.page,
        world.fleet,
    )


@dataclass(frozen=True, slots=True)
class _Machines:
    world: FleetWorld
    config: Config

    def post(self, name: str) -> Post:
        return Post(
            name,
            self.world.fleet.host(name),
            PYTHON,
            _FRONT,
            _ORDERS,
            self._repository(name),
            self._copy(),
        )

    def _repository(self, name: str) -> str:
        if name == self.config.coordinator.name:
            return self.config.repository.location
        return self.config.mounted(self.config.host(name))

    def _copy(self) -> str | None:
        offsite = self.config.offsite
        if offsite is None or self.world.store is not None:
            return None
        remote, path = remote_of(offsite)
        return f"{OFFSITE}/{path.strip('/')}" if remote else offsite.target
