"""A host looked at over a real sshd: healthy once, and then each thing wrong with it, alone.

Goal: `doctor` names what is wrong with a host, and nothing else, and is silent on a good one.
Method: an ordinary user's host, its sshd, its restic with a real capability, its repository,
its own clock; one thing is changed at a time. Red where a fault passes, or where a healthy host, or
a neighbour of the fault, alarms.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from shlex import join

import pytest

from tests.servers.outpost import USER, Outpost, made
from verifier.clock.control import under
from verifier.clock.page import ClockPage
from verifier.clock.system import SystemClock
from verifier.core.checkup import Check, Status, Subject, examine
from verifier.drill.checkup.hosts import Wanted
from verifier.fleet.local import LocalHost
from verifier.fleet.ssh import SshHost

pytestmark = pytest.mark.heavy

ALL_BUT_THE_CLOCK = (
    "line",
    "password variable",
    "backup-restic",
    "restic",
    "right to read",
    "repository",
    "probe",
    "include",
)
CONFIG = b"what is sealed in a repository's config"
SCRIPT = b"#!/bin/sh\nexit 0\n"


@dataclass
class Place:
    """A host that is as it should be, and what it is to be."""

    outpost: Outpost
    wanted: Wanted
    settings: str

    @property
    def restic(self) -> Path:
        """Its restic."""
        return self.outpost.local_bin / "restic"

    @property
    def config(self) -> Path:
        """Its sshd's settings."""
        return self.outpost.root / "sshd_config"

    def setting(self, text: str) -> None:
        """Restart its sshd with other settings."""
        self.config.write_text(text)
        self.restart()

    def restart(self) -> None:
        """Restart its sshd."""
        if self.outpost.server is not None:
            self.outpost.stop()
        self.outpost.start()

    def mend(self) -> None:
        """Make everything as it should be."""
        script, repository = self.outpost.local_bin / "backup-restic", self.outpost.root / "repo"
        script.write_bytes(SCRIPT)
        script.chmod(0o755)
        capable(self.restic, "cap_dac_read_search=ep")
        (repository / "config").write_bytes(CONFIG)
        shutil.chown(repository / "locks", USER_ID, USER_ID)
        data = self.outpost.root / "live" / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "file").write_text("x")
        if self.config.read_text() != self.settings or self.outpost.server is None:
            self.setting(self.settings)

    def wrong(self) -> dict[str, Status]:
        """Return the questions that were asked and not answered well."""
        found = self.ask()
        return {c.name: c.status for c in found if c.status not in {"ok", "skipped"}}

    def ask(self, *names: str) -> tuple[Check, ...]:
        """Ask everything, or what has these names."""
        subject = self.wanted.questions(SystemClock())
        questions = tuple(q for q in subject.questions if not names or q.name in names)
        return examine(Subject(subject.name, questions))


@pytest.fixture(scope="module")
def house(restic_program: str) -> Iterator[Place]:
    """The host that all tests look at, each of which mends it first."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a host with accounts of its own")
    with made() as host:
        host.local_bin.mkdir()
        shutil.copy(Path(restic_program).resolve(), host.local_bin / "restic")
        repository = host.root / "repo"
        for name in ("data", "index", "snapshots", "locks"):
            (repository / name).mkdir(parents=True)
            shutil.chown(repository / name, USER_ID, USER_ID)
        marker = secrets.token_hex(8)
        line = ("web1", "127.0.0.1", host.port, USER)
        env = {**os.environ, "PATH": f"{host.bin}:{os.environ['PATH']}"}
        sending = LocalHost(env={**env, "RESTIC_PASSWORD": marker})
        wanted = Wanted(
            "web1",
            SshHost(*line, via=LocalHost(env=env)),
            SshHost(*line, via=sending, options=("-o", "SendEnv=RESTIC_PASSWORD")),
            marker,
            SCRIPT,
            "restic",
            str(repository),
            hashlib.sha256(CONFIG).hexdigest(),
            "/usr/bin/python3",
            (),
            (str(host.root / "live" / "data"),),
        )
        settings = f"{(host.root / 'sshd_config').read_text()}AcceptEnv RESTIC_PASSWORD\n"
        yield Place(host, wanted, settings)
        if host.server is not None:
            host.stop()


@pytest.fixture
def place(house: Place) -> Place:
    """A healthy host."""
    house.mend()
    return replace(house)


USER_ID = 54_321


def capable(program: Path, capability: str) -> None:
    """Give a program a capability."""
    program.chmod(0o755)
    subprocess.run(("setcap", capability, program), check=True)


def test_a_healthy_host_lacks_the_right_of_the_probe_alone(place: Place) -> None:
    """Which is `become`, and is told as something that could be better."""
    found = {check.name: check for check in place.ask()}

    assert {"probe": "warning"} == place.wrong()
    assert "become = " in found["probe"].seen.remedy
    assert "skipped" not in {check.status for check in found.values()}
    assert f"{place.wanted.marker}" not in str(found)


def test_with_become_everything_is_well(place: Place) -> None:
    sudoers = place.outpost.sudoers / "restic-verify"
    sudoers.write_text(f"{USER} ALL=(root) NOPASSWD: /usr/bin/python3\n")
    sudoers.chmod(0o440)
    place.wanted = replace(place.wanted, become=("sudo", "-n"))

    assert {} == place.wrong()
    sudoers.unlink()

    assert {"probe": "failed"} == place.wrong()


def test_what_sudo_permits_stands_for_a_capability(place: Place) -> None:
    no_capability(place)
    place.wanted = replace(place.wanted, grant="permit")
    sudoers = place.outpost.sudoers / "restic-verify"
    sudoers.write_text(f'{USER} ALL=(root) NOPASSWD: /usr/local/sbin/permit-backup ""\n')
    sudoers.chmod(0o440)
    permit = place.outpost.sbin / "permit-backup"
    permit.write_text("#!/bin/sh\n")
    permit.chmod(0o755)
    asked = ("line", "restic", "right to read")

    assert ["ok", "ok", "ok"] == [check.status for check in place.ask(*asked)]
    sudoers.unlink()
    assert ["ok", "ok", "failed"] == [check.status for check in place.ask(*asked)]


def no_accept(place: Place) -> None:
    """Let sshd pass no variable."""
    place.setting(place.settings.replace("AcceptEnv RESTIC_PASSWORD\n", ""))


def own_password(place: Place) -> None:
    """Let sshd set the variable itself."""
    place.setting(f"{place.settings}SetEnv RESTIC_PASSWORD=something-else\n")


def no_capability(place: Place) -> None:
    """Take restic's capability away, as an upgrade does."""
    subprocess.run(("setcap", "-r", place.restic), check=True)


def other_capability(place: Place) -> None:
    """Give it one that does not help."""
    capable(place.restic, "cap_net_bind_service=ep")


def dormant_capability(place: Place) -> None:
    """Permit it, and do not let it take effect."""
    capable(place.restic, "cap_dac_read_search=p")


def no_restic(place: Place) -> None:
    """Put a program that cannot be started in its place."""
    place.wanted = replace(place.wanted, restic="restic-that-is-not-there")


def no_script(place: Place) -> None:
    """Take the script away."""
    (place.outpost.local_bin / "backup-restic").unlink()


def shut_script(place: Place) -> None:
    """Let nobody execute it."""
    (place.outpost.local_bin / "backup-restic").chmod(0o644)


def other_script(place: Place) -> None:
    """Change one letter in it."""
    (place.outpost.local_bin / "backup-restic").write_bytes(SCRIPT.replace(b"0", b"1"))


def unmounted(place: Place) -> None:
    """Show an empty folder in place of the repository."""
    place.wanted = replace(place.wanted, repository=str(place.outpost.root / "live"))


def read_only(place: Place) -> None:
    """Let the user not write there."""
    shutil.chown(Path(place.wanted.repository) / "locks", 0, 0)


def other_repository(place: Place) -> None:
    """Mount another repository."""
    (Path(place.wanted.repository) / "config").write_bytes(b"another")


def no_include(place: Place) -> None:
    """Lose what is to be backed up."""
    shutil.rmtree(place.wanted.include[0])


def empty_include(place: Place) -> None:
    """Leave an empty mount point of it."""
    (Path(place.wanted.include[0]) / "file").unlink()


def no_python(place: Place) -> None:
    """Name an interpreter that is not there."""
    place.wanted = replace(place.wanted, python="/usr/bin/python9")


def chatty(place: Place) -> None:
    """Let a login print something."""
    line = 'ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"'
    place.setting(f"{place.settings}{line}\n")


def gone(place: Place) -> None:
    """Switch it off."""
    place.outpost.stop()


def stranger(place: Place) -> None:
    """Let another user ask, whom it does not know."""
    env = {**os.environ, "PATH": f"{place.outpost.bin}:{os.environ['PATH']}"}
    line = ("web1", "127.0.0.1", place.outpost.port, "nobody-knows-me")
    place.wanted = replace(place.wanted, host=SshHost(*line, via=LocalHost(env=env)))


@pytest.mark.parametrize(
    ("befall", "check", "status", "said"),
    [
        (no_accept, "password variable", "failed", "does not arrive"),
        (own_password, "password variable", "failed", "something else"),
        (no_capability, "right to read", "failed", "no capability"),
        (other_capability, "right to read", "failed", "cap_net_bind_service"),
        (dormant_capability, "right to read", "failed", "cap_dac_read_search=p"),
        (no_restic, "restic", "failed", "cannot be run"),
        (no_script, "backup-restic", "failed", "is not there"),
        (shut_script, "backup-restic", "failed", "cannot be run"),
        (other_script, "backup-restic", "warning", "is not what the configuration makes"),
        (unmounted, "repository", "failed", "shows no repository"),
        (read_only, "repository", "failed", "locks cannot be written to"),
        (other_repository, "repository", "failed", "another repository"),
        (no_include, "include", "failed", "not there"),
        (empty_include, "include", "warning", "empty"),
        (no_python, "probe", "failed", "python9"),
        (chatty, "line", "failed", "'Welcome'"),
        (gone, "line", "failed", "Connection refused"),
        (stranger, "line", "failed", "Permission denied"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_one_thing_wrong_is_named_and_nothing_else(
    place: Place, befall: Callable[[Place], None], check: str, status: Status, said: str
) -> None:
    befall(place)
    found = place.ask(*ALL_BUT_THE_CLOCK)
    (named,) = (c for c in found if c.name == check)
    wrong = {c.name: c.status for c in found if c.status not in {"ok", "skipped"}}

    assert {check: status} == {k: v for k, v in wrong.items() if (k, v) != ("probe", "warning")}
    assert said in named.seen.saw
    assert named.seen.remedy


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(timedelta(seconds=-60), "warning"), (timedelta(days=2), "failed")],
)
def test_a_clock_that_is_off_is_measured(place: Place, ahead: timedelta, status: Status) -> None:
    """Its sshd, and all that it starts, lives under a clock of its own."""
    page = ClockPage.create(place.outpost.root / f"page-{status}")
    page.shift(ahead)
    place.outpost.under = join(under(page.path, ()))
    place.restart()
    _, clock = place.ask("line", "clock")
    place.outpost.under = ""
    place.restart()

    assert status == clock.status
    assert ("behind" if ahead < timedelta(0) else "ahead of") in clock.seen.saw
    assert clock.seen.saw.startswith(("59.", "60.", "61.", "2 days"))


def test_root_reads_everything_without_a_capability(restic_program: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root is root")
    here = LocalHost(env=os.environ)
    wanted = Wanted(
        "db1",
        here,
        None,
        "",
        None,
        restic_program,
        "sftp:elsewhere:/x",
        "",
        sys.executable,
        (),
        ("/etc",),
    )
    found = {c.name: c.status for c in examine(wanted.questions(SystemClock()))}

    assert ("ok", "ok", "ok", "ok", "skipped") == tuple(
        found[name] for name in ("restic", "right to read", "probe", "include", "repository")
    )
    assert not {"line", "clock", "password variable"} & set(found)
