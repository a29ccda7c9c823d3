"""Nothing outlives a run: what it made in Docker carries its label, and is removed by that.

At the end of the run, however it ends; by a watcher where it was killed outright; and at the start
of the next run where the watcher was killed too. A run lives as long as the lock in its folder is
held, which the kernel lets go with the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.core.errors import CannotVerify
from verifier.fleet.container_engine import engine_variables, load_docker, translated

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

RUN = "restic-verify.run"
"""The label that says which run a container or network belongs to."""

FOLDER = "restic-verify.folder"
"""The label that says where the run has its lock."""

_PLACE = "restic-verify.place"
_LOCK = "fleet.lock"
_DONE = b"done"
_ROUNDS_MAX = 10


@dataclass(frozen=True, slots=True)
class Run:
    """A run and what everything that it makes in Docker is labelled with."""

    number: str
    labels: Mapping[str, str]


@contextmanager
def open_run(engine: DockerClient, folder: Path, environ: Mapping[str, str]) -> Iterator[Run]:
    """Begin a run: sweep what dead ones left, and sweep up after this one.

    Args:
        folder: the run's own; the watcher removes it where the run is killed.

    Raises:
        CannotVerify: something resists being removed.
    """
    sweep_dead(engine)
    number = secrets.token_hex(6)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        watcher = _watch(number, folder, environ)
        labels = {RUN: number, FOLDER: str(folder), _PLACE: _here()}
        try:
            yield Run(number, labels)
        finally:
            try:
                sweep_run(engine, number)
                with suppress(BrokenPipeError):
                    watcher.communicate(_DONE)
            finally:
                assert watcher.stdin is not None, "it listens"
                watcher.stdin.close()


def sweep_dead(engine: DockerClient) -> tuple[str, ...]:
    """Remove what runs left that live no more; return their numbers."""
    swept = []
    with translated("leftovers of other runs"):
        for number, labels in _runs(engine).items():
            if _is_dead(engine, number, labels):
                sweep_run(engine, number)
                swept.append(number)
    return tuple(swept)


def sweep_run(engine: DockerClient, number: str) -> bool:
    """Remove every container and network of a run; return whether there was any.

    Raises:
        CannotVerify: some are still there after several rounds.
    """
    docker = load_docker()
    with translated(f"run {number}"):
        for turn in range(_ROUNDS_MAX):
            containers = _containers(engine, number)
            networks = engine.networks.list(filters={"label": f"{RUN}={number}"})
            if not containers and not networks:
                return turn > 0
            # Gone, or going, is what we want.
            for container in containers:
                with suppress(docker.errors.APIError):
                    container.remove(force=True, v=True)
            for network in networks:
                with suppress(docker.errors.APIError):
                    network.remove()
    message = f"{len(containers)} containers and {len(networks)} networks cannot be removed"
    remedy = f"remove what `docker ps -a --filter label={RUN}={number}` lists"
    raise CannotVerify(f"run {number}", message, remedy)


def _runs(engine: DockerClient) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    for container in engine.containers.list(all=True, filters={"label": RUN}, ignore_removed=True):
        found[container.labels[RUN]] = container.labels
    for network in engine.networks.list(filters={"label": RUN}):
        labels = (network.attrs or {}).get("Labels") or {}
        found.setdefault(labels[RUN], labels)
    return found


def _containers(engine: DockerClient, number: str) -> list[Container]:
    label = f"{RUN}={number}"
    return engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)


def _is_dead(engine: DockerClient, number: str, labels: Mapping[str, str]) -> bool:
    if labels.get(_PLACE) == _here():
        return not _is_held(Path(labels.get(FOLDER, "")) / _LOCK)
    # Another machine's, or this one's before it was started anew: what runs may be in use.
    containers = _containers(engine, number)
    return bool(containers) and all(c.status in {"exited", "dead"} for c in containers)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _here() -> str:
    # Processes that see the same paths, between two starts of one machine.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/mnt').readlink()}"


def _watch(number: str, folder: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    argument = json.dumps([number, str(folder), engine_variables(environ)])
    return subprocess.Popen(
        (sys.executable, "-m", "verifier.fleet.sweep_watch", argument),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": environ.get("PATH", os.defpath), "HOME": environ.get("HOME", "/")},
        start_new_session=True,
    )
