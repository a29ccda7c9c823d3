"""A real repository and a real copy of it, to be damaged, and to be compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from verifier.core.finding import Finding, Verdict
from verifier.core.host import Command
from verifier.core.snapshot import Snapshot
from verifier.drill.mirror import compare_mirror
from verifier.drill.offsite import Compared, compare_copy
from verifier.fleet.local import LocalHost
from verifier.reader.repository import Repository, open_repository
from verifier.reader.seal import NONCE_BYTES, seal
from verifier.reader.storage import Folder
from verifier.simulate.forge import cheapen, render_snapshot

PASSWORD, COPY_PASSWORD = "of the repository", "of the copy"
MAX_LAG = timedelta(hours=28)
NOW = datetime(2099, 1, 1, tzinfo=UTC)
"""Everything is older than it may lag then."""


@dataclass(frozen=True)
class Pair:
    """A repository in one folder, a copy or mirror in another, and a live tree."""

    root: Path
    program: str

    @property
    def primary(self) -> Path:
        return self.root / "primary"

    @property
    def copy(self) -> Path:
        return self.root / "copy"

    @property
    def live(self) -> Path:
        return self.root / "live"

    def restic(self, *arguments: str, at: Path | None = None, password: str = PASSWORD) -> None:
        """Run restic on the primary, or on another folder."""
        self._run(arguments, str(at or self.primary), {"RESTIC_PASSWORD": password})

    def make(self, version: str = "2") -> None:
        """Make the primary: web1 backed up thrice with growing content, db1 once."""
        self.restic("init", "--repository-version", version)
        cheapen(self.primary, PASSWORD)
        self.live.mkdir()
        for day in range(1, 4):
            self.backup("web1", day)
        self.backup("db1", 3)

    def backup(self, host: str, day: int) -> None:
        """Add a file, and back the live tree up as of a day of January 2026."""
        (self.live / f"{host}-{day}").write_bytes(f"{host} {day}".encode() * 9_000)
        at = f"2026-01-{day:02} 04:00:00"
        self.restic("backup", "-q", f"--host={host}", f"--time={at}", str(self.live))

    def make_copy(self, version: str = "2") -> None:
        """Make the copy, with a key and chunker parameters of its own, and fill it."""
        self.restic("init", "--repository-version", version, at=self.copy, password=COPY_PASSWORD)
        cheapen(self.copy, COPY_PASSWORD)
        self.fill()

    def fill(self) -> None:
        """Let restic copy what the copy lacks."""
        env = {
            "RESTIC_FROM_REPOSITORY": str(self.primary),
            "RESTIC_FROM_PASSWORD": PASSWORD,
            "RESTIC_PASSWORD": COPY_PASSWORD,
        }
        self._run(("copy", "-q"), str(self.copy), env)

    def sync(self) -> None:
        """Let rclone make the copy what the primary is, as `run-backups` does."""
        argv = ("rclone", "sync", "--exclude", "/locks/**", "--", str(self.primary), str(self.copy))
        done = LocalHost().run(Command(argv))

        assert done.status == 0, done.stderr

    def forget(self, snapshot: Snapshot, *, at: Path | None = None) -> None:
        """Remove a snapshot from the primary, or the one like it from the copy."""
        opened = open_repository(at, COPY_PASSWORD) if at else self.opened()
        name = (snapshot.host, snapshot.taken_at)
        like = next(s for s in opened.snapshots() if (s.host, s.taken_at) == name)
        ((at or self.primary) / "snapshots" / like.id).unlink()

    def opened(self) -> Repository:
        """Return the primary as the reader opens it."""
        return open_repository(self.primary, PASSWORD)

    def snapshots(self, host: str = "web1") -> list[Snapshot]:
        """Return a host's snapshots in the primary, oldest first."""
        return [s for s in self.opened().snapshots() if s.host == host]

    def compare_copy(self, now: datetime = NOW) -> Compared:
        """Compare the primary with what `restic copy` made."""
        copy = open_repository(self.copy, COPY_PASSWORD)
        return compare_copy(self.opened(), copy, now=now, max_lag=MAX_LAG)

    def compare_mirror(self, now: datetime = NOW) -> Compared:
        """Compare the primary with what `rclone sync` made."""
        return compare_mirror(self.opened(), Folder(self.copy), now=now, max_lag=MAX_LAG)

    def forge(self, snapshot: Snapshot, *, tree: str) -> None:
        """Put a snapshot of another tree into the copy in place of one like it."""
        self.forget(snapshot, at=self.copy)
        keys = open_repository(self.copy, COPY_PASSWORD).keys
        forged = replace(snapshot, tree=tree)
        stored = seal(render_snapshot(forged, tree), keys, os.urandom(NONCE_BYTES))
        (self.copy / "snapshots" / hashlib.sha256(stored).hexdigest()).write_bytes(stored)

    def files(self, kind: str) -> list[Path]:
        """Return the copy's files of one kind."""
        return sorted(path for path in (self.copy / kind).rglob("*") if path.is_file())

    def _run(self, arguments: Iterable[str], location: str, env: Mapping[str, str]) -> None:
        argv = (self.program, "--no-cache", "-r", location, *arguments)
        done = LocalHost().run(Command(argv, env=env))

        assert done.status == 0, done.stderr.decode(errors="replace")


def rewrite(path: Path, content: bytes) -> None:
    """Replace a file, whatever its mode, and other names that it has."""
    path.unlink()
    path.write_bytes(content)


def flip(path: Path, at: int = -40) -> None:
    """Alter one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    rewrite(path, bytes(content))


def kinds(found: Compared) -> list[tuple[str, str]]:
    """Return kind and subject of every finding."""
    return [(finding.kind, finding.subject) for finding in found.findings]


def bad(found: Compared) -> list[Finding]:
    """Return the findings above OK."""
    return [finding for finding in found.findings if finding.severity is not Verdict.OK]
