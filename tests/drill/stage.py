"""A stage for rehearsals: a real repository beside a live tree, by any release of restic."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.drill.ground import Ground
from verifier.core.finding import Finding
from verifier.drill.applications import Application
from verifier.drill.recorded import Record, Recorded, open_record
from verifier.drill.rehearse import Asked, Rehearsal, Rehearsed, rehearse, wanted
from verifier.drill.restore import Source
from verifier.drill.sample import Sample, choose_sample
from verifier.reader.repository import open_repository
from verifier.restic.commands import Access
from verifier.simulate.forge import cheapen

PASSWORD = "the password of every rehearsed repository"
HOST = "web1"


@dataclass(frozen=True)
class Stage(Ground):
    """A repository, a live tree, and scratch space."""

    password = PASSWORD

    @property
    def source(self) -> Source:
        """The repository as a rehearsal asks it."""
        access = Access(str(self.repository), password=PASSWORD, options=("--no-cache",))
        return Source(self.here, self.program, access)

    def backup(self, *paths: str, cwd: Path | None = None) -> None:
        """Back the live tree up, or the given paths."""
        wanted = paths or (str(self.live),)
        self.restic("backup", "-q", "--force", f"--host={HOST}", *wanted, cwd=cwd)

    def record(self) -> Record:
        """Return what the newest snapshot recorded."""
        repository = open_repository(self.repository, PASSWORD)
        newest = max(repository.snapshots(), key=lambda snapshot: snapshot.taken_at)
        return open_record(repository, newest)

    def recorded(self) -> tuple[Recorded, ...]:
        """Return every recorded path."""
        return tuple(self.record().paths({}))

    def sample(
        self,
        applications: Iterable[Application] = (),
        canaries: Mapping[str, str] | None = None,
        **options: int,
    ) -> Sample:
        """Choose from the newest snapshot; all of it where the options do not say less."""
        asked = Asked(HOST, tuple(applications), canaries or {})
        options = {"budget_bytes": 1 << 40, "seed": 1, **options}
        return choose_sample(self.record().paths({}), wanted(asked, **options))

    def rehearse(
        self,
        applications: tuple[Application, ...] = (),
        canaries: Mapping[str, str] | None = None,
        sample: Sample | None = None,
        record: Record | None = None,
    ) -> Rehearsed:
        """Rehearse the sample, or everything."""
        self.scratch.mkdir(exist_ok=True)
        rehearsal = Rehearsal(self.source, self.here, self.scratch, 1 << 40)
        asked = Asked(HOST, applications, canaries or {})
        chosen = sample or self.sample(applications, canaries)
        found = rehearse(rehearsal, record or self.record(), chosen, asked)

        assert list(self.scratch.iterdir()) == [], "a rehearsal leaves nothing behind"
        assert list((self.repository / "locks").iterdir()) == []

        return found

    def kinds(self, found: Rehearsed) -> dict[str, str]:
        """Return path below the live tree -> kind."""
        return {self.below(finding): finding.kind for finding in found.findings}

    def below(self, finding: Finding) -> str:
        """Return the path below the live tree that a finding is about."""
        return finding.subject.removeprefix(f"{HOST}:{self.live}/")


def new_stage(root: Path, program: str, template: Callable[[], Path] | None = None) -> Stage:
    """Make a stage with an empty repository, or a copy of one."""
    stage = Stage(root, program)
    if template is None:
        stage.restic("init")
        cheapen(stage.repository, PASSWORD)
    else:
        shutil.copytree(template(), stage.repository)
    stage.live.mkdir()
    return stage


def only(sample: Sample, *paths: str) -> Sample:
    """Return a sample of a few of its entries."""
    entries = tuple(one for one in sample.entries if one.entry.path in paths)
    return replace(
        sample,
        entries=entries,
        reasons={path: sample.reasons[path] for path in paths},
        whole=tuple(path for path in sample.whole if path in paths),
        size_bytes=sum(one.entry.size for one in entries if one.entry.type == "file"),
    )
