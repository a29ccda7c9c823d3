"""What each include of a host matched in its newest snapshots, and what each exclude took away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.drill.census import Census, Count
from verifier.drill.choose import choose
from verifier.drill.places import covers
from verifier.reader.damage import Damage

LEFT_OUT_MIN = 10
"""An exclude that takes fewer files is not worth a word, however few there are."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """What one exclude rule left out at one place, as the probe on the host counted it.

    Attributes:
        pattern: as the configuration has it.
        path: the topmost file or directory that it matched.
    """

    pattern: str
    path: str
    files: int
    size_bytes: int


class Includes:
    """The includes of one host in its newest snapshots.

    Args:
        snapshots: of all hosts.
    """

    def __init__(self, snapshots: Iterable[Snapshot], host: str, census: Census) -> None:
        self.host = host
        self._newest = choose(snapshots, host).snapshots
        self._census = census

    def check(self, includes: Sequence[str]) -> Iterator[Finding]:
        """Yield a finding for each include of which the newest snapshot holds no file."""
        for include in includes if self._newest else ():
            if not any(self._matches(snapshot, include) for snapshot in self._newest):
                detail = "is to be backed up, and the newest snapshot holds no file of it"
                evidence = {"snapshots": [snapshot.id for snapshot in self._newest]}
                yield Finding("empty", f"{self.host}:{include}", detail, evidence)

    def check_excludes(
        self, includes: Sequence[str], effects: Iterable[Excluded], percent: int
    ) -> Iterator[Finding]:
        """Yield a finding for each exclude that takes over `percent` of an include."""
        taken: dict[tuple[str, str], Count] = {}
        for effect in effects:
            above = [include for include in includes if covers(include, effect.path)]
            key = (effect.pattern, max(above, key=len, default="/"))
            so_far = taken.get(key, Count())
            taken[key] = Count(so_far.files + effect.files, so_far.size_bytes + effect.size_bytes)
        for (pattern, include), gone in taken.items():
            held = self._held(include)
            if held is not None and gone.files >= LEFT_OUT_MIN:
                yield from self._over(pattern, include, gone, held, percent)

    def _over(
        self, pattern: str, include: str, gone: Count, held: Count, percent: int
    ) -> Iterator[Finding]:
        for unit, out, kept in (
            ("files", gone.files, held.files),
            ("bytes", gone.size_bytes, held.size_bytes),
        ):
            if out * 100 > percent * (out + kept):
                detail = (
                    f"the exclude {pattern} leaves out {out} of {out + kept} {unit}, "
                    f"over {percent} %"
                )
                evidence = {"pattern": pattern, f"excluded_{unit}": out, f"kept_{unit}": kept}
                yield Finding("over-excluded", f"{self.host}:{include}", detail, evidence)
                return

    def _matches(self, snapshot: Snapshot, include: str) -> bool:
        if any(path != include and covers(include, path) for path in snapshot.paths):
            return True
        tree = self._tree(snapshot, include)
        return tree is None or self._census.holds_file(tree)

    def _held(self, include: str) -> Count | None:
        files = size_bytes = 0
        for snapshot in self._newest:
            tree = self._tree(snapshot, include)
            count = self._census.of(tree) if tree else Count()
            if count is None or not count.whole:
                return None
            files, size_bytes = files + count.files, size_bytes + count.size_bytes
        return Count(files, size_bytes)

    def _tree(self, snapshot: Snapshot, include: str) -> str | None:
        """Return the ID of an include's tree: empty where there is none, none where it is a file.

        A backup of a relative path holds it under its last names; one of `.` under none at all.
        """
        if not any(covers(path, include) for path in snapshot.paths):
            return ""
        parts = [part for part in include.split("/") if part]
        absolute = any(self._census.find(snapshot.tree, path) for path in snapshot.paths)
        for first in range(1 if absolute else len(parts)):
            node = self._census.find(snapshot.tree, "/".join(parts[first:]))
            if isinstance(node, Damage):
                # Whoever asks about this tree is told that it cannot be read.
                return node.blob
            if node is not None:
                return node.subtree or None
        return snapshot.tree if snapshot.paths == (include,) else ""
