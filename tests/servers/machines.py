"""Machines with systemd, as containers: real units, users, sshd and journal, no kernel of theirs.

What they lack is what takes a kernel of one's own: ZFS, NFS.
"""

from __future__ import annotations

import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from verifier.cli.folders import cache_folder
from verifier.cli.programs import local_host
from verifier.fleet.image import Image, Images
from verifier.fleet.image_build import Recipe
from verifier.fleet.network import joining, open_network
from verifier.restic.debian import read_mirror
from verifier.restic.toolchain import architecture

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

ROOT = Path(__file__).parents[2]
SYSTEMD = ("dbus", "systemd", "systemd-sysv")
PROJECT, PACKAGES, PROGRAM = "/opt/project", "/opt/packages", "/usr/local/bin/restic-verify"
"""Where a machine has the project, its packages, and the command: it has no way to install them."""

START_S = 60.0
_COMMAND = f"""\
#!/bin/sh
export PYTHONPATH={PROJECT}:{PACKAGES} PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 -m verifier "$@"
"""


@dataclass(frozen=True)
class Bare:
    """A machine that runs; commands in it are root's."""

    name: str
    container: Container

    def run(self, *argv: str, user: str = "root") -> tuple[int, str]:
        """Return the status of a command, and what it says on both its outputs."""
        line = ["docker", "exec", "--user", user, self.container.id, *argv]
        done = subprocess.run(
            line, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.returncode, done.stdout

    def shell(self, script: str, user: str = "root") -> str:
        """Return what a script says; it must end well."""
        status, said = self.run("bash", "-ec", script, user=user)
        assert status == 0, f"{self.name}: {script!r} ended with {status}: {said}"
        return said.strip()


def systemd_image(
    engine: DockerClient, packages: Sequence[str], environ: Mapping[str, str]
) -> Image:
    """Return an image with systemd and these packages of Debian's; made where there is none."""
    recipe = Recipe(architecture(), packages=tuple(sorted({*packages, *SYSTEMD})))
    images = Images(cache_folder(environ) / "images", local_host(environ, inherit=False))
    return images.provide(recipe, engine, read_mirror, lambda _: None)


@contextmanager
def bare_machines(
    engine: DockerClient,
    image: Image,
    labels: Mapping[str, str],
    environ: Mapping[str, str],
    mounts: Mapping[str, Mapping[Path, str]],
    folder: Path,
) -> Iterator[dict[str, Bare]]:
    """Start machines that systemd runs on, and give them when it is up; they go afterwards.

    Args:
        labels: whose they are: what is left of them is swept by these.
        mounts: for each machine, folder of ours -> where it sees that.
        folder: an empty one.
    """
    command = folder / "restic-verify"
    command.write_text(_COMMAND)
    command.chmod(0o755)
    shared = {
        ROOT: (PROJECT, "ro"),
        Path(sysconfig.get_path("purelib")): (PACKAGES, "ro"),
        command: (PROGRAM, "ro"),
        Path("/sys/fs/cgroup"): ("/sys/fs/cgroup", "ro"),
    }
    found: dict[str, Bare] = {}
    with open_network(f"restic-verify-{folder.name}", labels, environ) as network:
        try:
            for name, own in mounts.items():
                binds = {**shared, **{source: (target, "rw") for source, target in own.items()}}
                container = engine.containers.create(
                    image.tag,
                    command=["/sbin/init"],
                    labels=dict(labels),
                    hostname=name,
                    environment={"container": "docker"},
                    # Its units make mounts of their own; restic's right is one of these too.
                    cap_add=["SYS_ADMIN", "DAC_READ_SEARCH"],
                    tmpfs={"/run": "", "/run/lock": "", "/mnt/keys": "mode=0755"},
                    volumes={
                        str(source): {"bind": target, "mode": mode}
                        for source, (target, mode) in binds.items()
                    },
                    **joining(network, (name,)),
                )
                found[name] = Bare(name, container)
                container.start()
            for machine in found.values():
                _await(machine)
            yield found
        finally:
            for machine in found.values():
                machine.container.remove(force=True, v=True)


def _await(machine: Bare) -> None:
    begun_s, pause = time.perf_counter(), Event()
    while True:
        # `degraded` is up as well: what asks for a kernel of its own has failed.
        _, said = machine.run("systemctl", "is-system-running")
        if said.strip() in {"running", "degraded"}:
            return
        assert time.perf_counter() - begun_s < START_S, f"{machine.name} does not start: {said}"
        pause.wait(0.1)
