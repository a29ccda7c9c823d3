"""The restore rehearsal: the real restic gives a sample back, and it is looked at closely.

Content and metadata are compared with what the snapshot recorded, canaries with what is known of
them, and applications are asked whether they can use what came back. What is measured on the way is
what a real recovery would take.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from verifier.core.align import Comparison, told
from verifier.core.entry import shown
from verifier.core.finding import Finding
from verifier.core.host import Host
from verifier.core.restored import compare_restored
from verifier.drill import holes
from verifier.drill.applications import Application, groups, judge
from verifier.drill.canaries import check_canaries
from verifier.drill.recorded import Record
from verifier.drill.restore import Source
from verifier.drill.restored import includes, look_at, tree_path, within
from verifier.drill.sample import Sample, Wanted
from verifier.drill.scratch import remove, require_space, rights
from verifier.drill.weigh import Weighed, weigh

LISTED = 20
"""How many refused files that nobody asked about are named."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """With what a rehearsal is done, and where.

    Attributes:
        here: this machine, where the checks of applications run.
        folder: a private one; what is restored is gone from it at the end.
        budget_bytes: how much room a sample may take there.
    """

    source: Source
    here: Host
    folder: Path
    budget_bytes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about one host's restored files.

    Attributes:
        canaries: path -> hex SHA-256 of the whole content.
    """

    host: str
    applications: tuple[Application, ...] = ()
    canaries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal has to say; paths are counted, and `section` is JSON-ready."""

    findings: tuple[Finding, ...]
    checked: int
    total: int
    skipped: Mapping[str, int]
    section: Mapping[str, object]


def wanted(asked: Asked, *, budget_bytes: int, seed: int) -> Wanted:
    """Return what to choose for what is asked: a git repository is of use only whole.

    Args:
        budget_bytes: how much of each host is restored.
    """
    own = [one for one in asked.applications if one.probe == "git"]
    return Wanted(
        budget_bytes=budget_bytes,
        seed=seed,
        canaries=frozenset(asked.canaries),
        applications=groups(asked.applications),
        whole=lambda path: path.endswith(".git") or any(one.matches(path) for one in own),
    )


def rehearse(rehearsal: Rehearsal, record: Record, sample: Sample, asked: Asked) -> Rehearsed:
    """Restore a sample of a snapshot and look at it.

    Args:
        sample: chosen from the record's paths.

    Raises:
        NoSpace: it does not fit the scratch space.
        ResticFailed, ToolMissing, CannotVerify: it could not be tried.
    """
    trial = _Trial(rehearsal, record, sample, asked)
    budget_bytes, count = rehearsal.budget_bytes, len(sample.entries)
    require_space(rehearsal.folder, sample.size_bytes, count, budget_bytes=budget_bytes)
    try:
        trial.restore()
        trial.look()
    finally:
        remove(trial.folder)
        remove(trial.work)
    return trial.end()


@dataclass(slots=True)
class _Trial:
    """One rehearsal while it goes on."""

    rehearsal: Rehearsal
    record: Record
    sample: Sample
    asked: Asked
    findings: list[Finding] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    duration_s: float = 0.0
    comparison: Comparison = field(default_factory=lambda: Comparison((), {}, {}))
    weighed: Weighed = field(default_factory=Weighed)
    _failures: Mapping[str, str] = field(default_factory=dict)
    _sparse: bool = False
    _version: str = ""

    @property
    def folder(self) -> Path:
        """Where the sample is restored."""
        return self.rehearsal.folder / "rehearsed"

    @property
    def work(self) -> Path:
        """What the checks of applications may use."""
        return self.rehearsal.folder / "checked"

    def restore(self) -> None:
        source = self.rehearsal.source
        self._version = source.version()
        self._sparse = holes.restored_by(self._version)
        begun_s = time.perf_counter()
        failures = source.restore(
            self.record.snapshot,
            self.folder,
            include=includes(self.sample, self.record.places),
            sparse=self._sparse,
        )
        self.duration_s = time.perf_counter() - begun_s
        live = self.record.places.live
        self._failures = {live(path) or path: why for path, why in failures.items()}

    def look(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.work.mkdir(mode=0o700)
        self.comparison = compare_restored(
            [one.entry for one in self.sample.entries],
            look_at(self.folder, self.record, self.sample),
            failures=self._failures,
            rights=rights(self.rehearsal.folder),
        )
        self.skipped.update(self.comparison.skipped)
        self.findings += told(self.comparison, self.asked.host)
        self.findings += self._unplaced()
        self._look_for_holes()
        self.findings += check_canaries(
            self.asked.canaries, self.sample, self._place, self.asked.host
        )
        self._ask_applications()

    def _place(self, path: str) -> Path:
        return self.folder / tree_path(self.record.places, path).lstrip("/")

    def _unplaced(self) -> Iterator[Finding]:
        """Yield what restic could not restore and the sample does not name: a damaged tree."""
        chosen = {one.entry.path for one in self.sample.entries}
        for path, why in self._failures.items():
            if path not in chosen:
                detail = f"restic could not restore it: {why}"
                yield Finding("lost", f"{self.asked.host}:{shown(path)}", detail)

    def _look_for_holes(self) -> None:
        sparse = [one for one in self.sample.entries if holes.zeros(one.content)]
        if sparse and not (self._sparse and holes.possible(self.rehearsal.folder)):
            self.skipped["holes: this restic or file system makes none"] += len(sparse)
            return
        for one in sparse:
            detail = holes.filled(self._place(one.entry.path), one)
            if detail:
                subject = f"{self.asked.host}:{shown(one.entry.path)}"
                self.findings.append(Finding("metadata", subject, detail))

    def _ask_applications(self) -> None:
        whole = self.sample.whole
        files = [
            (one.entry.path, self._place(one.entry.path))
            for one in self.sample.entries
            if one.entry.path in whole
            or (one.entry.type == "file" and not within(one.entry.path, whole))
        ]
        applications = self.asked.applications
        said = judge(files, applications, self.rehearsal.here, self.work)
        names = [one.name for one in applications]
        self.weighed = weigh(said, self.asked.host, tuple(self._unfaithful()), names)
        self.skipped.update(self.weighed.skipped)
        self.findings += self.weighed.findings

    def _unfaithful(self) -> Iterator[str]:
        named = zip(self.comparison.findings, self.comparison.places, strict=True)
        return (path for finding, path in named if finding.kind in ("lost", "could-not-verify"))

    def end(self) -> Rehearsed:
        if not self.sample.entries:
            detail = "nothing of its snapshot could be chosen for a rehearsal"
            self.findings.append(Finding("empty", self.asked.host, detail))
        for reason, count in self.sample.passed_over.items():
            self.skipped[f"restore sample: {reason}"] += count
        return Rehearsed(
            tuple(self.findings),
            self.comparison.checked,
            self.comparison.total,
            dict(sorted(self.skipped.items())),
            self._section(),
        )

    def _section(self) -> dict[str, object]:
        files = sum(one.entry.type == "file" for one in self.sample.entries)
        return {
            "host": self.asked.host,
            "snapshot": self.record.snapshot.id,
            "restic": self._version,
            "entries": len(self.sample.entries),
            "of_entries": self.sample.total,
            "files": files,
            "bytes": self.sample.size_bytes,
            "duration_s": round(self.duration_s, 3),
            "bytes_per_s": round(self.sample.size_bytes / max(self.duration_s, 0.001)),
            "reasons": dict(sorted(Counter(self.sample.reasons.values()).items())),
            "counts": dict(sorted(self.comparison.counts.items())),
            "applications": self.weighed.figures,
            "refused_as_backed_up": {
                "count": len(self.weighed.as_backed_up),
                "first": list(self.weighed.as_backed_up[:LISTED]),
            },
            "canaries": len(self.asked.canaries),
        }
