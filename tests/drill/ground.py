"""What a drill's tests stand on: a real repository beside a live tree, and damage to its packs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from verifier.core.host import Command, Host
from verifier.fleet.local import LocalHost


@dataclass(frozen=True)
class Ground:
    """A repository, a live tree, and scratch space, below one folder."""

    password: ClassVar[str]

    root: Path
    program: str
    here: Host = field(default_factory=LocalHost)

    @property
    def repository(self) -> Path:
        """Where the repository is."""
        return self.root / "repository"

    @property
    def live(self) -> Path:
        """Where the live files are."""
        return self.root / "live"

    @property
    def scratch(self) -> Path:
        """Where files are restored."""
        return self.root / "scratch"

    def restic(self, *arguments: str, cwd: Path | None = None) -> bytes:
        """Run restic and return what it prints."""
        argv = (self.program, "--no-cache", "-r", str(self.repository), *arguments)
        env = {"RESTIC_PASSWORD": self.password}
        done = self.here.run(Command(argv, env=env, cwd=str(cwd or "")))

        assert done.status == 0, done.stderr.decode(errors="replace")

        return done.stdout


def largest(folder: Path) -> Path:
    """Return the largest pack of a repository: it holds files."""
    return max(folder.glob("data/*/*"), key=lambda path: path.stat().st_size)


def flip(pack: Path) -> None:
    """Flip a bit of a pack."""
    content = bytearray(pack.read_bytes())
    content[200] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
