"""What a snapshot recorded, read from its trees: entries by their paths on the host, in order.

Damage is part of it: a directory whose tree cannot be read is followed by nothing, and a file whose
blobs are gone is named with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from verifier.core.entry import Entry, content_digest, path_order
from verifier.core.errors import CannotVerify
from verifier.core.snapshot import Snapshot
from verifier.core.tree import Node, permissions
from verifier.drill.places import Places, covers, endings, find_in_tree, find_places
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository
from verifier.reader.walk import walk

Lost = Mapping[str, tuple[Damage, ...]]
"""Blob ID -> what took every copy of it."""

Step = tuple[str, Node | Damage]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded path.

    Attributes:
        content: the blob IDs of a file.
        lost: why the repository cannot produce it; empty where it can.
    """

    entry: Entry
    content: tuple[str, ...] = ()
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One snapshot's trees, and where its files live."""

    repository: Repository
    snapshot: Snapshot
    places: Places

    def paths(self, lost: Lost) -> Iterator[Recorded]:
        """Yield every path at and below the roots, sorted by its path on the host.

        Args:
            lost: what checking packs has shown so far.
        """
        for tree, live in _outermost(self.places, self.snapshot):
            yield from self._below(tree, live, lost)

    def at(self, path: str) -> Recorded | None:
        """Return what was recorded at a path on the host; none where nothing readable was."""
        tree = self.places.tree(path)
        node = find_node(self.repository, self.snapshot.tree, tree) if tree else None
        return self._recorded(path, node, {}) if isinstance(node, Node) else None

    def _below(self, tree: str, live: str, lost: Lost) -> Iterator[Recorded]:
        top = find_node(self.repository, self.snapshot.tree, tree)
        if not isinstance(top, Node) and tree != "/":
            why = str(top) if top else "the tree above it is damaged"
            yield Recorded(Entry(path=live, type="dir"), lost=why)
            return
        assert not isinstance(top, Damage), "the way to the top of a tree is not damaged"
        root_id = top.subtree if top else self.snapshot.tree
        steps: Iterator[Step] = walk(self._tree, root_id) if root_id else iter(())
        held = None if top is None else self._recorded(live, top, lost)
        for path, node in steps:
            if isinstance(node, Damage):
                # The walk has told the directory itself just before, but for the top of a tree.
                held = held or Recorded(Entry(path=live, type="dir"))
                held = replace(held, lost=str(node))
                continue
            if held is not None:
                yield held
            held = self._recorded(live.rstrip("/") + path, node, lost)
        if held is not None:
            yield held

    def _recorded(self, path: str, node: Node, lost: Lost) -> Recorded:
        taken = next((d for blob_id in node.content for d in lost.get(blob_id, ())), None)
        if taken is not None:
            return Recorded(parse_node(path, node), node.content, str(taken))
        index = self.repository.index
        unlisted = next((b for b in node.content if b not in index), None)
        why = "" if unlisted is None else f"no index lists its blob {unlisted[:8]}"
        return Recorded(parse_node(path, node), node.content, why)

    def _tree(self, tree_id: str) -> tuple[Node, ...] | Damage:
        """Return a tree's nodes by name: a writer may store them otherwise, and order counts."""
        nodes = self.repository.tree(tree_id)
        if isinstance(nodes, Damage):
            return nodes
        found = sorted(nodes, key=lambda node: path_order(node.name))
        if any(one.name == other.name for one, other in pairwise(found)):
            return Damage("data", 0, tree_id, "is a tree that lists one name twice")
        return tuple(found)


def open_record(repository: Repository, snapshot: Snapshot) -> Record:
    """Find where a snapshot's files live.

    Raises:
        CannotVerify: its paths do not say.
    """
    seen, damaged = _outline(repository, snapshot)
    if damaged:
        # What cannot be followed into the tree is told as lost, at the place where most of it is.
        pairs = ((find_in_tree(path, seen) or path, path) for path in snapshot.paths)
        return Record(repository, snapshot, Places(tuple(dict.fromkeys(pairs))))
    places = find_places(snapshot.paths, seen, subject=f"snapshot {snapshot.short_id}")
    return Record(repository, snapshot, places)


def _outline(repository: Repository, snapshot: Snapshot) -> tuple[Collection[str], bool]:
    """Return a tree's paths as far as its snapshot's paths lead into it, with their neighbours.

    Returns:
        The paths, and whether a tree on the way is damaged.
    """
    above = {
        ending[:at]
        for path in snapshot.paths
        for ending in endings(path)
        for at in range(1, len(ending))
        if ending[at] == "/"
    }
    seen: set[str] = set()
    damaged = False
    due = [("", snapshot.tree)]
    while due:
        path, tree_id = due.pop()
        nodes = repository.tree(tree_id)
        damaged = damaged or isinstance(nodes, Damage)
        for node in () if isinstance(nodes, Damage) else nodes:
            here = f"{path}/{node.name}"
            seen.add(here)
            if here in above and node.subtree:
                due.append((here, node.subtree))
    return seen, damaged


def find_node(repository: Repository, root: str, path: str) -> Node | Damage | None:
    """Return the node at a path below a tree; none where there is none."""
    found: Node | None = None
    tree_id = root
    for name in filter(None, path.split("/")):
        nodes = repository.tree(tree_id) if tree_id else ()
        if isinstance(nodes, Damage):
            return nodes
        found = next((node for node in nodes if node.name == name), None)
        if found is None:
            return None
        tree_id = found.subtree
    return found


def _outermost(places: Places, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    kept: list[tuple[str, str]] = []
    for tree, live in sorted(places.pairs, key=lambda pair: path_order(pair[1])):
        above = next((pair for pair in kept if covers(pair[1], live)), None)
        if above is None:
            kept.append((tree, live))
            yield tree, live
        elif tree.rstrip("/") != above[0].rstrip("/") + live[len(above[1].rstrip("/")) :].rstrip(
            "/"
        ):
            message = f"its tree holds {live} apart from {above[1]}, which holds it too"
            raise CannotVerify(
                f"snapshot {snapshot.short_id}", message, "give `restic backup` absolute paths"
            )


def parse_node(path: str, node: Node) -> Entry:
    """Return a node as the recorded side of a comparison."""
    linked = node.links > 1 and node.type != "dir"
    return Entry(
        path=path,
        type=node.type,
        size=node.size,
        permissions=permissions(node.mode),
        uid=node.uid,
        gid=node.gid,
        mtime_ns=node.mtime_ns,
        # A source without ctimes left Go's zero time, or the epoch.
        ctime_ns=node.ctime_ns if node.ctime_ns > 0 else None,
        linktarget=node.linktarget if node.type == "symlink" else None,
        sha256=content_digest(node.content) if node.type == "file" else None,
        device=node.device if node.type in ("dev", "chardev") else None,
        inode=(node.device_id, node.inode) if linked else None,
        attributes={name: value.hex() for name, value in node.extended_attributes},
    )
