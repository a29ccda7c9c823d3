"""A repository of very many small files, written without restic: what growth is measured on.

The format is restic's (its own `check --read-data` finds nothing wrong with it), the files are not:
each is a hundred bytes, a thousand lie in each directory, and none is like another.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from verifier.reader.pack import DATA, TREE, Blob, render_header
from verifier.reader.seal import NONCE_BYTES, Keys, seal
from verifier.reader.storage import pack_name

FILE_BYTES = 100
FILES_A_DIRECTORY = 1_000
PACK_BYTES = 4 << 20
BLOBS_AN_INDEX = 50_000
"""Where restic closes an index, about."""

TIME = "2024-01-01T04:00:00.123456789Z"


@dataclass
class Writer:
    """Writes blobs into packs, and packs into indexes."""

    root: Path
    keys: Keys
    due: dict[str, list[tuple[Blob, bytes]]] = field(default_factory=dict)
    due_bytes: dict[str, int] = field(default_factory=dict)
    listed: list[dict[str, object]] = field(default_factory=list)
    listed_count: int = 0
    context: zstandard.ZstdCompressor = field(default_factory=zstandard.ZstdCompressor)

    def add(self, kind: str, content: bytes) -> str:
        """Add one blob and return its ID."""
        blob_id = hashlib.sha256(content).hexdigest()
        frame = self.context.compress(content)
        plain_length = len(content) if len(frame) < len(content) else 0
        sealed = self._seal(frame if plain_length else content)
        at = self.due_bytes.get(kind, 0)
        blob = Blob(blob_id, kind, "", at, len(sealed), plain_length)
        self.due.setdefault(kind, []).append((blob, sealed))
        self.due_bytes[kind] = at + len(sealed)
        if self.due_bytes[kind] >= PACK_BYTES:
            self._close_pack(kind)
        return blob_id

    def close(self) -> None:
        """Write what is left."""
        for kind in list(self.due):
            self._close_pack(kind)
        self._close_index()

    def store(self, kind: str, document: object) -> None:
        """Seal and write an index or a snapshot."""
        stored = self._seal(b"\x02" + self.context.compress(json.dumps(document).encode()))
        (self.root / kind / hashlib.sha256(stored).hexdigest()).write_bytes(stored)

    def _seal(self, message: bytes) -> bytes:
        return seal(message, self.keys, os.urandom(NONCE_BYTES))

    def _close_pack(self, kind: str) -> None:
        blobs = self.due.pop(kind)
        self.due_bytes[kind] = 0
        header = self._seal(render_header([blob for blob, _ in blobs]))
        stored = b"".join([*(s for _, s in blobs), header, len(header).to_bytes(4, "little")])
        pack = hashlib.sha256(stored).hexdigest()
        path = self.root / pack_name(pack)
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(stored)
        self.listed.append({"id": pack, "blobs": [_listed(blob) for blob, _ in blobs]})
        self.listed_count += len(blobs)
        if self.listed_count >= BLOBS_AN_INDEX:
            self._close_index()

    def _close_index(self) -> None:
        if self.listed:
            self.store("index", {"packs": self.listed})
        self.listed, self.listed_count = [], 0


def _listed(blob: Blob) -> dict[str, object]:
    entry = {"id": blob.id, "type": blob.type, "offset": blob.offset, "length": blob.length}
    return entry | ({"uncompressed_length": blob.plain_length} if blob.plain_length else {})


def write_files(root: Path, keys: Keys, count: int) -> None:
    """Write a snapshot of `count` files into an empty repository."""
    writer = Writer(root, keys)
    folders = [
        _node(f"d{number:06}", "dir", subtree=writer.add(TREE, _tree(writer, number, here)))
        for number, here in enumerate(_shares(count))
    ]
    top = writer.add(TREE, _render(folders))
    above = writer.add(TREE, _render([_node("files", "dir", subtree=top)]))
    writer.close()
    writer.store(
        "snapshots",
        {"time": TIME, "tree": above, "paths": ["/files"], "hostname": "h1", "username": "bench"},
    )


def _shares(count: int) -> Iterator[int]:
    for start in range(0, count, FILES_A_DIRECTORY):
        yield min(FILES_A_DIRECTORY, count - start)


def _tree(writer: Writer, folder: int, count: int) -> bytes:
    return _render(
        _node(
            f"f{number:06}",
            "file",
            size=FILE_BYTES,
            content=[writer.add(DATA, f"{folder:049}/{number:050}".encode())],
        )
        for number in range(count)
    )


def _node(name: str, kind: str, **fields: object) -> dict[str, object]:
    times = dict.fromkeys(("mtime", "atime", "ctime"), TIME)
    ids = {"uid": 1000, "gid": 1000, "user": "u", "group": "g", "inode": 1, "device_id": 2}
    return {"name": name, "type": kind, "mode": 420, **times, **ids, "content": None} | fields


def _render(nodes: Iterable[dict[str, object]]) -> bytes:
    return json.dumps({"nodes": list(nodes)}, separators=(",", ":")).encode() + b"\n"
