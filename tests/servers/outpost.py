"""A host behind a real sshd where nobody but an ordinary user logs in; as root alone can make one.

It is this machine, with accounts and settings of its own in a mount namespace: they are gone with
the server, whatever ends it, and the machine's own are never touched.

`from tests.servers.outpost import outpost` in a conftest or a test module gives the fixture.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

USER = "backup-user"
_ID = 54_321
_LINES = {
    "passwd": f"{USER}:x:{_ID}:{_ID}::/:/bin/bash",
    "group": f"{USER}:x:{_ID}:",
    "shadow": f"{USER}:*:19000:0:99999:7:::",
}


@dataclass
class Outpost:
    """A host that can be reached as `USER`.

    Attributes:
        root: a folder that everybody may enter; what is installed lies in it, to be changed.
        bin: what goes before everything else on PATH, for an `ssh` that knows the host.
        under: words before its sshd, in the shell that starts it.

    """

    root: Path
    port: int
    bin: Path
    server: subprocess.Popen[bytes] | None = field(default=None)
    under: str = ""

    @property
    def sbin(self) -> Path:
        """What is /usr/local/sbin there."""
        return self.root / "sbin"

    @property
    def local_bin(self) -> Path:
        """What is /usr/local/bin there, from its next start on, once this folder is made."""
        return self.root / "local-bin"

    @property
    def sudoers(self) -> Path:
        """What is /etc/sudoers.d there."""
        return self.root / "sudoers.d"

    def start(self) -> None:
        """Start its sshd."""
        places = {"sbin": "/usr/local/sbin", "sudoers.d": "/etc/sudoers.d"}
        places |= {name: f"/etc/{name}" for name in _LINES}
        if self.local_bin.is_dir():
            places["local-bin"] = "/usr/local/bin"
        binds = " && ".join(f"mount --bind {self.root}/{k} {v}" for k, v in places.items())
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        script = f"{binds} && exec {self.under} {program} -D -e -f {self.root}/sshd_config"
        argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
        self.server = subprocess.Popen(argv, stderr=subprocess.PIPE, start_new_session=True)
        assert self.server.stderr is not None
        while b"listening" not in (line := self.server.stderr.readline()).lower():
            assert line, "sshd ended before it listened"

    def stop(self) -> None:
        """End it with every connection, as when the machine dies."""
        assert self.server is not None
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        for child in children.read_text().split():
            os.kill(int(child), 9)
        self.server.kill()
        self.server.wait()
        assert self.server.stderr is not None
        self.server.stderr.close()
        self.server = None


@pytest.fixture
def outpost(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outpost]:
    """Run such a host for one test, with an `ssh` on PATH that knows it as 127.0.0.1."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a host with accounts of its own")
    with made() as host:
        monkeypatch.setenv("PATH", f"{host.bin}:{os.environ['PATH']}")
        host.start()
        yield host
        if host.server is not None:
            host.stop()


@contextmanager
def made() -> Iterator[Outpost]:
    """Make such a host, which is not started; it is gone afterwards."""
    # Not below pytest's own folder, which others may not enter.
    root = Path(tempfile.mkdtemp(prefix="outpost-"))
    root.chmod(0o755)
    try:
        for name in ("host", "user"):
            keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / name))
            subprocess.run(keygen, check=True)
        for name, line in _LINES.items():
            own = Path("/etc", name)
            (root / name).write_text(f"{own.read_text().rstrip()}\n{line}\n")
            (root / name).chmod(own.stat().st_mode & 0o777)
        for name in ("sbin", "sudoers.d", "bin"):
            (root / name).mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        Path("/run/sshd").mkdir(exist_ok=True)
        (root / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {root}/host\nPidFile none\n"
            f"AuthorizedKeysFile {root}/user.pub\nStrictModes no\nUsePAM no\n"
            f"Subsystem sftp internal-sftp\nAllowUsers {USER}\n"
        )
        (root / "client").write_text(
            f"Host *\n  IdentityFile {root}/user\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {root}/known\n  StrictHostKeyChecking accept-new\n"
        )
        ssh = root / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {root}/client "$@"\n')
        ssh.chmod(0o755)
        yield Outpost(root, port, root / "bin")
    finally:
        shutil.rmtree(root)
