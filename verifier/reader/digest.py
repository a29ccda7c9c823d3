"""One digest for a snapshot's whole tree, equal wherever two machines hold the same files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from verifier.core.errors import CannotVerify
from verifier.core.snapshot import Snapshot
from verifier.core.tree import Node
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository
from verifier.reader.walk import Nodes, fold


class Digests:
    """Digests of trees of one repository; a subtree that snapshots share is read once.

    Covered: name, type, mode, mtime, size, link target, device, extended attributes, content and
    everything below a directory. Left out, because it belongs to a machine and not to its data:
    inode, device ID, number of links, ctime, atime.

    Args:
        owners: cover uid, gid, user and group too.
    """

    def __init__(self, repository: Repository, *, owners: bool = False) -> None:
        self._repository = repository
        self._owners = owners
        self._known: dict[str, str | Damage] = {}

    def of(self, snapshot: Snapshot, below: str = "") -> str | Damage:
        """Return the digest of what lies below a directory of the snapshot, without its own node.

        Args:
            below: path of that directory in the tree (`/srv/data`); empty for the whole tree.

        Raises:
            CannotVerify: the snapshot holds no such directory.
        """
        tree_id = find_tree(self._repository, snapshot, below)
        if isinstance(tree_id, Damage):
            return tree_id
        return fold(self._repository.tree, tree_id, self._combine, self._known)

    def _combine(
        self, _: str, nodes: Nodes | Damage, below: Mapping[str, str | Damage]
    ) -> str | Damage:
        if isinstance(nodes, Damage):
            return nodes
        digest = hashlib.sha256()
        for node in sorted(nodes, key=lambda node: node.name):
            subtree = below[node.subtree] if node.subtree else ""
            if isinstance(subtree, Damage):
                return subtree
            digest.update(_line(node, subtree, self._owners))
        return digest.hexdigest()


def find_tree(repository: Repository, snapshot: Snapshot, path: str) -> str | Damage:
    """Return the ID of a directory's tree.

    Raises:
        CannotVerify: the snapshot holds no such directory.
    """
    tree_id = snapshot.tree
    for name in filter(None, path.split("/")):
        nodes = repository.tree(tree_id)
        if isinstance(nodes, Damage):
            return nodes
        tree_id = next((node.subtree for node in nodes if node.name == name), "")
        if not tree_id:
            raise CannotVerify(
                f"snapshot {snapshot.short_id}",
                f"holds no directory {path}",
                "name a directory as `restic ls` shows it",
            )
    return tree_id


def _line(node: Node, subtree: str, owners: bool) -> bytes:
    # JSON keeps neighbouring fields apart, and escapes what is no UTF-8 in one way only.
    fields: list[object] = [node.name, node.type, node.mode, node.mtime_ns, node.size]
    fields += [node.linktarget, node.device, node.content, subtree]
    fields.append(sorted((name, value.hex()) for name, value in node.extended_attributes))
    if owners:
        fields += [node.uid, node.gid, node.user, node.group]
    return json.dumps(fields, ensure_ascii=True).encode() + b"\n"
