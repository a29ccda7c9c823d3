"""The index: which blob lies in which pack, merged from all index files.

A blob costs 49 bytes of memory here, in one sorted byte string. Every index file counts, also one
that another names in `supersedes`: restic reads them so, and only prune takes them away.
Source: restic's design document, "Indexing".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from verifier.reader.damage import Flaw
from verifier.reader.pack import DATA, TREE, Blob
from verifier.reader.plain import is_id, parse_document, whole_number

_RECORD = struct.Struct(">32sIIIIB")
_ID_BYTES = 32
_TYPES = (DATA, TREE)
_BELOW = 1 << 32
"""Offsets and lengths are 32-bit numbers in a pack's header, so they are here."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What one index file says: packs with their blobs."""

    packs: tuple[tuple[str, tuple[Blob, ...]], ...]


@dataclass(frozen=True, slots=True)
class Index:
    """All index files merged, ordered by blob ID.

    Attributes:
        packs: ID of every pack that is listed.
    """

    packs: tuple[str, ...]
    _records: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self._records) // _RECORD.size

    def __iter__(self) -> Iterator[Blob]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Blob:
        record = _RECORD.unpack_from(self._records, number * _RECORD.size)
        blob_id, pack, offset, length, plain_length, kind = record
        return Blob(blob_id.hex(), _TYPES[kind], self.packs[pack], offset, length, plain_length)

    def find(self, blob_id: str) -> tuple[Blob, ...]:
        """Return every copy of a blob; none where the ID is not listed."""
        wanted = bytes.fromhex(blob_id)
        first = self._first_from(wanted)
        found: list[Blob] = []
        for number in range(first, len(self)):
            if self._id(number) != wanted:
                break
            found.append(self[number])
        return tuple(found)

    def __contains__(self, blob_id: str) -> bool:
        wanted = bytes.fromhex(blob_id)
        first = self._first_from(wanted)
        return first < len(self) and self._id(first) == wanted

    def contents(self) -> dict[str, list[int]]:
        """Return pack -> numbers of its blobs, for `index[number]`."""
        numbers: dict[str, list[int]] = {pack: [] for pack in self.packs}
        for number in range(len(self)):
            pack = _RECORD.unpack_from(self._records, number * _RECORD.size)[1]
            numbers[self.packs[pack]].append(number)
        return numbers

    def _id(self, number: int) -> bytes:
        at = number * _RECORD.size
        return self._records[at : at + _ID_BYTES]

    def _first_from(self, wanted: bytes) -> int:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._id(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low


def _parse_blob(entry: Any, pack: str) -> Blob | None:
    if not isinstance(entry, dict) or not is_id(entry.get("id")):
        return None
    offset, length = entry.get("offset"), entry.get("length")
    plain_length = entry.get("uncompressed_length", 0)
    numbers = (offset, length, plain_length)
    if entry.get("type") not in _TYPES or not all(whole_number(n, _BELOW) for n in numbers):
        return None
    return Blob(entry["id"], entry["type"], pack, entry["offset"], entry["length"], plain_length)


def parse_index(message: bytes) -> Packed | Flaw:
    """Parse one unsealed index file."""
    document = parse_document(message)
    if isinstance(document, Flaw):
        return document
    packs: list[tuple[str, tuple[Blob, ...]]] = []
    entries = document.get("packs") or []
    if not isinstance(entries, list):
        return Flaw("lists its packs in an unknown shape")
    for entry in entries:
        if not isinstance(entry, dict) or not is_id(entry.get("id")):
            return Flaw("lists a pack without an ID")
        listed = entry.get("blobs") or []
        blobs = [_parse_blob(blob, entry["id"]) for blob in listed] if type(listed) is list else []
        if type(listed) is not list or None in blobs:
            return Flaw(f"lists a blob of an unknown shape in pack {entry['id'][:8]}")
        packs.append((entry["id"], tuple(blob for blob in blobs if blob is not None)))
    return Packed(tuple(packs))


def merge(files: Iterable[Packed]) -> Index:
    """Merge index files, one at a time; what two of them list alike counts once."""
    number_of: dict[str, int] = {}
    records: set[bytes] = set()
    for packed in files:
        for pack, blobs in packed.packs:
            number = number_of.setdefault(pack, len(number_of))
            records.update(_record(blob, number) for blob in blobs)
    return Index(tuple(number_of), b"".join(sorted(records)))


def _record(blob: Blob, pack_number: int) -> bytes:
    kind = _TYPES.index(blob.type)
    lengths = (blob.offset, blob.length, blob.plain_length)
    return _RECORD.pack(bytes.fromhex(blob.id), pack_number, *lengths, kind)
