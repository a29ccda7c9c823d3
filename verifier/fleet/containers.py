"""A fleet of containers on a network of its own: started side by side, gone afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from verifier.core.errors import CannotVerify
from verifier.core.host import Host
from verifier.fleet.container import ContainerHost
from verifier.fleet.container_engine import WITHOUT, engine_variables, load_docker, translated
from verifier.fleet.description import INSTALL, Machine, write_install
from verifier.fleet.image import Image
from verifier.fleet.network import joining, open_network
from verifier.fleet.sweep import Run

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

TMPFS = "size=1m,mode=0755"
READY_S = 60.0
"""How long a machine may take to start."""

_LOOK_EVERY_S = 0.03
_LINES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Ground:
    """What fleets are made on.

    Attributes:
        image: what every machine starts from.
        run: whose they are.
        via: where `docker` runs: this machine.
        environ: names the engine.
    """

    image: Image
    run: Run
    via: Host
    environ: Mapping[str, str]


@contextmanager
def open_fleet(ground: Ground, machines: Sequence[Machine], folder: Path) -> Iterator[Fleet]:
    """Start every machine; give them when all can be used.

    Args:
        folder: an empty one, which the engine must see as we do.

    Raises:
        CannotVerify: a machine does not start.
    """
    with ExitStack() as stack:
        name = f"restic-verify-{ground.run.number}-{folder.name}"
        network = stack.enter_context(open_network(name, ground.run.labels, ground.environ))
        fleet = Fleet(ground, network, folder)
        stack.callback(fleet.remove)
        fleet.start(machines)
        yield fleet


class Fleet:
    """Machines that run, by name."""

    def __init__(self, ground: Ground, network: str, folder: Path) -> None:
        self._ground = ground
        self._network = network
        self._folder = folder
        self._machines: dict[str, Machine] = {}
        self._containers: dict[str, DockerContainer] = {}
        self._starts: dict[str, int] = {}
        self._after_start: list[Callable[[str], object]] = []

    def start(self, machines: Sequence[Machine]) -> None:
        """Make and start machines side by side.

        Raises:
            CannotVerify: one does not start.
        """
        self._machines |= {machine.name: machine for machine in machines}
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(self._start, machines))

    def host(
        self, name: str, *, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
    ) -> ContainerHost:
        """Return a machine as a host; `env` and `before` as for `ContainerHost`."""
        return ContainerHost(
            name,
            self._containers[name].get_container_id(),
            via=self._ground.via,
            engine=engine_variables(self._ground.environ),
            env=env,
            before=before,
        )

    @property
    def ground(self) -> Ground:
        """What it was made on."""
        return self._ground

    def network_of(self, name: str) -> str:
        """Return a machine's network as a container that shares it names it."""
        return f"container:{self._containers[name].get_container_id()}"

    def limit_memory(self, name: str, most_bytes: int) -> None:
        """Let all that runs on a machine use so much memory; the kernel kills what takes more.

        Raises:
            CannotVerify: it uses more than that already, or the engine cannot limit it.
        """
        with translated(name):
            wrapped = self._containers[name].get_wrapped_container()
            wrapped.update(mem_limit=most_bytes, memswap_limit=most_bytes)

    def unlimit_memory(self, name: str) -> None:
        """Undo `limit_memory`."""
        # The engine knows no word for none: more than any machine has.
        self.limit_memory(name, 1 << 50)

    def is_up(self, name: str) -> bool:
        """Say whether a machine was left running by us."""
        return self._starts[name] > 0

    def power_off(self, name: str) -> None:
        """Cut a machine's power: nothing there is asked to end."""
        with translated(name):
            self._containers[name].get_wrapped_container().kill()
        self._starts[name] = -self._starts[name]

    def power_on(self, name: str) -> None:
        """Start a machine whose power was cut; its disk is as it was, its memory empty.

        Raises:
            CannotVerify: it does not start.
        """
        with translated(name):
            self._containers[name].get_wrapped_container().start()
        self._starts[name] = 1 - self._starts[name]
        self._await(name)
        for act in self._after_start:
            act(name)

    def after_start(self, act: Callable[[str], object]) -> None:
        """Do something whenever a machine has power again: its line to the network is a new one."""
        self._after_start.append(act)

    def remove(self) -> None:
        """Remove every machine, side by side."""
        load_docker()
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(_remove, self._containers.values()))

    def _start(self, machine: Machine) -> None:
        from testcontainers.core.container import DockerContainer

        install = self._folder / "install" / machine.name
        write_install(machine, install)
        with translated(machine.name):
            container = DockerContainer(
                self._ground.image.tag,
                docker_client_kw={"environment": dict(self._ground.environ)},
            )
            container.with_volume_mapping(install, INSTALL, "ro")
            for mount in machine.mounts:
                mode = "ro" if mount.read_only else "rw"
                container.with_volume_mapping(mount.source, mount.target, mode)
            for target in machine.tmpfs:
                container.with_tmpfs_mount(target, TMPFS)
            container.with_kwargs(
                labels=dict(self._ground.run.labels),
                hostname=machine.name[:63],
                cap_add=list(machine.capabilities),
                init=True,
                **joining(self._network, (machine.name, *machine.aliases)),
                # The name of a machine without power is nobody's: that is soon found out.
                dns_opt=["timeout:1", "attempts:1"],
                entrypoint=["/bin/bash", f"{INSTALL}/boot"],
            )
            self._containers[machine.name] = container
            container.start()
        self._starts[machine.name] = 1
        self._await(machine.name)

    def _await(self, name: str) -> None:
        # A machine says that it is ready once a start; the log holds all of its starts.
        ready, wanted = self._machines[name].ready, self._starts[name]
        wrapped = self._containers[name].get_wrapped_container()
        begun_s, pause = time.perf_counter(), Event()
        with translated(name):
            while True:
                wrapped.reload()
                lines = wrapped.logs().decode(errors="replace").strip().splitlines()
                if sum(ready in line for line in lines) >= wanted:
                    return
                if wrapped.status != "running" or time.perf_counter() - begun_s > READY_S:
                    raise self._not_ready(name, lines)
                pause.wait(_LOOK_EVERY_S)

    def _not_ready(self, name: str, lines: Sequence[str]) -> CannotVerify:
        said = " / ".join(line.strip() for line in lines[-_LINES_SHOWN:]) or "it said nothing"
        if f"{INSTALL}/boot: No such file" in said:
            said = f"the engine does not see this machine's folder {self._folder}"
        remedy = f"see that the engine runs on this machine, {WITHOUT}"
        return CannotVerify(name, f"the machine did not start: {said}", remedy)


def _remove(container: DockerContainer) -> None:
    docker = load_docker()
    try:
        container.stop()
    except docker.errors.NotFound:
        # Swept, because the run is ending.
        return
