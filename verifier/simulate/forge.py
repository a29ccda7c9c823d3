"""Test repositories at low cost: a cheap key, and snapshot files written without a backup.

For repositories that a simulation made itself, only. A repository with a cheap key protects
nothing: whoever has the folder guesses its password at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import tempfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from verifier.core.errors import CannotVerify, ResticFailed
from verifier.core.host import Command, Host
from verifier.core.snapshot import Snapshot
from verifier.reader.damage import Damage
from verifier.reader.keys import derive
from verifier.reader.pack import TREE
from verifier.reader.repository import Repository, open_repository
from verifier.reader.seal import NONCE_BYTES, Keys, seal

CHEAP_N, CHEAP_R, CHEAP_P = 2, 8, 1
"""The least work that restic's scrypt accepts: a call takes 0.03 s in place of 0.6 s."""

_SALT_BYTES = 64
_KEY_MADE_AT = "2000-01-01T00:00:00Z"
_USER = "restic-verify"


def make_repository(
    folder: Path, password: str, host: Host, restic: str, *, version: int | None = None
) -> None:
    """Make a repository with a cheap key and one small tree, and no snapshot.

    Args:
        restic: path of the program on that host.
        version: of the repository, from restic 0.14 on; where none is given, restic decides.

    Raises:
        ResticFailed: restic could not make it.
    """
    format_ = () if version is None else (f"--repository-version={version}",)
    _ask(host, password, (restic, "--no-cache", "-r", str(folder), "init", *format_))
    cheapen(folder, password)
    with tempfile.TemporaryDirectory() as source:
        Path(source, "file").write_text("forged snapshots share this tree\n")
        _ask(host, password, (restic, "--no-cache", "-r", str(folder), "backup", source))
    Forge(folder, password).replace_all(())


def _ask(host: Host, password: str, argv: tuple[str, ...]) -> None:
    command = Command(argv, env={"RESTIC_PASSWORD": password}, secrets=(password,))
    done = host.run(command)
    if done.status != 0:
        raise ResticFailed(
            str(command), done.status, done.last_lines(), "run the command by hand to see why"
        )


def cheapen(repository: Path, password: str) -> None:
    """Replace the keys of a repository by one that costs nothing to open, same master key.

    Raises:
        NoKeyOpens: no key of the repository opens with that password.
    """
    keys = open_repository(repository, password).keys
    stored = _render_key_file(keys, password)
    name = hashlib.sha256(stored).hexdigest()
    _write(repository / "keys" / name, stored)
    for old in (repository / "keys").iterdir():
        if old.name != name:
            old.unlink()


def _render_key_file(keys: Keys, password: str) -> bytes:
    salt = secrets.token_bytes(_SALT_BYTES)
    mac = {"k": _base64(keys.mac_k), "r": _base64(keys.mac_r)}
    master = json.dumps({"mac": mac, "encrypt": _base64(keys.encrypt)}).encode()
    derived = derive(password, CHEAP_N, CHEAP_R, CHEAP_P, salt)
    file = {
        "created": _KEY_MADE_AT,
        "username": _USER,
        "hostname": _USER,
        "kdf": "scrypt",
        "N": CHEAP_N,
        "r": CHEAP_R,
        "p": CHEAP_P,
        "salt": _base64(salt),
        "data": _base64(seal(master, derived, secrets.token_bytes(NONCE_BYTES))),
    }
    return json.dumps(file).encode()


class Forge:
    """Writes snapshot files into a repository that holds a tree already.

    Args:
        repository: its folder.

    Raises:
        NoKeyOpens: no key of the repository opens with that password.
        CannotVerify: the repository holds no tree.
    """

    def __init__(self, repository: Path, password: str) -> None:
        opened = open_repository(repository, password)
        self._keys = opened.keys
        self._folder = repository / "snapshots"
        self._tree = _root_tree(opened)

    def write(self, snapshots: Iterable[Snapshot]) -> dict[str, str]:
        """Write one snapshot file for each, and return their IDs -> the new files' IDs.

        Time with its offset, host, paths, tags and `made_at` are written as they are; the tree is
        the repository's one. Restic keeps no two files apart that say the same, this does: each
        is sealed under its own nonce.
        """
        return {snapshot.id: self._write_one(snapshot) for snapshot in snapshots}

    def remove(self, file_ids: Iterable[str]) -> None:
        """Remove snapshot files by the IDs that `write` returned."""
        for file_id in file_ids:
            (self._folder / file_id).unlink()

    def replace_all(self, snapshots: Iterable[Snapshot]) -> dict[str, str]:
        """Remove every snapshot file, then write these."""
        self.remove(file.name for file in tuple(self._folder.iterdir()))
        return self.write(snapshots)

    def _write_one(self, snapshot: Snapshot) -> str:
        message = render_snapshot(snapshot, self._tree)
        stored = seal(message, self._keys, secrets.token_bytes(NONCE_BYTES))
        file_id = hashlib.sha256(stored).hexdigest()
        _write(self._folder / file_id, stored)
        return file_id


def render_snapshot(snapshot: Snapshot, tree: str) -> bytes:
    """Return the JSON that restic stores for a snapshot."""
    stored: dict[str, object] = {
        "time": _render_instant(snapshot),
        "tree": tree,
        "paths": snapshot.paths,
        "hostname": snapshot.host,
        "username": _USER,
        "uid": 0,
        "gid": 0,
    }
    if snapshot.tags:
        stored["tags"] = snapshot.tags
    if snapshot.made_at is not None:
        made_at = snapshot.made_at.isoformat()
        stored["summary"] = {"backup_start": made_at, "backup_end": made_at}
    return json.dumps(stored).encode()


def _render_instant(snapshot: Snapshot) -> str:
    offset = snapshot.taken_at.utcoffset()
    assert offset is not None, "a snapshot's time carries its offset"
    assert not offset % timedelta(minutes=1), "RFC 3339 has no seconds in an offset"
    return snapshot.taken_at.isoformat()


def _root_tree(repository: Repository) -> str:
    # The tree that no other tree holds; of several, the first.
    trees = {blob.id for blob in repository.blobs() if blob.type == TREE}
    below: set[str] = set()
    for tree_id in trees:
        nodes = repository.tree(tree_id)
        if not isinstance(nodes, Damage):
            below.update(node.subtree for node in nodes)
    roots = sorted(trees - below)
    if not roots:
        raise CannotVerify(
            repository.storage.location,
            "holds no tree that snapshots could be forged upon",
            "make the repository with make_repository",
        )
    return roots[0]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _write(path: Path, stored: bytes) -> None:
    path.write_bytes(stored)
    path.chmod(0o400)
