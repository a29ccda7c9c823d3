"""One host's backup against its live files: what is asked of the host, and what comes of it.

Asking and judging are apart: hosts are asked while the packs are read, and judged when it is known
which blobs are lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from verifier.core.align import Comparison, told
from verifier.core.compare import LEFT, compare
from verifier.core.entry import Entry
from verifier.core.finding import Finding
from verifier.drill.ledger import Run, file_key
from verifier.drill.live import Excluded
from verifier.drill.places import covers
from verifier.drill.presence import Presence
from verifier.drill.recorded import Lost, Record, Recorded
from verifier.drill.rotation import Cut, Rotation, Survey, Tally
from verifier.drill.settle import settle
from verifier.drill.target import Target

_TOGETHER = 10_000
"""Files written to the ledger at once."""


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one host in one run: which of them are read, and what of that is written down.

    Attributes:
        budget_bytes: how much of the live files may be read.
        canaries: paths that are read in every run.
    """

    run: Run
    host: str
    budget_bytes: int | None
    canaries: Collection[str] = frozenset()
    tally: Tally = field(default_factory=Tally)
    doubted: set[bytes] = field(default_factory=set)
    _waiting: dict[bytes, int] = field(default_factory=dict)

    @property
    def rotation(self) -> Rotation:
        """What is promised, and where it stands for this host."""
        return Rotation(
            self.run.file_round(self.host), self.run.within, self.run.seed, self.budget_bytes
        )

    def cut(self, records: Iterable[Record]) -> Cut | None:
        """Decide which files are read; none stands for all of them."""
        rotation = self.rotation
        if rotation.within == 1 and rotation.budget_bytes is None:
            return None
        survey, last, always = Survey(rotation), self.run.files(self.host), self.always()
        for recorded in _files(records):
            key = file_key_of(recorded.entry)
            survey.add(last(key), key, recorded.entry.size, always=always(recorded.entry))
        return survey.cut()

    def always(self) -> Callable[[Entry], bool]:
        """Return what says that a file is read in every run: canaries, and what was found bad."""
        doubted = self.run.doubted_files(self.host)
        return lambda entry: entry.path in self.canaries or file_key_of(entry) in doubted

    def prove(self, key: bytes, size_bytes: int) -> None:
        """Write down, in batches, that a file is the same on both sides; see `file_key_of`."""
        self._waiting[key] = size_bytes
        if len(self._waiting) >= _TOGETHER:
            self._flush()

    @property
    def proven_bytes(self) -> int:
        """How much content is known in this round to be the same on both sides."""
        return self.tally.held().get(self.rotation.round, (0, 0))[1]

    def keep(self, *, whole: bool) -> None:
        """Write down what was found.

        Args:
            whole: everything that was chosen has been looked at, so that the round ends.
        """
        self._flush()
        self.run.doubt_files(self.host, self.doubted)
        if whole:
            self.run.hold_files(self.host, self.tally.held())

    def _flush(self) -> None:
        self.run.prove_files(self.host, self._waiting.items())
        self._waiting.clear()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a host showed of one snapshot's files.

    Attributes:
        further: paths that are to be in the backup and lie in no snapshot.
        excluded: (number of a pattern, include it lies in) -> files and bytes that are left out, as
            far as the entries were read.
    """

    record: Record
    live: Iterator[Entry]
    further: tuple[str, ...]
    excluded: dict[tuple[int, str], tuple[int, int]]


def ask(
    target: Target,
    record: Record,
    further: tuple[str, ...],
    cut: Cut | None,
    files: Files,
    folder: Path,
) -> Asked:
    """Look at a host's live files.

    Raises:
        CannotVerify: the host cannot be looked at.
    """
    excluded: dict[tuple[int, str], tuple[int, int]] = {}

    def count(left_out: Excluded) -> None:
        above = [path for path in target.include if covers(path, left_out.path)]
        key = left_out.pattern, max(above, key=len, default="/")
        known = excluded.get(key, (0, 0))
        excluded[key] = (known[0] + left_out.files, known[1] + left_out.size_bytes)

    wanted = _wanted(record, cut, files)
    live = target.observe((*record.places.roots, *further), wanted, folder, count)
    return Asked(record, live, further, excluded)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one snapshot.

    Attributes:
        comparison: with subjects that begin with the host's name.
        files, size_bytes: regular files in the snapshot, and their content.
    """

    comparison: Comparison
    findings: tuple[Finding, ...]
    files: int
    size_bytes: int


def judge(target: Target, asked: Asked, lost: Lost, files: Files, folder: Path) -> Judged:
    """Compare what a snapshot recorded with what its host showed.

    Raises:
        CannotVerify: a suspect could not be asked about again.
    """
    record = asked.record
    seen = Presence(target.name, target.include, record)
    gone: dict[str, str] = {}
    last, now = files.run.files(files.host), files.rotation.round
    # Of the file that was read last: `compare` tells that it is proven before it reads the next.
    counted: dict[str, tuple[bytes, int]] = {}

    def recorded() -> Iterator[Entry]:
        for path in record.paths(lost):
            seen.recorded(path.entry)
            if path.lost:
                gone[path.entry.path] = path.lost
            if path.entry.type == "file":
                key = file_key_of(path.entry)
                proven_in = last(key)
                files.tally.add(proven_in, path.entry.size)
                counted.clear()
                counted[path.entry.path] = key, proven_in
            yield path.entry

    def proven(entry: Entry) -> None:
        key, proven_in = counted[entry.path]
        files.tally.prove(proven_in, now, entry.size)
        files.prove(key, entry.size)

    roots = (*record.places.roots, *asked.further)
    comparison = compare(
        recorded(),
        seen.live(entry for entry in asked.live if entry.path not in record.places.unrecorded),
        taken_at=record.snapshot.made_at or record.snapshot.taken_at,
        excluded=lambda path: target.excludes.excluded(path, roots),
        lost=gone,
        proven=proven,
    )
    comparison, settled = settle(comparison, record, target, folder)
    for path, finding in zip(comparison.places, comparison.findings, strict=True):
        bad = record.at(path) if finding.kind == "corrupted" else None
        if bad is not None:
            files.doubted.add(file_key_of(bad.entry))
    own = (
        *told(comparison, target.name),
        *settled,
        *seen.findings(asked.further, gone),
    )
    return Judged(comparison, own, seen.files, seen.size_bytes)


def left(comparison: Comparison) -> int:
    """Return how many files' contents were left to another run."""
    return comparison.skipped.get(LEFT, 0)


def totals(comparisons: Iterable[Comparison]) -> tuple[int, int, Mapping[str, int]]:
    """Return how many paths were looked at, how many there are, and what was skipped."""
    skipped: Counter[str] = Counter()
    checked = total = 0
    for comparison in comparisons:
        skipped.update(comparison.skipped)
        for kind in ("excluded", "unreadable", "could-not-verify"):
            skipped[kind] += comparison.counts.get(kind, 0)
        checked += comparison.checked
        total += comparison.total + left(comparison)
    return checked, total, {why: count for why, count in skipped.items() if count}


def _files(records: Iterable[Record]) -> Iterator[Recorded]:
    return (path for record in records for path in record.paths({}) if path.entry.type == "file")


def _wanted(record: Record, cut: Cut | None, files: Files) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield the files to be read with the lengths of their pieces; what no index lists is lost."""
    last, always = files.run.files(files.host), files.always()
    for recorded in _files([record]):
        entry = recorded.entry
        if cut is not None:
            key = file_key_of(entry)
            if not cut.chooses(last(key), key, entry.size, always=always(entry)):
                continue
        lengths = record.repository.plain_lengths(recorded.content)
        if lengths is not None:
            yield entry.path, lengths


def file_key_of(entry: Entry) -> bytes:
    """Return what a recorded file goes by in the ledger."""
    return file_key(entry.path, entry.sha256 or "")
