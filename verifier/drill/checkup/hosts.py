"""A host that is backed up, asked over the very line that the coordinator uses.

Nothing is written there, and the password never travels: a harmless text is sent in its place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Literal

from verifier.core.checkup import Question, Seen, Subject, broken, fine, flawed, needless, unclear
from verifier.core.clock import Clock
from verifier.core.errors import HostUnreachable, ToolMissing
from verifier.core.host import Command, Completed, Host
from verifier.drill.checkup.eyes import Eyes, ask_eyes
from verifier.drill.checkup.rights import RIGHTS, judge_rights
from verifier.drill.checkup.skew import judge_skew, measure
from verifier.restic.events import parse_version
from verifier.retention.rules import NEWEST, parse_release, release_text

LIMIT_S = 60.0
"""For one answer; a dead network file system is what takes longer."""

SCRIPT = "/usr/local/bin/backup-restic"
"""What the coordinator calls; as `cycle.render` installs it."""

PERMIT = "/usr/local/sbin/permit-backup"
"""What gives the right where `hosts.capability` is `ambient`."""

Grant = Literal["file", "unit", "permit"]

_VARIABLE = "RESTIC_PASSWORD"

_SSHD = "/etc/ssh/sshd_config.d/50-restic.conf"
"""What lets that variable in; as `cycle.render` installs it."""

_REASONS = (
    ("Host key verification failed", "see who answers there; `ssh-keygen -R` forgets the old key"),
    ("REMOTE HOST IDENTIFICATION", "see who answers there; `ssh-keygen -R` forgets the old key"),
    ("Permission denied", "add this user's public key to authorized_keys of the user there"),
    ("Connection refused", "start sshd there, on the port that hosts.port says"),
    ("Could not resolve hostname", "correct hosts.address, or add the name to /etc/hosts"),
    ("timed out", "see that the host is up and that no firewall is in between"),
    ("No route to host", "see that the host is up and that no firewall is in between"),
)
"""What ssh says, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a host is to be like.

    Attributes:
        host: the line to it.
        sending: the same line, where `marker` is sent as the password is; none for this machine.
        script: what its `backup-restic` is to be; none where nothing is rendered for it.
        repository: the repository as it sees it.
        config_digest: SHA-256 of the file `config` of the repository; empty where not known.
        python, become: how the probe is started there.
        include: paths that are backed up, where they stand on that host.
        grant: where restic has its right from: its file, the unit that runs it, or `permit-backup`.
    """

    name: str
    host: Host
    sending: Host | None
    marker: str
    script: bytes | None
    restic: str
    repository: str
    config_digest: str
    python: str
    become: tuple[str, ...]
    include: tuple[str, ...]
    grant: Grant = "file"

    def questions(self, clock: Clock) -> Subject:
        """Return the questions about it."""
        eyes = Eyes(self.host, self.python, self.become, self.include, LIMIT_S)
        far = self.sending is not None
        line = ("line",) if far else ()
        over_line = (
            Question("line", self._ask_line),
            Question("clock", partial(self._ask_clock, clock), line),
            Question("password variable", self._ask_variable, line),
        )
        return Subject(
            f"host {self.name}",
            (
                *(over_line if far else ()),
                Question("backup-restic", self._ask_script, line),
                Question("restic", self._ask_restic, line),
                Question("right to read", self._ask_rights, (*line, "restic")),
                Question("repository", self._ask_repository, line),
                Question("probe", lambda: ask_eyes(eyes), line),
                Question("include", eyes.judge_includes, (*line, "probe")),
            ),
        )

    def _run(self, *argv: str) -> Completed:
        return self.host.run(Command(argv), timeout_s=LIMIT_S)

    def _ask_line(self) -> Seen:
        try:
            done = self._run("true")
        except HostUnreachable as error:
            found = (remedy for words, remedy in _REASONS if words in error.message)
            return broken(error.message, next(found, error.remedy))
        except ToolMissing as error:
            return broken(error.message, error.remedy)
        if done.status:
            saw = f"logs in, and `true` ends with {done.status}: {done.last_lines(1)}"
            return broken(saw, "give the user a login shell that runs commands")
        if done.stdout:
            said = done.stdout.decode(errors="replace").strip()[:60]
            remedy = "let its shell's start-up files print nothing where no terminal is"
            return broken(f"a login prints {said!r}, and the probe's answer drowns in it", remedy)
        return fine("ssh logs in")

    def _ask_clock(self, clock: Clock) -> Seen:
        return judge_skew(measure(self.host, clock, LIMIT_S))

    def _ask_variable(self) -> Seen:
        assert self.sending is not None, "it is far away"
        done = self.sending.run(Command(("printenv", _VARIABLE)), timeout_s=LIMIT_S)
        arrived = done.stdout.decode(errors="replace").rstrip("\n")
        return judge_variable(arrived, self.marker, self.name)

    def _ask_script(self) -> Seen:
        script = (
            'if [ ! -e "$1" ]; then echo absent; elif [ -f "$1" ] && [ -x "$1" ] && [ -r "$1" ]; '
            'then sha256sum <"$1"; else echo unusable; fi'
        )
        done = self._run("sh", "-c", script, "sh", SCRIPT)
        return judge_script(done.stdout.decode(errors="replace").split(), self.script, self.name)

    def _ask_restic(self) -> Seen:
        try:
            done = self._run(self.restic, "version")
        except ToolMissing as error:
            if "not permitted" in error.message:
                remedy = "give it CAP_DAC_READ_SEARCH to hand out: its container or unit lacks it"
                return broken(f"restic may not be started: {error.message}", remedy)
            return broken(error.message, error.remedy)
        if done.status:
            said = done.last_lines(1)
            return broken(f"`restic version` ended with {done.status}: {said}", "install restic")
        release = parse_version(done.stdout)
        if parse_release(release) > NEWEST:
            known = release_text(NEWEST)
            saw = f"restic {release} is newer than {known}, the last that is known here"
            return flawed(saw, "update restic-verify")
        return fine(f"restic {release}")

    def _ask_rights(self) -> Seen:
        if self.grant == "unit":
            return fine("by the unit that runs it")
        if self.grant == "permit":
            # What sudo would permit, and nothing is run.
            done = self._run("sudo", "-n", "-l", PERMIT)
            return judge_permit(done.status, done.last_lines(1), self.name)
        done = self._run("sh", "-c", RIGHTS, "sh", self.restic)
        return judge_rights(done.stdout.decode(errors="replace"))

    def _ask_repository(self) -> Seen:
        folder = self.repository.removeprefix("local:")
        if not folder.startswith("/"):
            return needless("not mounted: restic reaches it by itself")
        script = (
            'if [ ! -d "$1" ]; then echo absent; exit; fi; '
            'for f in data index snapshots locks; do [ -w "$1/$f" ] || echo "closed $f"; done; '
            '[ -r "$1/config" ] && sha256sum <"$1/config" || echo empty'
        )
        done = self._run("sh", "-c", script, "sh", folder)
        said = done.stdout.decode(errors="replace").splitlines()
        return judge_mount(folder, said, self.config_digest)


def judge_variable(arrived: str, marker: str, host: str) -> Seen:
    """Judge what arrived of the text that was sent as the password is."""
    if arrived == marker:
        return fine(f"{_VARIABLE} arrives")
    remedy = (
        f"let its sshd have `AcceptEnv {_VARIABLE}`: `restic-verify render hosts/{host}{_SSHD}` "
        "prints the file; then reload sshd"
    )
    if arrived:
        # Not what it is: it may be a password.
        return broken(f"{_VARIABLE} is set there to something else than what was sent", remedy)
    return broken(f"{_VARIABLE} does not arrive, so no backup can open the repository", remedy)


def judge_script(said: list[str], expected: bytes | None, host: str) -> Seen:
    """Judge the script that the coordinator calls: what is there, against what is to be."""
    remedy = f"install what `restic-verify render hosts/{host}{SCRIPT}` prints, with mode 0755"
    if said == ["absent"]:
        return broken(f"{SCRIPT} is not there", remedy)
    if said == ["unusable"]:
        return broken(f"{SCRIPT} cannot be run by this user", f"{remedy}, or chmod 0755")
    if not said or len(said[0]) != 64:
        return unclear(f"{SCRIPT} could not be looked at", "see that sha256sum is there")
    if expected is not None and said[0] != hashlib.sha256(expected).hexdigest():
        return flawed(f"{SCRIPT} is not what the configuration makes of it", remedy)
    return fine(f"{SCRIPT}, as the configuration has it" if expected else SCRIPT)


def judge_permit(status: int, said: str, host: str) -> Seen:
    """Judge whether sudo permits what gives the right to read every file."""
    if status == 0:
        return fine(f"by {PERMIT}, which sudo permits")
    remedy = (
        f"install what `restic-verify render --machine {host}` has of sudoers and permit-backup"
    )
    return broken(f"sudo does not permit {PERMIT}: {said or f'it ended with {status}'}", remedy)


def judge_mount(folder: str, said: list[str], digest: str) -> Seen:
    """Judge the repository as a host has it: `closed NAME` lines, then the digest of `config`."""
    remedy = f"mount it there, or correct hosts.repository; the coordinator has it at {folder}"
    if said in (["absent"], []):
        return broken(f"{folder} is not there", "mount it there, or correct hosts.repository")
    closed = [line.removeprefix("closed ") for line in said if line.startswith("closed ")]
    last = said[-1].split()[0]
    if last == "empty":
        hint = "is the file system mounted?" if len(closed) == 4 else "may its user read it?"
        return broken(f"{folder} shows no repository: {hint}", remedy)
    if digest and last != digest:
        return broken(f"{folder} is another repository than the coordinator's", remedy)
    if closed:
        saw = f"{folder}: {', '.join(closed)} cannot be written to"
        return broken(saw, "give the user there the right to write, or mount it for writing")
    return fine(f"{folder}, the same as here" if digest else folder)
