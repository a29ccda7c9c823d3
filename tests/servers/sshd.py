"""A real sshd on loopback with keys of its own, and an `ssh` that knows it by a name.

`from tests.servers.sshd import sshd, ssh_path` in a conftest or a test module gives the fixtures.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

NAME = "backup-host"


@dataclass(frozen=True)
class Sshd:
    """Where it listens; `bin` is what goes before everything else on PATH."""

    port: int
    user: str
    bin: Path
    name: str = NAME

    def location(self, folder: Path) -> str:
        """Name a folder by the alias that ~/.ssh/config would hold."""
        return f"sftp:{self.name}:{folder}"

    def url(self, folder: Path) -> str:
        """Name a folder by user, address and port."""
        return f"sftp://{self.user}@127.0.0.1:{self.port}/{folder}"


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Run an sshd that lets this user in by key, for the whole session."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.fail("there is no sshd: install the package `openssh-server`")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        subprocess.run(keygen, check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nUsePAM no\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\nMaxStartups 100\n"
    )
    server = subprocess.Popen(
        (program, "-D", "-e", "-f", str(folder / "config")), stderr=subprocess.PIPE
    )
    assert server.stderr is not None
    while b"listening" not in (line := server.stderr.readline()).lower():
        assert line, "sshd ended before it listened"
    yield Sshd(port, getpass.getuser(), _client(folder, port))
    server.terminate()
    # Its end alone: a connection that is still open keeps the error output open too.
    server.wait()
    server.stderr.close()


@pytest.fixture
def ssh_path(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the `ssh` that knows the server on PATH; return the PATH."""
    path = f"{sshd.bin}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    return path


def _client(folder: Path, port: int) -> Path:
    # OpenSSH finds ~/.ssh by the user's account, whatever HOME says: so it is told.
    (folder / "client").write_text(
        f"Host {NAME}\n  HostName 127.0.0.1\n  Port {port}\n"
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking accept-new\n"
    )
    ssh = folder / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/client "$@"\n')
    ssh.chmod(0o755)
    return ssh.parent
