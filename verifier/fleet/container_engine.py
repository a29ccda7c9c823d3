"""The Docker engine: how it is reached, and what is said where it cannot be.

The one module that opens a connection; `docker` and `testcontainers` come with the extra `fleet`.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from verifier.core.errors import CannotVerify, ToolMissing

if TYPE_CHECKING:
    from docker import DockerClient

WITHOUT = "or simulate without containers: --fidelity cycle"
"""Ends every remedy: what there is where no containers are to be had."""

_USUAL = "unix:///var/run/docker.sock"
_VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "HOME")


def engine_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which Docker's own programs find the engine."""
    return {name: environ[name] for name in _VARIABLES if name in environ}


@contextmanager
def open_engine(environ: Mapping[str, str]) -> Iterator[DockerClient]:
    """Connect to the engine that the environment names, or to this machine's own.

    Raises:
        ToolMissing: the Python package is not installed.
        CannotVerify: no engine answers, or this user may not use it.
    """
    docker = load_docker()
    variables = dict(environ)
    try:
        _knock(variables.get("DOCKER_HOST") or _USUAL)
        engine = docker.from_env(environment=variables)
    except (OSError, docker.errors.DockerException) as error:
        raise _unreachable(error) from error
    try:
        with translated("Docker"):
            yield engine
    finally:
        engine.close()


def need_program(environ: Mapping[str, str]) -> None:
    """See that `docker` can be run: commands in a machine go through it.

    Raises:
        ToolMissing: it is not on PATH.
    """
    if shutil.which("docker", path=environ.get("PATH")) is None:
        message = "the program `docker` is not on PATH"
        raise ToolMissing("Docker", message, f"install it, {WITHOUT}")


def _knock(address: str) -> None:
    # The client leaves a socket open that it could not connect, and so says less of the reason.
    path = address.removeprefix("unix://")
    if path != address:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(path)


def load_docker() -> ModuleType:
    """Return the package `docker`.

    Raises:
        ToolMissing: it is not installed, or `testcontainers` is not.
    """
    try:
        import docker
        import docker.errors
        import docker.types
        import testcontainers.core.config as settings
    except ImportError as error:
        message = f"the Python package {error.name} is not installed"
        remedy = f"install restic-verify with its extra `fleet`, {WITHOUT}"
        raise ToolMissing("Docker", message, remedy) from error
    # It would start a container of its own, from an image elsewhere, to do what `sweep` does.
    settings.testcontainers_config.ryuk_disabled = True
    return docker


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Translate what the engine, or the line to it, complains of during the block.

    Raises:
        CannotVerify: it did.
    """
    import requests
    import urllib3.exceptions as wire

    docker = load_docker()
    try:
        yield
    except docker.errors.APIError as error:
        said = str(error.explanation or error).strip()
        message = f"Docker refused: {said}"
        raise CannotVerify(subject, message, f"see what `docker info` says, {WITHOUT}") from error
    except (docker.errors.DockerException, requests.RequestException, wire.HTTPError) as error:
        message = f"Docker failed: {error}"
        raise CannotVerify(subject, message, f"see that Docker runs, {WITHOUT}") from error


def _unreachable(error: Exception) -> CannotVerify:
    if isinstance(error, PermissionError):
        message = "this user may not use the Docker engine"
        remedy = f"let the user use it (group `docker`), {WITHOUT}"
    else:
        message = "no Docker engine answers"
        remedy = f"install and start Docker, {WITHOUT}"
    return CannotVerify("Docker", message, remedy)
