"""The monthly drill: restore every host's newest snapshots, compare them with the live files.

One host that cannot be looked at is one finding, and the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from verifier.core.clock import Clock
from verifier.core.compare import Comparison, compare
from verifier.core.entry import Entry
from verifier.core.errors import CannotVerify
from verifier.core.exclude import Excludes
from verifier.core.finding import Finding
from verifier.core.host import Host
from verifier.core.report import Coverage
from verifier.core.snapshot import Snapshot
from verifier.drill.choose import choose
from verifier.drill.places import Places, find_places, uncovered
from verifier.drill.probe import Walk
from verifier.drill.restore import Source, Unlistable
from verifier.drill.scratch import remove, require_space, rights, scratch
from verifier.drill.sides import observe, parse_record, relocate


@dataclass(frozen=True, slots=True)
class Target:
    """A host whose backup is drilled.

    Attributes:
        name: as its snapshots say.
        host: where its live files are.
        python: the interpreter there.
        include: what is to be in its backup.
        source_root: where its live tree stands on that host.
        one_file_system: its backup keeps to the file systems that its paths are on.
        is_local: it is this machine, which holds the scratch folder too.
    """

    name: str
    host: Host
    python: str
    include: tuple[str, ...]
    excludes: Excludes
    source_root: str = "/"
    one_file_system: bool = False
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill has to say: the parts of a report."""

    findings: tuple[Finding, ...]
    coverage: Coverage
    measurements: Mapping[str, object]
    section: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Result:
    """One host's snapshot, drilled; without a comparison where it could not be."""

    findings: tuple[Finding, ...]
    comparison: Comparison = field(default_factory=lambda: Comparison((), {}, {}))
    entry: Mapping[str, object] = field(default_factory=dict)
    frozen_groups: int = 0


@dataclass(frozen=True, slots=True)
class Drill:
    """How the snapshots are drilled.

    Attributes:
        scratch: below this folder they are restored.
        budget_bytes: how much room one of them may take there.
    """

    source: Source
    clock: Clock
    scratch: Path
    budget_bytes: int

    def monthly(
        self, targets: Collection[Target], advance: Callable[[int], object] = lambda _: None
    ) -> Drilled:
        """Drill every host.

        Args:
            advance: told of every host that is done.

        Raises:
            CannotVerify: the snapshots cannot be listed, or there is no scratch folder.
        """
        results: list[_Result] = []
        with scratch(self.scratch) as folder:
            snapshots = self.source.snapshots()
            for target in targets:
                results += self._host(target, snapshots, folder)
                advance(1)
        return _summary(results, hosts=len(targets))

    def _host(
        self, target: Target, snapshots: Iterable[Snapshot], folder: Path
    ) -> Iterator[_Result]:
        choice = choose(snapshots, target.name)
        if not choice.snapshots:
            detail = "the repository holds no snapshot of this host"
            yield _Result((Finding("empty", target.name, detail),))
        held = [path for snapshot in choice.snapshots for path in snapshot.paths]
        further = uncovered(target.include, held)
        for snapshot in choice.snapshots:
            try:
                yield self._snapshot(target, snapshot, folder / "restored", further)
            except CannotVerify as error:
                yield _Result((_explain(error, target, snapshot),))
            # What should be in the backup and is in none is looked for once.
            further = ()
        if choice.frozen_groups:
            yield _Result((), frozen_groups=choice.frozen_groups)

    def _snapshot(
        self, target: Target, snapshot: Snapshot, restored: Path, further: tuple[str, ...]
    ) -> _Result:
        started_at = self.clock.now()
        tree = self.source.recorded(snapshot)
        if isinstance(tree, Unlistable):
            detail = f"the files of snapshot {snapshot.short_id} cannot be listed: {tree.message}"
            return _Result((Finding("lost", target.name, detail, {"snapshot": snapshot.id}),))
        places = find_places(
            snapshot.paths, {e.path for e in tree}, subject=f"snapshot {snapshot.short_id}"
        )
        recorded = relocate(tree, places)
        live = list(_live(target, (*places.roots, *further), places, leave_out=restored.parent))
        size_bytes = sum(entry.size for entry in tree if entry.type == "file")
        require_space(restored.parent, size_bytes, len(tree), budget_bytes=self.budget_bytes)
        try:
            failures = self.source.restore(snapshot, restored)
            comparison = compare(
                recorded,
                relocate(_restored(restored), places),
                live,
                taken_at=snapshot.made_at or snapshot.taken_at,
                excluded=lambda path: target.excludes.excluded(path, (*places.roots, *further)),
                failures={places.live(path) or path: why for path, why in failures.items()},
                rights=rights(restored.parent),
            )
        finally:
            remove(restored)
        seen = places.unrecorded | {entry.path for entry in (*recorded, *live)}
        own = (
            *_about(target, comparison.findings),
            *_unplaced(target, failures, tree),
            *_nothing(target, snapshot, recorded, seen, further),
        )
        seconds = (self.clock.now() - started_at).total_seconds()
        entry = _entry(target, snapshot, recorded, size_bytes, comparison, seconds)
        return _Result(own, comparison, entry)


def _live(
    target: Target, roots: tuple[str, ...], places: Places, *, leave_out: Path
) -> Iterator[Entry]:
    entries = observe(
        target.host,
        target.python,
        roots=roots,
        prefix=target.source_root,
        excludes=[(pattern.negated, pattern.regex) for pattern in target.excludes.patterns],
        leave_out=[str(leave_out)] if target.is_local else [],
        one_file_system=target.one_file_system,
    )
    return (entry for entry in entries if entry.path not in places.unrecorded)


def _restored(folder: Path) -> Iterator[Entry]:
    walk = Walk(prefix=str(folder), unlock=_unlock)
    return map(parse_record, walk.records(["/"]))


def _unlock(path: bytes) -> None:
    own = Path(path.decode(errors="surrogateescape"))
    own.chmod(own.stat().st_mode | 0o700)


def _about(target: Target, findings: Iterable[Finding]) -> Iterator[Finding]:
    return (replace(f, subject=f"{target.name}:{f.subject}") for f in findings)


def _unplaced(
    target: Target, failures: Mapping[str, str], tree: Iterable[Entry]
) -> Iterator[Finding]:
    """Yield what restic could not restore under a name that its listing does not have."""
    listed = {entry.path for entry in tree}
    for path, why in failures.items():
        if path not in listed:
            yield Finding("lost", f"{target.name}:{path}", f"restic could not restore it: {why}")


def _nothing(
    target: Target,
    snapshot: Snapshot,
    recorded: Iterable[Entry],
    seen: Collection[str],
    further: Collection[str],
) -> Iterator[Finding]:
    if not any(entry.type == "file" for entry in recorded):
        yield Finding("empty", target.name, f"snapshot {snapshot.short_id} holds no file")
    elsewhere = uncovered(target.include, (*snapshot.paths, *further))
    for path in target.include:
        if path not in seen and path not in elsewhere:
            detail = "is to be backed up, but is neither in the snapshot nor on the host"
            yield Finding("empty", f"{target.name}:{path}", detail)


def _entry(
    target: Target,
    snapshot: Snapshot,
    recorded: Iterable[Entry],
    size_bytes: int,
    comparison: Comparison,
    seconds: float,
) -> dict[str, object]:
    return {
        "host": target.name,
        "snapshot": snapshot.id,
        "taken": snapshot.taken_at.isoformat(),
        "files": sum(entry.type == "file" for entry in recorded),
        "bytes": size_bytes,
        "counts": dict(sorted(comparison.counts.items())),
        "duration_s": round(seconds, 2),
    }


def _explain(error: CannotVerify, target: Target, snapshot: Snapshot) -> Finding:
    evidence = {"error": type(error).__name__, "remedy": error.remedy, "snapshot": snapshot.id}
    about = "" if error.subject == target.name else f"{error.subject}: "
    return Finding("could-not-verify", target.name, f"{about}{error.message}", evidence)


def _summary(results: Collection[_Result], *, hosts: int) -> Drilled:
    skipped: Counter[str] = Counter()
    for result in results:
        skipped.update(result.comparison.skipped)
        skipped["snapshot groups that are current no more"] += result.frozen_groups
        for kind in ("excluded", "unreadable", "could-not-verify"):
            skipped[kind] += result.comparison.counts.get(kind, 0)
    entries = [result.entry for result in results if result.entry]
    checked = sum(result.comparison.checked for result in results)
    total = sum(result.comparison.total for result in results)
    return Drilled(
        findings=tuple(finding for result in results for finding in result.findings),
        coverage=Coverage("paths", checked, total, {k: n for k, n in skipped.items() if n}),
        measurements={
            "hosts": hosts,
            "snapshots": len(entries),
            "restored_files": sum(_number(entry["files"]) for entry in entries),
            "restored_bytes": sum(_number(entry["bytes"]) for entry in entries),
        },
        section={"hosts": entries},
    )


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
