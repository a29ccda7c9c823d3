"""Packs: sealed blobs, then a sealed header that lists them, then the header's length.

Source: restic's design document, "Pack Format". Pure: bytes in, bytes or a flaw out.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zstandard import ZstdDecompressor

from verifier.reader.damage import Flaw
from verifier.reader.plain import decompress
from verifier.reader.seal import OVERHEAD_BYTES, Keys, Message, Unsealer

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
_COMPRESSED = 2
_MAX_BYTES = {DATA: MAX_DATA_BYTES, TREE: MAX_TREE_BYTES}
_PLAIN_ENTRY = struct.Struct("<I32s")
_COMPRESSED_ENTRY = struct.Struct("<II32s")


@dataclass(frozen=True, slots=True)
class Blob:
    """Where one copy of a blob lies.

    Attributes:
        type: `data` or `tree`.
        pack: ID of the pack.
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


def header_bytes(blobs: Sequence[Blob]) -> int:
    """Return how long the sealed header of these blobs is, with the length field after it."""
    return length_of_header(len(blobs), sum(1 for blob in blobs if blob.plain_length))


def length_of_header(blob_count: int, compressed_count: int) -> int:
    """Return how long a sealed header is, with the length field after it."""
    entries = compressed_count * (1 + _COMPRESSED_ENTRY.size)
    entries += (blob_count - compressed_count) * (1 + _PLAIN_ENTRY.size)
    return entries + OVERHEAD_BYTES + LENGTH_BYTES


def render_header(blobs: Iterable[Blob]) -> bytes:
    """Return the header that lists these blobs, unsealed, as a writer makes it."""
    header = bytearray()
    for blob in blobs:
        kind, blob_id = _TYPES.index(blob.type), bytes.fromhex(blob.id)
        if blob.plain_length:
            header.append(kind | _COMPRESSED)
            header += _COMPRESSED_ENTRY.pack(blob.length, blob.plain_length, blob_id)
        else:
            header.append(kind)
            header += _PLAIN_ENTRY.pack(blob.length, blob_id)
    return bytes(header)


class BlobReader:
    """Opens many blobs under one key triple. Not for two threads at once."""

    def __init__(self, keys: Keys) -> None:
        self.unseal = Unsealer(keys).unseal
        self._context = ZstdDecompressor()

    def open(self, sealed: Message, blob: Blob) -> bytes | Flaw:
        """Return a blob's content: tag checked, decompressed, and hashed to its ID."""
        content = self.unseal(sealed)
        if blob.plain_length and isinstance(content, bytes):
            limit = min(blob.plain_length, _MAX_BYTES[blob.type])
            content = decompress(content, limit, self._context)
        if isinstance(content, Flaw):
            return content
        if hashlib.sha256(content).hexdigest() != blob.id:
            return Flaw("holds content whose SHA-256 is not the blob's ID")
        return content


def check_header(stored: Message, blobs: Iterable[Blob], reader: BlobReader) -> Flaw | None:
    """Check what follows the blobs of a pack: the sealed header, and its length.

    Args:
        blobs: what the header must list, in order.
    """
    sealed, length = stored[:-LENGTH_BYTES], int.from_bytes(stored[-LENGTH_BYTES:], "little")
    if length != len(sealed) or length > MAX_HEADER_BYTES:
        return Flaw(f"claims a header of {length} bytes")
    header = reader.unseal(sealed)
    if isinstance(header, Flaw):
        return Flaw(f"has a header that {header.what}")
    if header != render_header(blobs):
        return Flaw("has a header that lists other blobs than the index")
    return None


def readable_length(blob: Blob) -> bool:
    """Tell whether a blob's stated length is one that any writer of restic's format produces."""
    return OVERHEAD_BYTES <= blob.length <= _MAX_BYTES[blob.type] + OVERHEAD_BYTES
