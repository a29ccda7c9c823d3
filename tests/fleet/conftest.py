"""Real containers: an engine, the image of a host, and a run that is swept at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.engine import engine
from verifier.cli.compose_fleet import provide_image
from verifier.cli.programs import local_host
from verifier.core.errors import ToolMissing
from verifier.fleet.containers import Fleet, Ground, open_fleet
from verifier.fleet.description import Machine
from verifier.fleet.sweep import open_run

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["engine"]

IDLE = ("/bin/bash", "-c", "echo ready; exec sleep infinity")


@pytest.fixture(scope="session")
def ground(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    host = local_host(os.environ, inherit=False)
    try:
        image = provide_image(engine, host, os.environ, lambda _: None)
    except ToolMissing as error:
        pytest.fail(f"{error}; {error.remedy} (ci/test installs it for root)", pytrace=False)
    with open_run(engine, tmp_path_factory.mktemp("run"), os.environ) as run:
        yield Ground(image, run, host, dict(os.environ))


Start = Callable[..., Fleet]


@pytest.fixture
def start(ground: Ground, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts machines on a network of their own."""
    opened = []

    def begin(*machines: Machine) -> Fleet:
        folder = tmp_path / f"fleet-{tmp_path.name}-{len(opened)}"
        folder.mkdir()
        opened.append(open_fleet(ground, machines, folder))
        return opened[-1].__enter__()

    yield begin
    for fleet in reversed(opened):
        fleet.__exit__(None, None, None)


def idle(name: str, **more: object) -> Machine:
    """Return a machine that does nothing."""
    return Machine(name, IDLE, "ready", **more)  # type: ignore[arg-type]
