"""The lab of the Vagrantfile on machines without a kernel of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.engine import engine
from tests.servers.machines import PROJECT, ROOT, Bare, bare_machines, systemd_image
from verifier.cli.programs import local_host
from verifier.core.errors import ToolMissing
from verifier.fleet.sweep import open_run
from verifier.simulate.forge import make_repository

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["engine"]

STEPS = ROOT / "fixtures" / "vagrant"
HOSTS = ("web1", "db1")
CONFIG = f"{PROJECT}/fixtures/vagrant/verify.toml"


@dataclass(frozen=True)
class Lab:
    """The three machines, provisioned."""

    machines: dict[str, Bare]

    @property
    def jak(self) -> Bare:
        """The coordinator."""
        return self.machines["jak"]

    def start(self, unit: str) -> tuple[int, str]:
        """Start a unit of the coordinator's; return its status and what it said."""
        _, mark = self.jak.run("journalctl", "-q", "-n0", "--show-cursor")
        status, said = self.jak.run("systemctl", "start", unit)
        since = f"--after-cursor={mark.partition(': ')[2].strip()}"
        _, log = self.jak.run("journalctl", "-q", "-o", "cat", since, "-u", unit)
        return status, said + log


def packages() -> set[str]:
    """Return the packages of every machine, as the provisioning names them."""
    return {
        name
        for role in ("jak", "host")
        for name in subprocess.run(
            [STEPS / "packages.sh", role, "--list"], check=True, capture_output=True, text=True
        ).stdout.split()
    }


@pytest.fixture(scope="session")
def lab(
    engine: DockerClient, tmp_path_factory: pytest.TempPathFactory, restic_program: str
) -> Iterator[Lab]:
    """The lab, brought up as the Vagrantfile does it, without disks and mounts of its own."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the machines are Debian 12, whose Python 3.11 has to read our packages")
    try:
        image = systemd_image(engine, sorted(packages()), os.environ)
    except ToolMissing as error:
        pytest.fail(f"{error}; {error.remedy} (ci/test installs it for root)", pytrace=False)
    with ExitStack() as stack:
        # Not below pytest's folder: the machines' user has to enter it.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="restic-verify-lab-")))
        folder.chmod(0o755)
        for name in ("lab", "storage/restic", "offsite", "own"):
            (folder / name).mkdir(parents=True)
        subprocess.run([STEPS / "keys.sh", folder / "lab", *HOSTS], check=True)
        # A key that costs nothing to open; the steps make a repository where there is none.
        password = (folder / "lab" / "password").read_text().strip()
        (folder / "storage/restic").rmdir()
        make_repository(
            folder / "storage/restic",
            password,
            local_host(os.environ, inherit=False),
            restic_program,
        )
        mounts = {
            "jak": {folder / "storage": "/mnt/storage", folder / "offsite": "/mnt/offsite"},
            **{name: {folder / "storage/restic": "/mnt/jak/restic"} for name in HOSTS},
        }
        run = stack.enter_context(open_run(engine, tmp_path_factory.mktemp("run"), os.environ))
        machines = stack.enter_context(
            bare_machines(
                engine,
                image,
                run.labels,
                os.environ,
                {name: {**own, folder / "lab": "/opt/lab"} for name, own in mounts.items()},
                folder / "own",
            )
        )
        machines["jak"].shell("chown -R 850:850 /mnt/storage/restic")
        for name, machine in machines.items():
            provision(machine)
            if name != "jak":
                machine.shell("systemctl restart ssh")
        yield Lab(machines)


def provision(machine: Bare) -> str:
    """Run the step that makes a machine of the lab what it is."""
    return machine.shell(f"{PROJECT}/fixtures/vagrant/machine.sh {machine.name} /opt/lab {CONFIG}")
