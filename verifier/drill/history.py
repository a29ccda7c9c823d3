"""What a repository knows of its snapshots beside their dates: when they were made, what changed.

Trees are read where a snapshot does not state its own figures (restic 0.17 and later write them),
and within a limit: what lies beyond it is counted as not looked at, and never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from verifier.core.snapshot import Snapshot
from verifier.drill.census import Census, Count
from verifier.drill.changes import differences
from verifier.drill.entropy import Compressibility
from verifier.drill.locks import read_document
from verifier.reader.damage import Flaw
from verifier.reader.repository import Repository
from verifier.retention.anomalies import Change
from verifier.retention.dating import Trace

PAIRS = 40
"""Neighbouring snapshots of one group that are compared: those of the last month, and before
them what they are held against."""

NODES_MAX = 2_000_000
"""Nodes read for one audit: half a minute's work, or a few hundred thousand files many times."""

READS_MAX = 2_000
"""Data blobs read for one audit, where the index does not tell how far they compress."""

READS_PER_CHANGE = 128


@dataclass(frozen=True, slots=True)
class Summary:
    """What a snapshot file says beyond what decisions rest on.

    Attributes:
        parent: ID of the snapshot that its backup was built on; empty where it names none.
        count: its own count of files and bytes; none where it states none.
    """

    parent: str = ""
    count: Count | None = None


class History:
    """One repository's snapshots, looked into; every file and tree is read once.

    Args:
        pairs: neighbouring snapshots of one group that are compared.

    Attributes:
        torn: ID of a snapshot -> why a tree of it could not be read, as far as it was looked at.
    """

    def __init__(self, repository: Repository, *, pairs: int = PAIRS) -> None:
        self._repository = repository
        self._pairs = pairs
        self.census = Census(repository, limit=NODES_MAX)
        self._compressibility = Compressibility(repository, reads=0)
        self._reads_left = READS_MAX
        self._summaries: dict[str, Summary] = {}
        self.torn: dict[str, str] = {}
        self.uncounted = 0
        self.uncompared = 0

    def parent(self, snapshot: Snapshot) -> str:
        """Return the ID of the snapshot that a backup was built on; empty where none is known."""
        return self._summary(snapshot).parent

    def traces(self, snapshots: Sequence[Snapshot]) -> Mapping[str, Trace]:
        """Return what contradicts a date, for each snapshot that does not say when it was made."""
        found: dict[str, Trace] = {}
        for snapshot in sorted(snapshots, key=lambda s: s.taken_at, reverse=True):
            if snapshot.made_at is None:
                count = self.census.of(snapshot.tree)
                self.uncounted += count is None
                changed_at = count.changed_at if count else None
                found[snapshot.id] = Trace(changed_at, self.parent(snapshot))
        return found

    def changes(self, snapshots: Sequence[Snapshot]) -> tuple[Change, ...]:
        """Return what changed between the newest neighbours of a group, oldest first.

        Args:
            snapshots: of one group, oldest first.
        """
        pairs = pairwise(snapshots[-self._pairs - 1 :])
        found = [self._change(before, after) for before, after in pairs]
        self.uncompared += sum(change is None for change in found)
        return tuple(change for change in found if change is not None)

    def _change(self, before: Snapshot, after: Snapshot) -> Change | None:
        counts = [self._summary(s).count for s in (before, after)]
        if None in counts:
            counts = [self.census.of(s.tree) for s in (before, after)]
        old, new = counts
        if old is None or new is None:
            return None
        reads = self._compressibility.reads_left = min(READS_PER_CHANGE, self._reads_left)
        found = differences(self._repository, before.tree, after.tree, self._compressibility)
        self._reads_left -= reads - self._compressibility.reads_left
        for snapshot, *flaws in zip(
            (before, after), (old.flaw, new.flaw), found.flaws, strict=True
        ):
            if any(flaws):
                self.torn.setdefault(snapshot.id, next(filter(None, flaws)))
        return Change(
            before,
            after,
            files_before=old.files,
            bytes_before=old.size_bytes,
            files_after=new.files,
            bytes_after=new.size_bytes,
            added=found.added,
            removed=found.removed,
            changed=found.changed,
            judged=found.judged,
            scrambled=found.scrambled,
            reversed=found.reversed,
            examples=found.examples,
            whole=found.whole and old.whole and new.whole,
            counted=old.whole and new.whole,
        )

    def _summary(self, snapshot: Snapshot) -> Summary:
        known = self._summaries.get(snapshot.id)
        if known is None:
            document = read_document(self._repository, f"snapshots/{snapshot.id}")
            known = Summary() if isinstance(document, Flaw) else parse_summary(document)
            self._summaries[snapshot.id] = known
        return known


def parse_summary(document: Mapping[str, Any]) -> Summary:
    """Parse what a snapshot file says of its parent and its own size; odd values are none."""
    parent, summary = document.get("parent"), document.get("summary")
    stated = summary if isinstance(summary, dict) else {}
    files, size_bytes = (stated.get(f"total_{unit}_processed") for unit in ("files", "bytes"))
    sound = type(files) is int and type(size_bytes) is int and min(files, size_bytes) >= 0
    count = Count(files, size_bytes) if sound else None  # type: ignore[arg-type]
    return Summary(parent if isinstance(parent, str) else "", count)
