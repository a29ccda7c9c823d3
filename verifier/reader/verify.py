"""The whole repository: what is damaged, which files of which snapshots are lost by it, and what
lies there that no snapshot needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice

from verifier.core.snapshot import Snapshot
from verifier.reader.contents import Wound, check_packs
from verifier.reader.damage import Damage
from verifier.reader.marks import Marks
from verifier.reader.repository import Repository
from verifier.reader.storage import file_id
from verifier.reader.walk import Nodes, fold

MAX_LISTED = 1_000_000
"""Lost files listed by one verification: beyond it a list helps nobody and fills the memory."""


@dataclass(frozen=True, slots=True)
class LostFile:
    """One path of one snapshot that cannot be restored; a directory stands for all below it."""

    snapshot: str
    path: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What a verification looked at, and what it saw.

    Attributes:
        blob_count: blobs whose content was read from a pack and checked; without `read_data` the
            tree blobs are read and counted in `tree_count` alone.
        read_bytes: read from packs, as stored.
        lost: what each damage takes; a damage that takes nothing is not in it.
        listed_all: whether `lost` is complete, or ended at `MAX_LISTED`.
    """

    snapshot_count: int
    tree_count: int
    pack_count: int
    blob_count: int
    read_bytes: int
    damages: tuple[Damage, ...]
    lost: Mapping[Damage, tuple[LostFile, ...]]
    listed_all: bool


def verify(
    repository: Repository, *, read_data: bool, executor: Executor | None = None
) -> VerifyResult:
    """Check all files, indexes, snapshots and trees, and that every blob they need is listed.

    Args:
        read_data: also read every pack from end to end.
        executor: for reading packs in parallel.
    """
    pack_count = blob_count = read_bytes = 0
    wounds: list[Wound] = []
    for check in check_packs(repository, executor, read_data=read_data):
        pack_count += 1
        blob_count += check.blob_count
        read_bytes += check.read_bytes
        wounds += check.wounds
    wounds.sort(key=lambda wound: (wound[0].file, wound[0].offset))
    seen = losses(repository, lost_blobs(repository, wounds), repository.snapshots())
    damages = [*repository.damages(), *(damage for damage, _ in wounds), *seen.damages]
    return VerifyResult(
        snapshot_count=len(repository.snapshots()),
        tree_count=seen.tree_count,
        pack_count=pack_count,
        blob_count=blob_count,
        read_bytes=read_bytes,
        damages=tuple(dict.fromkeys(damages)),
        lost={**_unreadable_snapshots(repository), **seen.lost},
        listed_all=seen.listed_all,
    )


@dataclass(frozen=True, slots=True)
class Losses:
    """What some snapshots lose.

    Attributes:
        lost: what each damage takes, in order of snapshots; what takes nothing is not in it.
        damages: met on the way: trees that cannot be read, blobs that no index lists.
        tree_count: trees that were read, each once however many snapshots share it.
        listed_all: whether `lost` is complete, or ended at `MAX_LISTED`.
    """

    lost: Mapping[Damage, tuple[LostFile, ...]]
    damages: tuple[Damage, ...]
    tree_count: int
    listed_all: bool


def losses(
    repository: Repository, lost: Mapping[str, tuple[Damage, ...]], snapshots: Iterable[Snapshot]
) -> Losses:
    """List the files of some snapshots that cannot be restored.

    Every tree of these snapshots is read, and every blob they need is looked up in the index.

    Args:
        lost: blob ID -> the damages that take it; see `lost_blobs`.
    """
    survey = _Survey(repository, dict(lost))
    every = ((s.id, *loss) for s in snapshots for loss in _losses(repository, survey, s))
    listed: dict[Damage, list[LostFile]] = {}
    for snapshot, damage, path in islice(every, MAX_LISTED):
        listed.setdefault(damage, []).append(LostFile(snapshot, path))
    listed_all = next(every, None) is None
    return Losses(
        lost={damage: tuple(files) for damage, files in listed.items()},
        damages=tuple(dict.fromkeys(survey.found)),
        tree_count=len(survey.answers),
        listed_all=listed_all,
    )


def lost_blobs(repository: Repository, wounds: Iterable[Wound]) -> dict[str, tuple[Damage, ...]]:
    """Return blob ID -> damages for the blobs of which every copy is damaged.

    Args:
        wounds: of all packs that were checked. A copy in a pack that was not counts as sound.
    """
    # Each wound names a blob once for every copy it takes.
    taken: dict[str, list[Damage]] = {}
    for damage, blob_ids in wounds:
        for blob_id in blob_ids:
            taken.setdefault(blob_id, []).append(damage)
    return {
        blob_id: tuple(dict.fromkeys(damages))
        for blob_id, damages in taken.items()
        if len(damages) >= len(repository.index.find(blob_id))
    }


def _unreadable_snapshots(repository: Repository) -> dict[Damage, tuple[LostFile, ...]]:
    damages = (d for d in repository.damages() if d.file.startswith("snapshots/"))
    return {damage: (LostFile(file_id(damage.file), "/"),) for damage in damages}


class _Survey:
    """Which trees have something lost below them. Read bottom-up, each tree once."""

    def __init__(self, repository: Repository, lost: dict[str, tuple[Damage, ...]]) -> None:
        self.repository = repository
        self.lost = lost
        self.found: list[Damage] = []
        self.answers = Marks(repository.index)
        # What a damaged index file listed is missed as blobs that no index lists.
        index = (d for d in repository.damages() if d.file.startswith("index/"))
        self._damaged_index = tuple(index)

    def wounded(self, snapshot: Snapshot) -> bool:
        """Tell whether anything of a snapshot is lost."""
        return fold(self._read, snapshot.tree, self._combine, self.answers)

    def _read(self, tree_id: str) -> Nodes | Damage:
        known = self.lost.get(tree_id)
        return known[0] if known else self.repository.tree(tree_id)

    def _combine(self, tree_id: str, nodes: Nodes | Damage, below: Mapping[str, bool]) -> bool:
        if isinstance(nodes, Damage):
            self._miss(tree_id, nodes)
            return True
        wounded = False
        for node in nodes:
            for blob_id in node.content:
                if blob_id not in self.lost and blob_id not in self.repository.index:
                    self._miss(blob_id, Damage("index", 0, blob_id, "lists no such blob"))
                wounded = wounded or blob_id in self.lost
            wounded = wounded or bool(node.subtree and below[node.subtree])
        return wounded

    def _miss(self, blob_id: str, damage: Damage) -> None:
        if blob_id in self.lost:
            return
        unlisted = blob_id not in self.repository.index
        self.lost[blob_id] = (self._damaged_index if unlisted else ()) or (damage,)
        self.found += self.lost[blob_id]


def _losses(
    repository: Repository, survey: _Survey, snapshot: Snapshot
) -> Iterator[tuple[Damage, str]]:
    if isinstance(repository.config, Damage):
        # restic restores nothing without it, however sound the data is.
        yield repository.config, "/"
    if not survey.wounded(snapshot):
        return
    due = [("", snapshot.tree)]
    while due:
        path, tree_id = due.pop()
        if tree_id in survey.lost:
            yield from ((damage, path or "/") for damage in survey.lost[tree_id])
            continue
        nodes = repository.tree(tree_id)
        for node in () if isinstance(nodes, Damage) else nodes:
            here = f"{path}/{node.name}"
            taken = [d for blob_id in node.content for d in survey.lost.get(blob_id, ())]
            yield from ((damage, here) for damage in dict.fromkeys(taken))
            if node.subtree and survey.answers[node.subtree]:
                due.append((here, node.subtree))
