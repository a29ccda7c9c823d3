"""Commands over OpenSSH, against a real sshd on loopback, and what they look like without one."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from verifier.core.errors import HostUnreachable, ToolMissing
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.fleet.ssh import SshHost


@dataclass
class Recorder:
    """A place to run ssh that only notes what it was asked."""

    answer: Completed = field(default_factory=lambda: Completed(0, b"", b"", 0.0))
    name: str = "here"
    asked: list[Command] = field(default_factory=list)

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Note the command."""
        self.asked.append(command)
        return self.answer


def test_the_users_own_ssh_is_asked_and_never_for_a_password() -> None:
    here = Recorder()
    SshHost("web1", "10.0.0.1", 50_000, "restic", via=here).run(Command(("true",), stdin=b"x"))
    (asked,) = here.asked

    assert asked.argv[:4] == ("ssh", "-T", "-p", "50000")
    assert "BatchMode=yes" in asked.argv
    assert asked.argv[-3:] == ("--", "restic@10.0.0.1", "true")
    assert asked.stdin == b"x"


def test_what_is_not_given_is_left_to_ssh() -> None:
    here = Recorder()
    SshHost("web1", via=here).run(Command(("true",)))

    assert here.asked[0].argv[-2:] == ("web1", "true")
    assert "-p" not in here.asked[0].argv


def test_words_folder_and_environment_are_quoted_for_the_remote_shell() -> None:
    here = Recorder()
    command = Command(("echo", "a b", "$x;'"), env={"K": "v w"}, cwd="/a b", secrets=("v w",))
    SshHost("web1", via=here).run(command)
    (asked,) = here.asked

    assert asked.argv[-1] == """cd '/a b' && env 'K=v w' echo 'a b' '$x;'"'"''"""
    assert "v w" not in str(asked)


@pytest.mark.parametrize(
    ("status", "error"), [(255, HostUnreachable), (127, ToolMissing), (126, ToolMissing)]
)
def test_a_status_of_ssh_itself_is_an_error(status: int, error: type[Exception]) -> None:
    here = Recorder(Completed(status, b"", b"it said this", 0.0))

    with pytest.raises(error, match="it said this"):
        SshHost("web1", via=here).run(Command(("true",)))


def test_any_other_status_is_the_commands_own() -> None:
    here = Recorder(Completed(1, b"", b"", 0.0))

    assert SshHost("web1", via=here).run(Command(("false",))).status == 1


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    """A host behind a real sshd on this machine, with keys of its own."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.fail("there is no sshd: install the package `openssh-server`")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "user"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(keygen, check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = (
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nUsePAM no\nPermitRootLogin yes\n"
    )
    (folder / "config").write_text(settings)
    server = subprocess.Popen(
        [program, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.PIPE
    )
    assert server.stderr is not None
    while b"listening" not in (line := server.stderr.readline()).lower():
        assert line, "sshd ended before it listened"
    known = ("-F", "none", "-i", str(folder / "user"), "-o", f"UserKnownHostsFile={folder}/known")
    options = (*known, "-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR")
    yield SshHost("web1", "127.0.0.1", port, getpass.getuser(), via=LocalHost(), options=options)
    server.terminate()
    server.communicate()


@pytest.mark.heavy
def test_a_command_runs_there_as_it_would_here(sshd: SshHost, tmp_path: Path) -> None:
    odd = ("", "a b", "$HOME", "'\"\\", "*", "a\nb", "\u00e4", "--", "~", "!x;y&")
    script = 'for word; do printf "%s|" "$word"; done; printf "%s" "$K" >&2; pwd; cat; exit 3'
    (tmp_path / "a b").mkdir()
    command = Command(
        ("sh", "-c", script, "sh", *odd), env={"K": "v w"}, stdin=b"\0in", cwd=str(tmp_path / "a b")
    )
    here, there = LocalHost().run(command), sshd.run(command)

    assert (there.status, there.stdout, there.stderr) == (3, here.stdout, b"v w")


@pytest.mark.heavy
def test_the_probe_sees_the_same_there(sshd: SshHost, tmp_path: Path) -> None:
    from verifier.drill.sides import observe

    for number in range(3000):
        (tmp_path / f"{number}\u00e4 \n").write_bytes(bytes(number))
    request = {"roots": [str(tmp_path)]}
    here = list(observe(LocalHost(), sys.executable, **request))

    assert len(here) == 3001
    assert list(observe(sshd, sys.executable, **request)) == here


@pytest.mark.heavy
def test_nobody_answering_is_unreachable_and_a_missing_program_is_missing(sshd: SshHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(HostUnreachable, match="refused"):
        SshHost("dead", "127.0.0.1", port, via=LocalHost()).run(Command(("true",)))
    with pytest.raises(ToolMissing, match="no-such-program"):
        sshd.run(Command(("no-such-program",)))
    assert sshd.run(Command(("true",))).status == 0
