"""A real repository beside a live tree: back up with the real restic, change things, drill."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drill.ground import Ground
from verifier.clock.system import SystemClock
from verifier.core.exclude import parse_excludes
from verifier.drill.integrity import Reading
from verifier.drill.ledger import open_ledger
from verifier.drill.monthly import Drill, Drilled, Further
from verifier.drill.restore import Source
from verifier.drill.target import Target
from verifier.reader.repository import Repository, open_repository
from verifier.restic.commands import Access

PASSWORD = "the password of every drilled repository"
HOST = "web1"


@dataclass(frozen=True)
class Lab(Ground):
    """A repository, a live tree, and scratch space."""

    password = PASSWORD

    @property
    def ledger(self) -> Path:
        """Where runs are written down."""
        return self.root / "ledger.sqlite"

    def write(self, **files: bytes) -> None:
        """Write files below the live tree; `__` in a name stands for `/`."""
        for name, content in files.items():
            path = self.live / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def backup(
        self, *paths: str, exclude: Iterable[str] = (), host: str = HOST, cwd: Path | None = None
    ) -> None:
        """Back the live tree up, or the given paths."""
        patterns = [f"--exclude={pattern}" for pattern in exclude]
        wanted = paths or (str(self.live),)
        self.restic("backup", "-q", "--force", f"--host={host}", *patterns, *wanted, cwd=cwd)

    def listed(self) -> list[Any]:
        """Return the nodes of the newest snapshot."""
        lines = map(json.loads, self.restic("ls", "--json", "latest").splitlines())
        return [line for line in lines if line["struct_type"] == "node"]

    @property
    def source(self) -> Source:
        """The repository as a drill asks it."""
        access = Access(str(self.repository), password=PASSWORD, options=("--no-cache",))
        return Source(self.here, self.program, access)

    def target(self, name: str = HOST, **options: Any) -> Target:
        """Return a host of this machine."""
        exclude = options.pop("exclude", ())
        values = {"host": self.here, "python": sys.executable, "is_local": True, **options}
        values.setdefault("include", (str(self.live),))
        return Target(name, excludes=parse_excludes(exclude), **values)

    def drill(
        self,
        *targets: Target,
        within: int = 1,
        budget_bytes: int | None = None,
        over: Callable[[], bool] = lambda: False,
        repository: Repository | None = None,
        scratch: Path | None = None,
        further: Sequence[Further] = (),
        **options: Any,
    ) -> Drilled:
        """Drill the targets, or the one host with these options, and finish the run."""
        clock = SystemClock()
        source = repository or self.open()
        folder = scratch or self.scratch
        with open_ledger(self.ledger) as ledger:
            run = ledger.begin(
                repository="lab", inputs="lab", seed=1, within=within, at=clock.now()
            )
            drill = Drill(source, run, clock, Reading(None, over), folder, budget_bytes)
            found = drill.monthly(targets or (self.target(**options),), further)
            run.finish(clock.now(), "OK", {})

        assert list(folder.glob("restic-verify-*")) == [], "a drill leaves nothing behind"
        assert list((self.repository / "locks").iterdir()) == []

        return found

    def kinds(self, found: Drilled) -> dict[str, str]:
        """Return path below the live tree -> kind, of everything that is listed."""
        before = f"{HOST}:{self.live}"
        own = (f for f in found.findings if f.subject.partition(":")[0] == HOST)
        return {f.subject.removeprefix(before) or "/": f.kind for f in own}

    def damages(self, found: Drilled) -> list[str]:
        """Return the kinds of what is said of the repository's own files."""
        return [f.kind for f in found.findings if f.subject.partition(":")[0] != HOST]

    def open(self, password: str = PASSWORD) -> Repository:
        """Open the repository without restic."""
        return open_repository(self.repository, password)


def counts(found: Drilled) -> dict[str, int]:
    """Return kind -> paths, of all snapshots."""
    total: dict[str, int] = {}
    for entry in found.section["hosts"]:  # type: ignore[attr-defined]
        for kind, count in entry["counts"].items():
            total[kind] = total.get(kind, 0) + count
    return total
