"""The digest is equal on two machines with the same data, and differs for anything that matters."""

from __future__ import annotations

import dataclasses
import os
import shutil
from datetime import UTC, datetime

import pytest

from verifier.core.errors import CannotVerify
from verifier.core.snapshot import Snapshot
from verifier.core.tree import Node
from verifier.reader.damage import Damage
from verifier.reader.digest import Digests
from verifier.reader.repository import open_repository

FILE = Node(
    "a",
    "file",
    mode=0o644,
    mtime_ns=1,
    size=3,
    content=("c" * 64,),
    extended_attributes=(("user.a", b"1"),),
)


class Trees:
    """Stands in for a repository: trees by ID."""

    def __init__(self, **trees: tuple[Node, ...]) -> None:
        self.trees = trees

    def tree(self, tree_id: str) -> tuple[Node, ...] | Damage:
        return self.trees.get(tree_id, Damage("index", 0, tree_id, "lists no such blob"))


def digest_of(*nodes: Node, owners: bool = False) -> str | Damage:
    top = (Node("d", "dir", subtree="x"),)
    snapshot = Snapshot("s", datetime(2024, 1, 1, tzinfo=UTC), "h", (), tree="top")
    return Digests(Trees(top=top, x=nodes), owners=owners).of(snapshot)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "b"},
        {"type": "symlink"},
        {"mode": 0o600},
        {"mtime_ns": 2},
        {"size": 4},
        {"linktarget": "t"},
        {"device": 1},
        {"content": ("d" * 64,)},
        {"content": ()},
        {"extended_attributes": (("user.a", b"2"),)},
        {"extended_attributes": ()},
    ],
)
def test_digest_differs_with_what_belongs_to_the_data(changes):
    assert digest_of(FILE) != digest_of(dataclasses.replace(FILE, **changes))


@pytest.mark.parametrize(
    "changes", [{"inode": 9}, {"device_id": 9}, {"ctime_ns": 9}, {"atime_ns": 9}, {"links": 9}]
)
def test_digest_leaves_out_what_belongs_to_the_machine(changes):
    assert digest_of(FILE) == digest_of(dataclasses.replace(FILE, **changes))


@pytest.mark.parametrize("changes", [{"uid": 9}, {"gid": 9}, {"user": "u"}, {"group": "g"}])
def test_owners_count_where_asked_for(changes):
    other = dataclasses.replace(FILE, **changes)

    assert digest_of(FILE) == digest_of(other)
    assert digest_of(FILE, owners=True) != digest_of(other, owners=True)


def test_digest_of_a_damaged_tree_is_the_damage():
    assert isinstance(digest_of(Node("d", "dir", subtree="gone")), Damage)


def test_same_data_elsewhere_has_the_same_digest(tiny_copy, tmp_path):
    """Two folders with one content, backed up from two paths by two hosts; one then changes."""
    made = tiny_copy
    source, twin = tmp_path / "a" / "web1", tmp_path / "b" / "deeper" / "other"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_text("same")
    os.utime(source / "sub" / "file", ns=(1, 1_700_000_000_000_000_001))
    os.utime(source / "sub", ns=(1, 1_700_000_000_000_000_002))
    twin.parent.mkdir(parents=True)
    shutil.copytree(source, twin)
    made.restic("backup", "--host", "one", str(source))
    made.restic("backup", "--host", "two", str(twin))

    assert digest_at(made, "one", str(source)) == digest_at(made, "two", str(twin))
    assert digest_at(made, "one", "") != digest_at(made, "two", "")

    (twin / "sub" / "file").write_text("other")
    os.utime(twin / "sub" / "file", ns=(1, 1_700_000_000_000_000_001))
    made.restic("backup", "--host", "three", str(twin))

    assert digest_at(made, "one", str(source)) != digest_at(made, "three", str(twin))


def digest_at(made, host: str, below: str) -> str:
    repository = open_repository(made.root, made.password)
    snapshot = next(s for s in repository.snapshots() if s.host == host)
    digest = Digests(repository).of(snapshot, below)

    assert isinstance(digest, str)

    return digest


def test_directory_that_is_not_there_is_an_error(made_of):
    repository = open_repository(made_of("v2").root, made_of("v2").password)
    with pytest.raises(CannotVerify, match="holds no directory"):
        Digests(repository).of(repository.snapshots()[0], "/no/such")
