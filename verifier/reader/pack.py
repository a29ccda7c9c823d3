"""Packs: sealed blobs, then a sealed header that lists them, then the header's length.

Source: restic's design document, "Pack Format". Pure: bytes in, blobs or a flaw out.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from verifier.reader.damage import Flaw
from verifier.reader.plain import decompress
from verifier.reader.seal import OVERHEAD_BYTES, Keys, unseal

MAX_DATA_BYTES = 64 << 20
"""One data blob. restic's chunker cuts at 8 MiB; other writers may be set to more."""

MAX_TREE_BYTES = 512 << 20
"""One tree blob: a single directory of about a million entries."""

MAX_HEADER_BYTES = 16 << 20
"""One pack header: restic itself reads no longer one."""

LENGTH_BYTES = 4
"""The header's length at the very end of a pack."""

DATA = "data"
TREE = "tree"
_TYPES = (DATA, TREE)
_MAX_BYTES = {DATA: MAX_DATA_BYTES, TREE: MAX_TREE_BYTES}
_PLAIN_ENTRY = struct.Struct("<I32s")
_COMPRESSED_ENTRY = struct.Struct("<II32s")


@dataclass(frozen=True, slots=True)
class Blob:
    """Where one copy of a blob lies.

    Attributes:
        type: `data` or `tree`.
        pack: ID of the pack; empty where a header was parsed without knowing it.
        length: of the sealed bytes.
        plain_length: of the content, for a compressed blob; 0 where it is not compressed.
    """

    id: str
    type: str
    pack: str
    offset: int
    length: int
    plain_length: int

    @property
    def size_bytes(self) -> int:
        """Length of the content."""
        return self.plain_length or self.length - OVERHEAD_BYTES


def header_bytes(blobs: tuple[Blob, ...]) -> int:
    """Return how long the sealed header of these blobs is, with the length field after it."""
    compressed = sum(1 for blob in blobs if blob.plain_length)
    entries = compressed * (1 + _COMPRESSED_ENTRY.size)
    entries += (len(blobs) - compressed) * (1 + _PLAIN_ENTRY.size)
    return entries + OVERHEAD_BYTES + LENGTH_BYTES


def parse_header_length(tail: bytes, pack_bytes: int) -> int | Flaw:
    """Return the length of the sealed header from the pack's last four bytes."""
    if len(tail) != LENGTH_BYTES:
        return Flaw("is too short for a pack")
    length = int.from_bytes(tail, "little")
    if not OVERHEAD_BYTES <= length <= min(pack_bytes - LENGTH_BYTES, MAX_HEADER_BYTES):
        return Flaw(f"claims a header of {length} bytes")
    return length


def parse_header(header: bytes, pack: str = "") -> tuple[Blob, ...] | Flaw:
    """Parse an unsealed header."""
    blobs: list[Blob] = []
    at = offset = 0
    while at < len(header):
        kind = header[at]
        entry = _COMPRESSED_ENTRY if kind & 2 else _PLAIN_ENTRY
        if kind > 3:
            return Flaw(f"lists a blob of unknown type {kind}")
        if at + 1 + entry.size > len(header):
            return Flaw("lists half a blob at the end of its header")
        length, *plain, blob_id = entry.unpack_from(header, at + 1)
        blobs.append(
            Blob(blob_id.hex(), _TYPES[kind & 1], pack, offset, length, plain[0] if plain else 0)
        )
        offset += length
        at += 1 + entry.size
    return tuple(blobs)


def open_blob(sealed: bytes, blob: Blob, keys: Keys) -> bytes | Flaw:
    """Return a blob's content: tag checked, decompressed, and hashed to its ID."""
    content = unseal(sealed, keys)
    if blob.plain_length and isinstance(content, bytes):
        content = decompress(content, min(blob.plain_length, _MAX_BYTES[blob.type]))
    if isinstance(content, Flaw):
        return content
    if hashlib.sha256(content).hexdigest() != blob.id:
        return Flaw("holds content whose SHA-256 is not the blob's ID")
    return content


def readable_length(blob: Blob) -> bool:
    """Tell whether a blob's stated length is one that any writer of restic's format produces."""
    return OVERHEAD_BYTES <= blob.length <= _MAX_BYTES[blob.type] + OVERHEAD_BYTES
