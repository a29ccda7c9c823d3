"""What a drill asks of the real restic: the snapshots, what one recorded, and its files back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.core.entry import Entry
from verifier.core.errors import CannotVerify, ResticFailed
from verifier.core.host import Completed, Host
from verifier.core.snapshot import Snapshot
from verifier.drill.sides import is_lossy, parse_failures, parse_recorded, with_exact_names
from verifier.restic import commands
from verifier.restic.binary import Restic, failure, run
from verifier.restic.commands import Access
from verifier.restic.events import messages

_DAMAGE = (
    "ciphertext verification failed",
    "does not match",
    "file does not exist",
    "file is too short",
    "invalid hash",
    "no such file or directory",
    "not found in index",
    "not found in repository",
    "specified key does not exist",
    "unexpected EOF",
)
"""restic's words where an object of the repository is gone or bad, rather than out of reach."""

_CRASH = b"panic:"


@dataclass(frozen=True, slots=True)
class Unlistable:
    """A snapshot whose trees are damaged; what restic says of it."""

    message: str


@dataclass(frozen=True, slots=True)
class Source:
    """A repository, and the restic that reads it. Nothing but a lock is ever written there.

    Attributes:
        program: restic's name on the host's PATH, or its path.
    """

    host: Host
    program: str
    access: Access

    def version(self) -> str:
        """Return restic's release."""
        return Restic(self.host, self.program, self.access).version()

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return every snapshot."""
        return Restic(self.host, self.program, self.access).snapshots()

    def recorded(self, snapshot: Snapshot) -> tuple[Entry, ...] | Unlistable:
        """Return what a snapshot recorded, by path in its tree.

        Raises:
            ResticFailed: restic cannot say, and not because of damage.
        """
        call = commands.ls(self.program, self.access, snapshot.id)
        done = self.host.run(call)
        if done.status != 0:
            return _unlistable(failure(call, done), self._explained(snapshot, done))
        entries = parse_recorded(done.stdout)
        if not is_lossy(entries):
            return entries
        plain = replace(call, argv=tuple(word for word in call.argv if word != "--json"))
        return with_exact_names(entries, run(self.host, plain).stdout)

    def _explained(self, snapshot: Snapshot, done: Completed) -> Completed:
        """Return what restic says of a tree it cannot list, in words where it only crashed."""
        if _CRASH not in done.stderr:
            return done
        # restic 0.18.0 crashes where it walks over a damaged tree; a dry run of a restore does not.
        call = commands.restore(self.program, self.access, snapshot.id, "/nonexistent")
        return self.host.run(replace(call, argv=(*call.argv[:-2], "--dry-run", *call.argv[-2:])))

    def restore(self, snapshot: Snapshot, target: Path) -> Mapping[str, str]:
        """Restore a snapshot; return path in its tree -> why its content could not be restored.

        A shared lock is held meanwhile, so that a prune waits.

        Raises:
            NoSpace: the target's disk is full.
            ResticFailed: it could not be tried.
        """
        call = commands.restore(self.program, self.access, snapshot.id, str(target), lock=True)
        done = self.host.run(call)
        content, metadata = parse_failures(done)
        if _is_full(done) or (done.status != 0 and not content and not metadata):
            raise failure(call, done)
        return content


def _unlistable(error: CannotVerify, done: Completed) -> Unlistable:
    said = tuple(messages(done.stderr))
    found = [line for line in said if any(words in line for words in _DAMAGE)]
    if type(error) is not ResticFailed or not found:
        raise error
    return Unlistable(found[-1])


def _is_full(done: Completed) -> bool:
    return any(b"no space left on device" in said for said in (done.stdout, done.stderr))
