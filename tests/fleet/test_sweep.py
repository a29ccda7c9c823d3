"""Nothing outlives a run: however it ends, its containers, networks and volumes are gone.

Seen red by leaving out each of the three sweeps in turn.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli import console
from tests.fleet.conftest import idle
from tests.house.tree import ROOT
from verifier.fleet.container_engine import open_engine
from verifier.fleet.containers import Ground, open_fleet
from verifier.fleet.sweep import FOLDER, RUN, open_run, sweep_dead, sweep_run

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.heavy

WAIT_S = 60.0
SERVERS = {"jak", "offsite", "logs"}


def _left(engine: DockerClient, number: str) -> int:
    wanted = {"label": f"{RUN}={number}"}
    containers = engine.containers.list(all=True, filters=wanted, ignore_removed=True)
    return len(containers) + len(engine.networks.list(filters=wanted))


def _awaited(engine: DockerClient, number: str) -> int:
    """Look until nothing is left, or for a minute."""
    until = time.monotonic() + WAIT_S
    while (left := _left(engine, number)) and time.monotonic() < until:
        engine.ping()
    return left


@pytest.fixture
def own(engine: DockerClient, ground: Ground, tmp_path: Path) -> Iterator[str]:
    """A run of its own in another process, with one machine; its number."""
    script = f"""
import os, sys
from pathlib import Path
from tests.fleet.conftest import idle
from verifier.fleet.container_engine import open_engine
from verifier.fleet.containers import Ground, open_fleet
from verifier.fleet.image import Image
from verifier.fleet.local import LocalHost
from verifier.fleet.sweep import open_run
folder = Path({str(tmp_path)!r})
(folder / "fleet").mkdir()
image = Image({ground.image.tag!r}, {ground.image.image_id!r})
with open_engine(os.environ) as engine, open_run(engine, folder, os.environ) as run:
    ground = Ground(image, run, LocalHost(), dict(os.environ))
    with open_fleet(ground, (idle("web1"),), folder / "fleet"):
        print(run.number, flush=True)
        sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    ) as process:
        assert process.stdout is not None
        self = process.stdout.readline().strip()
        yield f"{self} {process.pid}"
        process.kill()
    sweep_run(engine, self)


def test_end_of_a_run_leaves_nothing(engine: DockerClient, ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "fleet").mkdir()
    with open_run(engine, tmp_path, os.environ) as run:
        mine = Ground(ground.image, run, ground.via, ground.environ)
        with open_fleet(mine, (idle("web1"),), tmp_path / "fleet"):
            during = _left(engine, run.number)

    assert 2 == during
    assert 0 == _left(engine, run.number)


def test_error_within_a_run_leaves_nothing(
    engine: DockerClient, ground: Ground, tmp_path: Path
) -> None:
    number = ""
    with suppress(ZeroDivisionError), open_run(engine, tmp_path, os.environ) as run:
        number = run.number
        engine.containers.create(ground.image.tag, labels=dict(run.labels))
        raise ZeroDivisionError

    assert 0 == _left(engine, number)


def test_killed_run_is_swept_by_its_watcher(engine: DockerClient, own: str, tmp_path: Path) -> None:
    number, pid = own.split()
    during = _left(engine, number)
    os.kill(int(pid), 9)

    assert 2 == during
    assert 0 == _awaited(engine, number)


def test_living_run_is_left_alone_by_others(engine: DockerClient, own: str) -> None:
    number, _ = own.split()

    assert number not in sweep_dead(engine)
    assert 2 == _left(engine, number)


def test_next_run_sweeps_what_even_the_watcher_left(
    engine: DockerClient, ground: Ground, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    with open_run(engine, tmp_path / "gone", os.environ) as run:
        labels = dict(run.labels)
    # As if that run and its watcher had been killed: labels of a run whose lock nobody holds.
    engine.containers.create(ground.image.tag, labels=labels)
    engine.networks.create("restic-verify-left-over", labels=labels, internal=True)
    swept = sweep_dead(engine)

    assert run.number in swept
    assert 0 == _left(engine, run.number)


def test_volume_of_a_container_goes_with_it(
    engine: DockerClient, ground: Ground, tmp_path: Path
) -> None:
    with open_run(engine, tmp_path, os.environ) as run:
        made = engine.containers.create(
            ground.image.tag, labels=dict(run.labels), volumes=["/anonymous"]
        )
        (volume,) = (mount["Name"] for mount in made.attrs["Mounts"])
        during = {volume.name for volume in engine.volumes.list()}

    assert volume in during
    assert volume not in {volume.name for volume in engine.volumes.list()}


@pytest.fixture
def simulation(ground: Ground, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A simulation as a user starts it, once it has machines, and the number of its run."""
    words = ("simulate", "--fidelity=fleet", "--days=30", "--segments=1")
    process = subprocess.Popen(
        (console.SCRIPT, *words, f"--config={ROOT / 'fixtures' / 'example' / 'verify.toml'}"),
        env=console.environment(TMPDIR=str(tmp_path)),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    number = ""
    until = time.monotonic() + WAIT_S
    with open_engine(os.environ) as engine:
        while not SERVERS <= _hosts_of(engine, number) and time.monotonic() < until:
            number = _number_below(engine, tmp_path) or number
        yield process, number
        process.kill()
        process.wait()
        sweep_run(engine, number)


def _number_below(engine: DockerClient, folder: Path) -> str:
    networks = engine.networks.list(filters={"label": RUN})
    labels = ((network.attrs or {}).get("Labels") or {} for network in networks)
    found = [own[RUN] for own in labels if own[FOLDER].startswith(f"{folder}/")]
    return found[0] if found else ""


def _hosts_of(engine: DockerClient, number: str) -> set[str]:
    wanted = {"label": f"{RUN}={number}"}
    containers = engine.containers.list(filters=wanted, ignore_removed=True)
    return {container.attrs["Config"]["Hostname"] for container in containers}


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["ctrl-c", "kill-9"]
)
def test_ended_simulation_takes_its_servers_along(
    engine: DockerClient,
    simulation: tuple[subprocess.Popen[bytes], str],
    number: signal.Signals,
    status: int,
) -> None:
    process, run = simulation
    during = _hosts_of(engine, run)
    process.send_signal(number)

    assert status == process.wait(WAIT_S)
    assert SERVERS <= during
    assert 0 == _awaited(engine, run)
