"""Where there is no Docker engine to use, one sentence says so and names the way without."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.drill.unprivileged import as_nobody
from verifier.core.errors import CannotVerify, ToolMissing, VerifyError
from verifier.fleet.container_engine import load_docker, open_engine

if TYPE_CHECKING:
    from docker import DockerClient


def _refusal(address: str) -> tuple[str, str]:
    try:
        with open_engine({"DOCKER_HOST": address}):
            return "", ""
    except VerifyError as error:
        return error.message, error.remedy


@pytest.mark.parametrize(
    "address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"], ids=["no-socket", "refused"]
)
def test_absent_engine_is_one_sentence(address: str) -> None:
    message, remedy = _refusal(address)

    assert "no Docker engine answers" == message
    assert "--fidelity cycle" in remedy


def test_forbidden_engine_is_another_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Below a folder that everybody may enter: the socket itself is what is forbidden.
    path = Path(f"/tmp/{os.getpid()}-{tmp_path_factory.getbasetemp().name}.sock")  # noqa: S108
    load_docker()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o600)
        message, remedy = as_nobody(lambda: _refusal(f"unix://{path}"))
    path.unlink()

    assert "this user may not use the Docker engine" == message
    assert "--fidelity cycle" in remedy


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers.core.config", None)
    with pytest.raises(ToolMissing) as caught:
        load_docker()

    assert "`fleet`" in caught.value.remedy
    assert "--fidelity cycle" in caught.value.remedy


@pytest.mark.heavy
def test_present_engine_opens(engine: DockerClient) -> None:
    assert engine.ping()


@pytest.mark.heavy
@pytest.mark.usefixtures("engine")
def test_what_the_engine_refuses_is_an_error_of_ours() -> None:
    with pytest.raises(CannotVerify, match="Docker refused"), open_engine(os.environ) as engine:
        engine.containers.create("restic-verify/no-such-image:1")
