"""Put the worlds of a fleet together: engine, image, run, and a fleet for each segment."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.compose_clock import Control
from verifier.cli.folders import cache_folder
from verifier.clock.system import SystemClock
from verifier.core.errors import ClockNotControlled
from verifier.core.host import Host
from verifier.restic.debian import read_mirror
from verifier.restic.toolchain import architecture

if TYPE_CHECKING:
    from docker import DockerClient

    from verifier.config.models import Config
    from verifier.fleet.containers import Ground
    from verifier.fleet.image import Image
    from verifier.simulate.segments import Open, RealWorld, Segment
    from verifier.simulate.simulation import Simulation
    from verifier.simulate.worlds.cycle import Template


@dataclass(frozen=True, slots=True)
class Fleets:
    """What it takes to open the worlds of a simulation in containers.

    Attributes:
        host: this machine: runs `docker` and, once, mmdebstrap.
        restic: the program that every machine gets.
        clock: whether it can be controlled on this machine; where it can, the engine is asked too.
        inputs: what the report is a function of; the image and the clock are added.
        tell: takes a line for people.
        own: the user's files, by the names of the generated ones that they replace.
    """

    simulation: Simulation
    config: Config
    host: Host
    restic: Path
    environ: Mapping[str, str]
    clock: Control
    inputs: dict[str, object]
    tell: Callable[[str], object]
    own: Mapping[str, bytes]

    @contextmanager
    def worlds(self, folder: Path, make_template: Callable[[], Template]) -> Iterator[Open]:
        """Give a function that makes the fleet of a segment; everything is gone afterwards.

        Args:
            folder: the run's own.
            make_template: makes the repository that every fleet begins with.

        Raises:
            ToolMissing, CannotVerify: there can be no containers here.
            ClockNotControlled: they cannot be given another time, and the days are not over.
        """
        from verifier.fleet.container_engine import need_program, open_engine
        from verifier.fleet.containers import Ground
        from verifier.fleet.sweep import open_run

        need_program(self.environ)

        with open_engine(self.environ) as engine:
            image = provide_image(engine, self.host, self.environ, self.tell)
            self.inputs["image"] = image.image_id
            with open_run(engine, folder, self.environ) as run:
                ground = Ground(image, run, self.host, self.environ)
                clock = self._ask_clock(ground, folder) if self.clock.is_controlled else self.clock
                self.inputs["clock"] = clock.told()
                controlled = clock.is_controlled
                yield self._open(ground, folder, make_template(), controlled=controlled)

    def _ask_clock(self, ground: Ground, folder: Path) -> Control:
        """Ask whether containers may have another time.

        Raises:
            ClockNotControlled: they may not, and the simulated days are not over.
        """
        control = ask_clock(ground, folder)
        if not control.is_controlled:
            if self.simulation.steps[-1].forget_at >= SystemClock().now():
                raise ClockNotControlled(
                    "clock", control.refusal, "simulate days that end in the past: --start"
                )
            self.tell(f"containers keep the real time: {control.refusal}")
        return control

    def _open(self, ground: Ground, folder: Path, template: Template, *, controlled: bool) -> Open:
        from verifier.simulate.dataset import Dataset
        from verifier.simulate.worlds.fleet import Setting, user_id
        from verifier.simulate.worlds.fleet_open import open_fleet_world
        from verifier.simulate.worlds.fleet_settle import settle

        config, uid = settle(self.config), user_id()

        @contextmanager
        def open_world(segment: Segment) -> Iterator[RealWorld]:
            setting = Setting(
                config,
                template,
                Dataset(config.simulate.seed),
                self.restic,
                uid,
                controlled,
                segment.last,
                self.own,
            )
            with (
                tempfile.TemporaryDirectory(
                    prefix="fleet-", dir=folder, ignore_cleanup_errors=True
                ) as own,
                open_fleet_world(ground, Path(own), setting, self.simulation.model()) as world,
            ):
                yield world

        return open_world


def ask_clock(ground: Ground, folder: Path) -> Control:
    """Run a program under a clock page in a container; that it may not be is no error here."""
    from verifier.clock.control import under
    from verifier.clock.page import ClockPage
    from verifier.fleet.container_once import run_once
    from verifier.simulate.worlds.fleet_system import (
        CLOCK_CAPABILITIES,
        PAGE,
        PYTHON,
        clock_mounts,
    )

    own = folder / "ask-clock"
    own.mkdir()
    ClockPage.create(own / "page")
    command = under(Path(PAGE), ("true",), PYTHON)
    status, said = run_once(ground, command, clock_mounts(own), CLOCK_CAPABILITIES)
    return Control("" if status == 0 else said or f"the launcher ended with {status}")


def provide_image(
    engine: DockerClient, host: Host, environ: Mapping[str, str], tell: Callable[[str], object]
) -> Image:
    """Return the image of a host as the engine knows it; made first where needed.

    Raises:
        ToolMissing, CannotVerify: it can be had nowhere.
    """
    from verifier.fleet.image import Images
    from verifier.fleet.image_build import Recipe

    images = Images(cache_folder(environ) / "images", host)
    return images.provide(Recipe(architecture()), engine, read_mirror, tell)
