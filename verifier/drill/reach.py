"""Which blobs of a repository's snapshots its copy can produce, and which files are lost without.

The trees are read from the repository, which is near, each once however many snapshots share it;
of the copy only the index and the listing of packs are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from verifier.core.snapshot import Snapshot
from verifier.core.tree import Node
from verifier.reader.damage import Damage
from verifier.reader.marks import Marks
from verifier.reader.pack import Blob
from verifier.reader.repository import Repository
from verifier.reader.storage import file_id
from verifier.reader.walk import Nodes, fold

FILES_COUNTED = 100_000
"""Lost files of one snapshot that are counted: beyond it nobody asks for the exact number."""

FILES_NAMED = 20


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What of one snapshot the copy cannot produce.

    Attributes:
        paths: the first `FILES_NAMED`; a directory stands for all below it.
        count: how many there are, at most `FILES_COUNTED`.
    """

    snapshot: Snapshot
    paths: tuple[str, ...]
    count: int


def unusable_packs(repository: Repository) -> dict[str, int]:
    """Return the packs that lack something of what the index lists -> how many bytes are there.

    A listing tells; no pack is read, and none is asked for.
    """
    index, storage = repository.index, repository.storage
    absent = set(index.packs)
    unusable: dict[str, int] = {}
    for name, size_bytes in storage.sizes("data"):
        pack = file_id(name)
        if pack in absent and size_bytes < index.pack_bytes(pack):
            unusable[pack] = size_bytes
        absent.discard(pack)
    return {**unusable, **dict.fromkeys(absent, 0)}


class Reach:
    """What a copy can produce of its repository's trees.

    Args:
        unusable: packs that the copy's index lists -> how many bytes of them are there.

    Attributes:
        answers: every tree that was looked at -> whether the copy has it and all that is below.
        missed: blobs that the copy cannot produce, trees and data alike; none is answered by no.
    """

    def __init__(self, primary: Repository, copy: Repository, unusable: Mapping[str, int]) -> None:
        self._primary = primary
        self._copy = copy
        self.unusable = unusable
        self.answers = Marks(primary.index)
        self.missed = Marks(primary.index)

    def shortfall(self, snapshot: Snapshot) -> Shortfall | None:
        """Return what of a snapshot the copy cannot produce; none where it has everything."""
        if fold(self._read, snapshot.tree, self._combine, self.answers):
            return None
        lost = islice(self._lost(snapshot.tree), FILES_COUNTED)
        paths = tuple(islice(lost, FILES_NAMED))
        return Shortfall(snapshot, paths, len(paths) + sum(1 for _ in lost))

    def _read(self, tree_id: str) -> Nodes | Damage:
        nodes = self._primary.tree(tree_id)
        return self._copy.tree(tree_id) if isinstance(nodes, Damage) else nodes

    def _combine(self, tree_id: str, nodes: Nodes | Damage, below: Mapping[str, bool]) -> bool:
        whole = self._has(tree_id) and not isinstance(nodes, Damage)
        for node in () if isinstance(nodes, Damage) else nodes:
            # All are asked, so that every blob that is missed is known.
            whole = self._has_content(node) and whole
            whole = whole and not (node.subtree and not below[node.subtree])
        return whole

    def _has_content(self, node: Node) -> bool:
        return all([self._has(blob_id) for blob_id in node.content])

    def _has(self, blob_id: str) -> bool:
        index = self._copy.index
        if not self.unusable:
            found = blob_id in index
        else:
            found = any(map(self._is_there, index.find(blob_id)))
        if not found:
            self.missed[blob_id] = True
        return found

    def _is_there(self, blob: Blob) -> bool:
        size_bytes = self.unusable.get(blob.pack)
        return size_bytes is None or blob.offset + blob.length <= size_bytes

    def _lost(self, root: str) -> Iterator[str]:
        due = [("", root)]
        while due:
            path, tree_id = due.pop()
            nodes = self._read(tree_id)
            if tree_id in self.missed or isinstance(nodes, Damage):
                yield path or "/"
                continue
            for node in nodes:
                here = f"{path}/{node.name}"
                if any(blob_id in self.missed for blob_id in node.content):
                    yield here
                if node.subtree and not self.answers[node.subtree]:
                    due.append((here, node.subtree))
