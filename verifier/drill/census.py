"""What whole trees hold: files, bytes, and the newest change time; a shared tree is read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from verifier.core.tree import Node
from verifier.drill.recorded import find_node
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository
from verifier.reader.walk import Nodes, fold

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS = 253_402_300_799 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Count:
    """What lies below a directory.

    Attributes:
        changed_ns: the newest ctime of anything there, since 1970; 0 where there is none.
        flaw: why a tree below could not be read; empty where every one could.
    """

    files: int = 0
    size_bytes: int = 0
    changed_ns: int = 0
    flaw: str = ""

    @property
    def whole(self) -> bool:
        """Whether every tree below could be read."""
        return not self.flaw

    @property
    def changed_at(self) -> datetime | None:
        """The newest change time as an instant."""
        if not 0 < self.changed_ns < _LATEST_NS:
            return None
        return _EPOCH + timedelta(microseconds=self.changed_ns // 1_000)


class Census:
    """Counts trees of one repository.

    Args:
        limit: nodes read in all; beyond it counts are none, and nothing is guessed.
    """

    def __init__(self, repository: Repository, *, limit: int) -> None:
        self._repository = repository
        self._left = limit
        self._known: dict[str, Count] = {}

    def of(self, tree_id: str) -> Count | None:
        """Return what a tree holds; none where the limit was reached below it."""
        count = fold(self._read, tree_id, self._combine, self._known)
        if self._left > 0 or count.whole:
            return count
        return None

    def _read(self, tree_id: str) -> Nodes | Damage:
        if self._left <= 0:
            return Damage("", 0, tree_id, "was not read, the limit was reached")
        nodes = self._repository.tree(tree_id)
        self._left -= 1 if isinstance(nodes, Damage) else len(nodes) + 1
        return nodes

    def _combine(self, _: str, nodes: Nodes | Damage, below: Mapping[str, Count]) -> Count:
        if isinstance(nodes, Damage):
            return Count(flaw=str(nodes))
        files, size_bytes, changed_ns, flaw = 0, 0, 0, ""
        for node in nodes:
            files += node.type == "file"
            size_bytes += node.size if node.type == "file" else 0
            changed_ns = max(changed_ns, node.ctime_ns)
            if node.subtree:
                inner = below[node.subtree]
                files += inner.files
                size_bytes += inner.size_bytes
                changed_ns = max(changed_ns, inner.changed_ns)
                flaw = flaw or inner.flaw
        return Count(files, size_bytes, changed_ns, flaw)

    def find(self, root: str, path: str) -> Node | Damage | None:
        """Return the node at a path of a tree, none where there is none; or what is in the way."""
        return find_node(self._repository, root, path)

    def holds_file(self, tree_id: str) -> bool:
        """Tell whether anything but directories lies below; what cannot be read may be something.

        Reads no further than to the first one.
        """
        due, seen = [tree_id], {tree_id, ""}
        while due:
            nodes = self._repository.tree(tree_id) if (tree_id := due.pop()) else ()
            if isinstance(nodes, Damage) or any(not node.subtree for node in nodes):
                return True
            due += [node.subtree for node in nodes if node.subtree not in seen]
            seen.update(due)
        return False
