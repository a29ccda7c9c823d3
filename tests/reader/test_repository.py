"""What the reader reads is what the real restic says, in every kind of repository."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from verifier.core.errors import NoKeyOpens, RepositoryUnreadable
from verifier.core.snapshot import parse_snapshot
from verifier.core.tree import Node, permissions
from verifier.reader.damage import Damage
from verifier.reader.repository import Config, Repository, open_repository
from verifier.reader.tree import parse_instant_ns


def opened(made) -> Repository:
    return open_repository(made.root, made.password)


def by_host(repository: Repository, host: str):
    return next(s for s in repository.snapshots() if s.host == host)


def nodes_of(repository: Repository, host: str = "web1") -> dict[str, Node]:
    found = dict(repository.walk(by_host(repository, host)))

    assert not [node for node in found.values() if isinstance(node, Damage)]

    return found


def printable(name: str) -> str:
    """Return a name as restic's own JSON shows it: what is no UTF-8 becomes U+FFFD."""
    return os.fsencode(name).decode(errors="replace")


def test_config_is_what_restic_says(made):
    expected = json.loads(made.restic("cat", "config"))
    config = opened(made).config

    assert Config(expected["version"], expected["id"], expected["chunker_polynomial"]) == config


def test_snapshots_are_what_restic_says(made):
    stored = json.loads(made.restic("snapshots", "--json"))
    expected = {parse_snapshot(snapshot) for snapshot in stored}

    assert len(expected) == 2
    assert expected == set(opened(made).snapshots())


def test_every_node_is_what_restic_ls_says(made):
    repository = opened(made)
    for snapshot in repository.snapshots():
        _, *listed = made.restic.json_lines("ls", "--json", snapshot.id)
        found = [
            (printable(path), printable(n.name), n.type, n.uid, n.gid, n.size, n.mtime_ns)
            for path, n in repository.walk(snapshot)
        ]
        expected = [
            (
                *(e["path"], e["name"], e["type"], e["uid"], e["gid"], e.get("size", 0)),
                parse_instant_ns(e["mtime"]),
            )
            for e in listed
        ]

        assert sorted(expected) == sorted(found)


def test_nodes_carry_what_the_live_files_are(made):
    nodes = nodes_of(opened(made))
    for path, node in nodes.items():
        live = os.lstat(path)
        if not path.startswith(f"{made.source}/"):
            continue

        assert stat.S_IMODE(live.st_mode) == permissions(node.mode) or node.type == "symlink"
        assert (live.st_uid, live.st_gid) == (node.uid, node.gid)
        assert live.st_ino == node.inode
        if node.type == "file":
            assert live.st_mtime_ns == node.mtime_ns
            assert live.st_size == node.size
            assert live.st_nlink == node.links


def test_awkward_names_survive(made):
    names = {os.fsencode(Path(path).name) for path in nodes_of(opened(made))}
    live = {os.fsencode(path.name) for path in made.source.iterdir()}

    assert b"latin-\xe9\xff" in live
    assert live <= names


def test_link_targets_survive(made):
    nodes = nodes_of(opened(made))

    assert nodes[f"{made.source}/link"].linktarget == "text"
    # Older releases (0.14) have no linktarget_raw and store U+FFFD for what is no UTF-8.
    assert nodes[f"{made.source}/raw-link"].linktarget in (os.fsdecode(b"gone-\xfe"), "gone-\ufffd")


def test_every_file_reads_back_as_it_is_on_disk(made):
    repository = opened(made)
    checked = 0
    for path, node in nodes_of(repository).items():
        if node.type == "file":
            content = [repository.blob(blob_id) for blob_id in node.content]

            assert Path(path).read_bytes() == b"".join(content)

            checked += 1

    assert checked >= 9
    assert len(nodes_of(repository)[f"{made.source}/big"].content) > 1


def test_tree_blob_is_what_restic_cat_says(made):
    repository = opened(made)
    root = by_host(repository, "web2").tree

    assert made.restic("cat", "blob", root) == repository.blob(root)


def test_relative_backup_starts_at_its_base_name(made):
    assert "/web1/later" in nodes_of(opened(made), "web2")


def test_wrong_password_is_an_error(made):
    with pytest.raises(NoKeyOpens):
        open_repository(made.root, "wrong horse")


def test_folder_without_keys_is_an_error(tmp_path):
    with pytest.raises(RepositoryUnreadable, match="no restic repository"):
        open_repository(tmp_path, "any")


@pytest.mark.heavy  # restic measures the machine before it makes a key
def test_second_key_opens_as_well(tiny_copy, tmp_path):
    made = tiny_copy
    new = tmp_path / "new-password"
    new.write_text("another")
    made.restic("key", "add", "--new-password-file", str(new))

    assert open_repository(made.root, "another").snapshots() == opened(made).snapshots()


def test_unknown_blob_is_damage_of_the_index(made):
    absent = opened(made).blob("0" * 64)

    assert Damage("index", 0, "0" * 64, "lists no such blob") == absent


def test_superseded_index_still_counts_as_in_restic(copy_of, store_sealed):
    made = copy_of()
    first = next((made.root / "index").iterdir())
    store_sealed(made, "index", json.dumps({"supersedes": [first.name], "packs": []}).encode())

    assert not opened(made).damages()
    assert nodes_of(opened(made))
    made.restic("ls", opened(made).snapshots()[0].id)


def test_reading_changes_nothing(made):
    def listing():
        found = made.root.rglob("*")
        return {(path, path.stat().st_mtime_ns, path.stat().st_size) for path in found}

    before = listing()
    nodes_of(opened(made))

    assert before == listing()


def test_recorded_lengths_are_those_of_the_pieces(made):
    repository = open_repository(made.root, made.password)
    for _, node in repository.walk(repository.snapshots()[0]):
        assert isinstance(node, Node)
        lengths = repository.plain_lengths(node.content)

        assert [len(repository.blob(blob_id)) for blob_id in node.content] == lengths
        assert node.type != "file" or sum(lengths or ()) == node.size

    assert repository.plain_lengths([*node.content, "0" * 64]) is None
