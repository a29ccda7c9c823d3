"""Commands over OpenSSH, against a real sshd on loopback, and what they look like without one."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from verifier.core.errors import CannotVerify, HostUnreachable, ToolMissing
from verifier.core.host import Command, Completed
from verifier.drill.live import ProbeRequest, inspect, observe
from verifier.drill.probe import program
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


def test_files_are_handed_to_ssh_where_it_runs() -> None:
    here = Recorder()
    SshHost("web1", via=here).run(Command(("true",), stdin_file="/in", stdout_file="/out"))

    assert (here.asked[0].stdin_file, here.asked[0].stdout_file) == ("/in", "/out")


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
def test_files_here_are_input_and_output_there(sshd: SshHost, tmp_path: Path) -> None:
    """More than any pipe holds, with every byte; and nothing of it is in our memory."""
    asked, told = tmp_path / "asked", tmp_path / "told"
    asked.write_bytes(bytes(range(256)) * 40_000)
    command = Command(("sh", "-c", "cat; exit 5"), stdin_file=str(asked), stdout_file=str(told))
    done = sshd.run(command)

    assert (5, b"") == (done.status, done.stdout)
    assert asked.read_bytes() == told.read_bytes()


@pytest.mark.heavy
def test_the_probe_sees_the_same_there(sshd: SshHost, tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    files = sorted((f"/{number}\u00e4 \n", [number]) for number in range(1, 3000))
    for name, (size,) in files:
        (live / name[1:]).write_bytes(bytes(size))
    request = ProbeRequest(["/"], files, str(live))
    here, there = (
        list(observe(host, sys.executable, request, tmp_path)) for host in (LocalHost(), sshd)
    )
    odd = inspect(sshd, sys.executable, files[:5], tmp_path, prefix=str(live))

    assert 2999 == sum(entry.sha256 is not None for entry in there)
    assert here == there
    assert [hashlib.sha256(bytes(size)).hexdigest() for _, (size,) in files[:5]] == [
        odd[name].sha256 for name, _ in files[:5]
    ]


@pytest.mark.heavy
def test_a_probe_ends_with_the_ssh_that_started_it(sshd: SshHost, tmp_path: Path) -> None:
    """Ended here, and no signal reaches the probe there, which is within a file of 1 TiB."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    pid = tmp_path / "pid"
    arguments, script = program(roots=["/"], prefix=str(tmp_path))
    note = ("sh", "-c", f'echo $$ >{pid}; exec "$@"', "sh")
    command = Command((*note, sys.executable, *arguments), stdin=script)

    with pytest.raises(CannotVerify, match="was stopped"):
        sshd.run(command, timeout_s=2)
    there = int(pid.read_text())
    try:
        subprocess.run(("tail", f"--pid={there}", "-f", "/dev/null"), check=True, timeout=20)
    finally:
        with suppress(ProcessLookupError):
            os.kill(there, signal.SIGKILL)


@pytest.mark.heavy
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights on the way")
def test_a_user_without_rights_is_told_what_it_may_not_read(sshd: SshHost, tmp_path: Path) -> None:
    """Logged in over ssh, then no longer root: as on a host where nobody gave the right to read."""
    with tempfile.TemporaryDirectory() as name:
        live = Path(name)
        live.chmod(0o755)
        for number in range(2000):
            (live / f"{number:04}").write_bytes(b"x")
            (live / f"{number:04}").chmod(0o600 if number % 2 else 0o644)
        files = [(f"/{number:04}", [1]) for number in range(2000)]
        request = ProbeRequest(["/"], files, str(live))
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        entries = list(observe(sshd, "/usr/bin/python3", request, tmp_path, become=nobody))[1:]

    assert ["", "EACCES"] * 1000 == [entry.error for entry in entries]
    assert [True, False] * 1000 == [entry.sha256 is not None for entry in entries]


@pytest.mark.heavy
def test_nobody_answering_is_unreachable_and_a_missing_program_is_missing(sshd: SshHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(HostUnreachable, match="refused"):
        SshHost("dead", "127.0.0.1", port, via=LocalHost()).run(Command(("true",)))
    with pytest.raises(ToolMissing, match="no-such-program"):
        sshd.run(Command(("no-such-program",)))
    assert sshd.run(Command(("true",))).status == 0
