"""What an index says of blobs in one pack, as bytes: 45 for a blob, where an object takes 300.

Entries of one pack lie one after the other, in any order. They are numbers and IDs only, so they
are told to another process as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from verifier.reader.pack import DATA, TREE, Blob, length_of_header

ENTRY = struct.Struct(">32sIIIB")
"""ID, offset, length, plain length, type. These are 32-bit numbers in a pack's header as well."""

_ID_BYTES = 32
_OFFSET = slice(32, 36)
_TYPES = (DATA, TREE)
_KINDS = {DATA: 0, TREE: 1}


def parse_blob(listed: Any) -> bytes | None:
    """Return the entry of one blob from an index file's JSON; none where it has another shape."""
    try:
        blob_id, offset, length = listed["id"], listed["offset"], listed["length"]
        plain_length = listed.get("uncompressed_length", 0)
        raw_id = bytes.fromhex(blob_id)
        named = len(raw_id) == _ID_BYTES and raw_id.hex() == blob_id
        if named and bool not in map(type, (offset, length, plain_length)):
            return ENTRY.pack(raw_id, offset, length, plain_length, _KINDS[listed["type"]])
    except (KeyError, TypeError, ValueError, AttributeError, struct.error):
        pass
    return None


def decode(entries: bytes, pack: str) -> Iterator[Blob]:
    """Yield the blobs of one pack."""
    for blob_id, offset, length, plain_length, kind in ENTRY.iter_unpack(entries):
        yield Blob(blob_id.hex(), _TYPES[kind], pack, offset, length, plain_length)


def each(entries: bytes) -> Iterator[bytes]:
    """Yield entries one by one."""
    return (entries[at : at + ENTRY.size] for at in range(0, len(entries), ENTRY.size))


def by_offset(entries: bytes) -> bytes:
    """Return entries in the order in which their blobs lie in the pack."""
    found = sorted(each(entries))
    found.sort(key=itemgetter(_OFFSET))
    return b"".join(found)


def end_of(entries: bytes) -> int:
    """Return where the last blob ends, in bytes from the pack's start."""
    return max((at + length for _, at, length, _, _ in ENTRY.iter_unpack(entries)), default=0)


def header_bytes(entries: bytes) -> int:
    """Return how long the sealed header of these blobs is, with the length field after it."""
    compressed = sum(1 for _, _, _, plain_length, _ in ENTRY.iter_unpack(entries) if plain_length)
    return length_of_header(len(entries) // ENTRY.size, compressed)
