"""A restic repository, version 1 or 2, opened without restic and without a lock.

Damage comes back as a value in place of what was asked for; an error says that we could not look
at all. A repository that another process prunes meanwhile may look damaged: `Repository.refresh`
tells that.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from verifier.core.errors import NoKeyOpens, RepositoryUnreadable
from verifier.core.snapshot import Snapshot, parse_snapshot
from verifier.core.tree import Node
from verifier.reader.damage import MISNAMED, Damage, Flaw, locate
from verifier.reader.index import Index, Packed, merge, parse_index
from verifier.reader.kept import Kept
from verifier.reader.keys import MAX_KEY_FILE_BYTES, KeyFile, open_key, parse_key_file
from verifier.reader.pack import Blob, BlobReader, readable_length
from verifier.reader.plain import MAX_DOCUMENT_BYTES, is_id, parse_document
from verifier.reader.seal import OVERHEAD_BYTES, Keys, unseal
from verifier.reader.storage import Folder, Storage, file_id, pack_name
from verifier.reader.tree import parse_tree
from verifier.reader.walk import walk

MAX_KEYS_TRIED = 20
"""Key files tried with one password, as restic does: each costs a derivation."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the `config` file says."""

    version: int
    id: str
    chunker_polynomial: str


class Repository:
    """A repository whose master key is known. Made by `open_repository`.

    Index and snapshots are read when they are first asked for, and once.
    """

    def __init__(self, storage: Storage, keys: Keys) -> None:
        self.storage = storage
        self.keys = keys
        self._own = threading.local()
        self._kept = Kept()
        self._names: dict[str, frozenset[str]] = {}
        self._asked: set[str] = set()

    @cached_property
    def config(self) -> Config | Damage:
        """The repository's version and ID."""
        document = self._document("config")
        if isinstance(document, Flaw):
            return locate(document, "config")
        version, polynomial = document.get("version"), document.get("chunker_polynomial")
        if type(version) is not int or not is_id(document.get("id")):
            return Damage("config", 0, "", "names no version or no ID")
        return Config(version, document["id"], str(polynomial))

    @property
    def index(self) -> Index:
        """All readable index files, merged."""
        return self._index[0]

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return every readable snapshot, oldest first."""
        return self._snapshots[0]

    def damages(self) -> tuple[Damage, ...]:
        """Return what is wrong with config, keys, index and snapshot files themselves."""
        config = (self.config,) if isinstance(self.config, Damage) else ()
        return (*config, *self._key_damages(), *self._index[1], *self._snapshots[1])

    def refresh(self) -> bool:
        """Forget index and snapshots where a file that was read of them is gone since.

        Who prunes takes these away before the packs: what an index of before makes lost need not
        be.

        Returns:
            Whether it was so, and they are read anew when they are next asked for.
        """
        changed = any(names - set(self.storage.list(kind)) for kind, names in self._names.items())
        if changed:
            self._names = {}
            for name in ("_index", "_snapshots"):
                self.__dict__.pop(name, None)
        return changed

    def blobs(self) -> Iterator[Blob]:
        """Yield every copy of every blob that the index lists, by ID."""
        return iter(self.index)

    def blob(self, blob_id: str) -> bytes | Damage:
        """Return a blob's content from the first copy that is sound."""
        content = self._first_sound(blob_id)
        if isinstance(content, Damage) and content.file not in self._asked:
            # Once a file: where much is lost, the question is not asked of every blob.
            self._asked.add(content.file)
            content = self._first_sound(blob_id) if self.refresh() else content
        return content

    def _first_sound(self, blob_id: str) -> bytes | Damage:
        content: bytes | Damage = Damage("index", 0, blob_id, "lists no such blob")
        for copy in self.index.find(blob_id):
            content = self.read(copy)
            if isinstance(content, bytes):
                break
        return content

    def read(self, copy: Blob) -> bytes | Damage:
        """Return a blob's content from this very copy."""
        name = pack_name(copy.pack)
        content: bytes | Flaw = Flaw(f"is listed with a blob of {copy.length} bytes")
        if readable_length(copy):
            content = self.storage.read(name, copy.offset, copy.length)
        if isinstance(content, bytes):
            content = self._blobs.open(content, copy)
        if isinstance(content, Flaw):
            return locate(content, name, offset=copy.offset, blob=copy.id)
        return content

    @property
    def _blobs(self) -> BlobReader:
        # Each host of a drill has its thread, and a reader is for one alone.
        if not hasattr(self._own, "blobs"):
            self._own.blobs = BlobReader(self.keys)
        reader: BlobReader = self._own.blobs
        return reader

    def tree(self, tree_id: str) -> tuple[Node, ...] | Damage:
        """Return a tree's nodes, in stored order."""
        kept = self._kept.get(tree_id)
        if kept is not None:
            return kept
        content = self.blob(tree_id)
        if isinstance(content, Damage):
            return content
        nodes = parse_tree(content)
        if isinstance(nodes, Flaw):
            copy = self.index.find(tree_id)[0]
            return locate(nodes, pack_name(copy.pack), offset=copy.offset, blob=tree_id)
        self._kept.keep(tree_id, nodes)
        return nodes

    def plain_lengths(self, content: Sequence[str]) -> list[int] | None:
        """Return the lengths in bytes of the pieces that a file's blobs hold, in order.

        None where a blob is listed by no index: the file cannot be restored then.
        """
        size_bytes = self.index.size_bytes
        lengths = [length for blob_id in content if (length := size_bytes(blob_id)) is not None]
        return lengths if len(lengths) == len(content) else None

    def walk(self, snapshot: Snapshot) -> Iterator[tuple[str, Node | Damage]]:
        """Yield every path with its node, and every damage in its place; see `walk`."""
        return walk(self.tree, snapshot.tree)

    def _document(self, name: str) -> dict[str, Any] | Flaw:
        message = self._message(name)
        return message if isinstance(message, Flaw) else parse_document(message)

    def _message(self, name: str) -> bytes | Flaw:
        stored = self.storage.read_whole(name, MAX_DOCUMENT_BYTES + OVERHEAD_BYTES)
        if isinstance(stored, bytes):
            if name != "config" and not _named_right(name, stored):
                return MISNAMED
            return unseal(stored, self.keys)
        return stored

    @cached_property
    def _index(self) -> tuple[Index, tuple[Damage, ...]]:
        # Snapshots first: one that came after the index was read needs blobs that it does not list.
        _ = self._snapshots
        damages: list[Damage] = []
        return merge(self._packed(damages)), tuple(damages)

    def _packed(self, damages: list[Damage]) -> Iterator[Packed]:
        # A generator, so that one index file at a time is held as Python objects.
        for name in self._listed("index"):
            message = self._message(name)
            packed = message if isinstance(message, Flaw) else parse_index(message)
            if isinstance(packed, Flaw):
                damages.append(locate(packed, name))
            else:
                yield packed

    @cached_property
    def _snapshots(self) -> tuple[tuple[Snapshot, ...], tuple[Damage, ...]]:
        found = [(name, self._snapshot(name)) for name in self._listed("snapshots")]
        whole = [snapshot for _, snapshot in found if isinstance(snapshot, Snapshot)]
        whole.sort(key=lambda snapshot: (snapshot.taken_at, snapshot.id))
        return tuple(whole), tuple(locate(f, name) for name, f in found if isinstance(f, Flaw))

    def _listed(self, kind: str) -> tuple[str, ...]:
        names = tuple(self.storage.list(kind))
        self._names[kind] = frozenset(names)
        return names

    def _snapshot(self, name: str) -> Snapshot | Flaw:
        document = self._document(name)
        if isinstance(document, Flaw):
            return document
        if not is_id(document.get("tree")):
            return Flaw("names no tree")
        try:
            return parse_snapshot({**document, "id": file_id(name)})
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            return Flaw(f"has fields of an unknown shape ({type(error).__name__})")

    def _key_damages(self) -> tuple[Damage, ...]:
        found = ((name, _read_key_file(self.storage, name)) for name in self.storage.list("keys"))
        return tuple(locate(flaw, name) for name, flaw in found if isinstance(flaw, Flaw))


def _named_right(name: str, stored: bytes) -> bool:
    return hashlib.sha256(stored).hexdigest() == file_id(name)


def _read_key_file(storage: Storage, name: str) -> KeyFile | Flaw:
    stored = storage.read_whole(name, MAX_KEY_FILE_BYTES)
    if isinstance(stored, Flaw):
        return stored
    return parse_key_file(stored) if _named_right(name, stored) else MISNAMED


def open_repository(location: Storage | Path, password: str) -> Repository:
    """Open the repository in a storage, or in a local folder.

    Raises:
        NoKeyOpens: every key file is sound, and none opens with that password.
        RepositoryUnreadable: there is no repository, its key files are damaged, or we may not
            read them.
    """
    storage = Folder(location) if isinstance(location, Path) else location
    names = tuple(storage.list("keys"))
    if not names:
        raise RepositoryUnreadable(
            storage.location, "holds no restic repository", "check the location of the repository"
        )
    damages: list[Damage] = []
    for name in names[:MAX_KEYS_TRIED]:
        file = _read_key_file(storage, name)
        keys = file if isinstance(file, Flaw) else open_key(file, password)
        if isinstance(keys, Keys):
            return Repository(storage, keys)
        if isinstance(file, Flaw):
            damages.append(locate(file, name))
    if damages:
        raise RepositoryUnreadable(
            f"{storage.location}/{damages[0].file}",
            f"{damages[0].what}, and no other key file opens",
            "bring this key file back from a copy of the repository",
        )
    raise NoKeyOpens(
        storage.location, "no key file opens with this password", "check the repository's password"
    )
