"""A real cluster of Dask's on loopback: a scheduler and two worker processes.

`from tests.servers.dask import dask_cluster` in a conftest or a test module gives the fixture.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_QUIET = ("--no-dashboard", "--host", "127.0.0.1")


@dataclass(frozen=True)
class DaskCluster:
    """Its address as `host:port`, and its processes, which may be killed.

    Attributes:
        env: the environment in which its configuration is the one to speak with it.
    """

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: tuple[subprocess.Popen[bytes], ...]
    folder: Path
    env: Mapping[str, str]

    @property
    def spec(self) -> str:
        """The executor's name."""
        return f"dask://{self.address}"

    @contextmanager
    def restarted(self) -> Iterator[None]:
        """Kill everything, and start it again under the same address."""
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()
        port = self.address.rpartition(":")[2]
        with _cluster(self.folder, port, self.env):
            yield


@pytest.fixture
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Run a scheduler and two workers for one test, which may kill what it likes."""
    with _cluster(tmp_path_factory.mktemp("dask"), "0", dict(os.environ)) as cluster:
        yield cluster


@pytest.fixture
def tls_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Run the same for those alone who come with its certificate."""
    folder = tmp_path_factory.mktemp("dask-tls")
    pair = ("-keyout", str(folder / "key"), "-out", str(folder / "certificate"))
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *pair, *name)
    subprocess.run(request, check=True, capture_output=True)
    settings = {"DEFAULT_SCHEME": "tls", "REQUIRE_ENCRYPTION": "true"}
    settings["TLS__CA_FILE"] = str(folder / "certificate")
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        settings[f"TLS__{role}__CERT"] = str(folder / "certificate")
        settings[f"TLS__{role}__KEY"] = str(folder / "key")
    named = {f"DASK_DISTRIBUTED__COMM__{key}": value for key, value in settings.items()}
    with _cluster(folder, "0", {**os.environ, **named}) as cluster:
        yield cluster


@contextmanager
def _cluster(folder: Path, port: str, env: Mapping[str, str]) -> Iterator[DaskCluster]:
    with ExitStack() as running:

        def start(role: str, *arguments: str) -> subprocess.Popen[bytes]:
            return running.enter_context(_run(role, *arguments, *_QUIET, cwd=folder, env=env))

        scheduler = start("scheduler", "--port", port)
        address = _await(scheduler, rb"Scheduler at:\s+\w+://(\S+)")
        alone = ("--nthreads", "1", "--no-nanny", "--name")
        workers = tuple(start("worker", address, *alone, name) for name in ("one", "two"))
        for worker in workers:
            _await(worker, rb"(Registered to)")
        yield DaskCluster(address, scheduler, workers, folder, env)


@contextmanager
def _run(
    role: str, *arguments: str, cwd: Path, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    argv = (sys.executable, "-m", f"distributed.cli.dask_{role}", *arguments)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=cwd, env=env, stderr=subprocess.PIPE, stdout=quiet) as it:
        yield it
        it.kill()
        assert it.stderr is not None
        it.stderr.read()


def _await(process: subprocess.Popen[bytes], words: bytes) -> str:
    assert process.stderr is not None
    seen = []
    while line := process.stderr.readline():
        seen.append(line)
        if found := re.search(words, line):
            return found.group(1).decode()
    pytest.fail(f"it ended before it was ready: {b''.join(seen[-10:]).decode()}")
