"""Choose what of a snapshot is really restored: one pass over what it recorded, in little memory.

First the canaries, then what applications can judge, then the newest, the largest and one of each
special kind, and of the rest a uniform sample, drawn by a seeded hash of the path. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from verifier.core.entry import path_order
from verifier.drill.draw import Best, Unit, ticket
from verifier.drill.recorded import Recorded
from verifier.drill.special import kinds

ENTRIES = 1_000
"""How many entries are restored at most: restic tries each pattern on every name it passes."""

CANARY, NEWEST, LARGEST, DRAWN = "canary", "newest", "largest", "drawn"
"""Reasons; a special kind's is its own name, an application's begins with `application`."""

COMPANIONS = ("-wal", "-journal", "-shm")
"""What SQLite keeps beside a database, without which its newest rows are not in it."""

_KEPT = {NEWEST: 20, LARGEST: 5}
_PER_APPLICATION = 5
_PER_KIND = 2
_SHARES = {"application": 50, "special": 10, NEWEST: 10, LARGEST: 25, CANARY: 100, DRAWN: 100}
"""Percent of the budget that a reason may take: none of them leaves the others nothing."""

_LINKS = 4_096


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a sample is to hold, and how much.

    Attributes:
        canaries: paths that are taken whatever else is.
        applications: name -> which files, or directories taken whole, its probe can judge.
        whole: directories that are of use only with everything in them.
    """

    budget_bytes: int
    seed: int
    canaries: Collection[str] = frozenset()
    applications: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)
    whole: Callable[[str], bool] = lambda _: False
    entries: int = ENTRIES


@dataclass(frozen=True, slots=True)
class Sample:
    """What was chosen.

    Attributes:
        entries: in the order of their paths.
        reasons: path -> why it was chosen.
        whole: directories that were taken with everything beneath them.
        size_bytes: of the files among the entries.
        total: how many entries there were to choose from.
        absent: canaries that the snapshot does not hold.
        passed_over: why -> how many were not, besides those that were not drawn.
    """

    entries: tuple[Recorded, ...]
    reasons: Mapping[str, str]
    whole: tuple[str, ...]
    size_bytes: int
    total: int
    absent: tuple[str, ...]
    passed_over: Mapping[str, int]


def choose_sample(recorded: Iterable[Recorded], wanted: Wanted) -> Sample:
    """Choose from what a snapshot recorded, sorted by `path_order`.

    The same entries and seed give the same sample. Files larger than what is left of the budget are
    passed over, so the uniform part says nothing about the largest.
    """
    choice = _Choice(wanted, absent=set(wanted.canaries))
    for one in recorded:
        choice.look(one)
    return choice.end()


@dataclass(slots=True)
class _Choice:
    """What the pass remembers: of each reason the best few, and what is not complete yet."""

    wanted: Wanted
    total: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    best: dict[str, Best] = field(default_factory=dict)
    canaries: list[Unit] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    _before: Recorded | None = None
    _bases: list[Unit] = field(default_factory=list)
    _links: dict[tuple[int, int], Recorded] = field(default_factory=dict)
    _whole: Unit | None = None

    def look(self, one: Recorded) -> None:
        entry = one.entry
        self.total += 1
        self.absent.discard(entry.path)
        self._leaf(entry.path)
        self._gather(one)
        self._before = one if entry.type == "dir" else None
        if one.lost:
            self.passed_over["known to be lost"] += 1
        elif entry.type != "dir":
            self._offer(one)

    def _offer(self, one: Recorded) -> None:
        entry = one.entry
        draw = ticket(self.wanted.seed, entry.path)
        if self._accompanies(one):
            return
        unit = Unit([one])
        if entry.path in self.wanted.canaries:
            self.canaries.append(unit)
        for kind in kinds(one):
            self._keep(f"special: {kind}", draw, unit)
        self._pair(one, draw)
        if entry.type != "file":
            return
        self._bases.append(unit)
        for name, matches in self.wanted.applications.items():
            if matches(entry.path):
                self._keep(f"application: {name}", draw, unit)
        latest = max(entry.mtime_ns, entry.ctime_ns or entry.mtime_ns)
        self._keep(NEWEST, -latest, unit)
        if entry.size <= self._allowed(LARGEST):
            self._keep(LARGEST, -entry.size, unit)
        self._keep(DRAWN, draw, unit)

    def _accompanies(self, one: Recorded) -> bool:
        """Say whether a file belongs to the one it is named after, and give it to that one."""
        path = one.entry.path
        while self._bases and not path.startswith(self._bases[-1].path):
            self._bases.pop()
        for suffix in COMPANIONS if one.entry.type == "file" else ():
            for base in reversed(self._bases):
                if path == base.path + suffix:
                    base.members.append(one)
                    return path not in self.wanted.canaries
        return False

    def _pair(self, one: Recorded, draw: int) -> None:
        inode = one.entry.inode
        if inode is None:
            return
        first = self._links.pop(inode, None)
        if first is not None:
            self._keep("special: hard link", draw, Unit([first, one]))
        elif len(self._links) < _LINKS:
            self._links[inode] = one

    def _leaf(self, path: str) -> None:
        """Offer the directory before this path if nothing lies in it: none other comes alone."""
        before = self._before
        if before is None or before.lost or path.startswith(before.entry.path.rstrip("/") + "/"):
            return
        draw = ticket(self.wanted.seed, before.entry.path)
        for kind in ("empty directory", *kinds(before)):
            self._keep(f"special: {kind}", draw, Unit([before]))

    def _gather(self, one: Recorded) -> None:
        path = one.entry.path
        whole = self._whole
        if whole is not None and path.startswith(whole.path + "/"):
            fits = len(whole.members) * 2 < self.wanted.entries
            fits = fits and whole.size_bytes + one.entry.size <= self._allowed("application")
            if one.lost or not fits:
                whole.broken = True
                whole.members = whole.members[:1]
            if not whole.broken:
                whole.members.append(one)
            return
        self._judge_whole()
        if one.entry.type == "dir" and not one.lost and self.wanted.whole(path):
            self._whole = Unit([one], whole=True)

    def _judge_whole(self) -> None:
        unit, self._whole = self._whole, None
        if unit is None:
            return
        if unit.broken:
            self.passed_over["a directory of use only whole, too large or damaged"] += 1
            return
        for name, matches in self.wanted.applications.items():
            if matches(unit.path):
                draw = ticket(self.wanted.seed, unit.path)
                self._keep(f"application: {name}", draw, unit)

    def _keep(self, reason: str, rank: int, unit: Unit) -> None:
        best = self.best.get(reason)
        if best is None:
            best = self.best[reason] = Best(self._count(reason))
        best.offer(rank, unit)

    def _count(self, reason: str) -> int:
        if reason.startswith("application"):
            return _PER_APPLICATION
        if reason.startswith("special"):
            return _PER_KIND
        return _KEPT.get(reason, self.wanted.entries)

    def _allowed(self, reason: str) -> int:
        return self.wanted.budget_bytes * _SHARES[reason.partition(":")[0]] // 100

    def end(self) -> Sample:
        """Fill the budget, in the order of the reasons."""
        self._leaf("")
        self._judge_whole()
        taken: dict[str, tuple[Recorded, str]] = {}
        spent: Counter[str] = Counter()
        whole: list[str] = []
        larger: set[str] = set()
        for reason, unit in self._in_order():
            group = reason.partition(":")[0]
            new = [one for one in unit.members if one.entry.path not in taken]
            size_bytes = sum(one.entry.size for one in new if one.entry.type == "file")
            over = spent[group] + size_bytes > self._allowed(reason)
            if over or spent.total() + size_bytes > self.wanted.budget_bytes:
                larger.update(one.entry.path for one in new)
            elif len(taken) + len(new) <= self.wanted.entries:
                spent[group] += size_bytes
                taken.update((one.entry.path, (one, reason)) for one in new)
                whole += [unit.path] if unit.whole else []
        # What is too large for one reason's share may be chosen for the next reason.
        self.passed_over["larger than what was left of its budget"] += len(larger - taken.keys())
        paths = sorted(taken, key=path_order)
        return Sample(
            entries=tuple(taken[path][0] for path in paths),
            reasons={path: taken[path][1] for path in paths},
            whole=tuple(sorted(whole, key=path_order)),
            size_bytes=spent.total(),
            total=self.total,
            absent=tuple(sorted(self.absent, key=path_order)),
            passed_over={why: count for why, count in self.passed_over.items() if count},
        )

    def _in_order(self) -> Iterator[tuple[str, Unit]]:
        yield from ((CANARY, unit) for unit in self.canaries)
        named = sorted(name for name in self.best if ":" in name)
        for reason in (*named, NEWEST, LARGEST, DRAWN):
            if reason in self.best:
                yield from ((reason, unit) for unit in self.best[reason].units())
