"""The index: which blob lies in which pack, merged from all index files.

A blob costs 98 bytes here, and past a few megabytes they lie in temporary files: memory grows only
with packs, by some 200 bytes each. Every index file counts, also one that another names in
`supersedes`: restic reads them so, and only prune takes them away.
Source: restic's design document, "Indexing".
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from verifier.reader.damage import Flaw
from verifier.reader.entries import ENTRY, decode, each, end_of, header_bytes, parse_blob
from verifier.reader.pack import Blob
from verifier.reader.plain import is_id, parse_document
from verifier.reader.seal import OVERHEAD_BYTES
from verifier.reader.spool import Sorter, Spool, Stored

_LENGTHS = struct.Struct(">II")
_LENGTHS_AT = 36
_PACK = struct.Struct(">I")
_RECORD_BYTES = ENTRY.size + _PACK.size
_ID_BYTES = 32
_PREFIX_BYTES = 4


@dataclass(frozen=True, slots=True)
class Packed:
    """What one index file says: packs, each with its blobs as entries."""

    packs: tuple[tuple[str, list[bytes]], ...]


@dataclass(frozen=True, slots=True)
class _Listings:
    """Entries as index files list them, a pack's together."""

    number_of: dict[str, int] = field(default_factory=dict)
    starts: array[int] = field(default_factory=lambda: array("Q"))
    ends: array[int] = field(default_factory=lambda: array("Q"))
    again: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Where packs stand that were listed before."""

    def add(self, pack: str, start: int, end: int) -> int:
        """Remember where a pack's entries stand, in bytes; return the pack's number."""
        number = self.number_of.setdefault(pack, len(self.starts))
        if number == len(self.starts):
            self.starts.append(start)
            self.ends.append(end)
        else:
            self.again.setdefault(number, []).append((start, end))
        return number

    def spans(self, pack: str) -> Iterator[tuple[int, int]]:
        """Yield where a pack's entries stand."""
        number = self.number_of.get(pack)
        if number is not None:
            yield self.starts[number], self.ends[number]
            yield from self.again.get(number, ())


@dataclass(frozen=True, slots=True)
class Index:
    """All index files merged. Made by `merge`.

    Blobs have numbers, by ID; packs have numbers too, by their first listing.

    Attributes:
        packs: ID of every pack that is listed.
    """

    packs: tuple[str, ...]
    _listings: _Listings = field(repr=False)
    _listed: Stored = field(repr=False)
    _by_id: Stored = field(repr=False)
    _first_of: array[int] = field(repr=False)
    """Leading bits of an ID -> number of the first blob at or above them."""

    def __len__(self) -> int:
        return len(self._by_id) // _RECORD_BYTES

    def __iter__(self) -> Iterator[Blob]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Blob:
        record = self._by_id[number * _RECORD_BYTES : (number + 1) * _RECORD_BYTES]
        (pack,) = _PACK.unpack_from(record, ENTRY.size)
        return next(decode(record[: ENTRY.size], self.packs[pack]))

    def __contains__(self, blob_id: str) -> bool:
        return self.number(blob_id) is not None

    def number(self, blob_id: str) -> int | None:
        """Return the number of a blob's first copy; none where the ID is not listed."""
        wanted = bytes.fromhex(blob_id)
        number = self._search(wanted)
        return number if self._id(number) == wanted else None

    def find(self, blob_id: str) -> tuple[Blob, ...]:
        """Return every copy of a blob; none where the ID is not listed."""
        return tuple(self[number] for number in self._copies(blob_id))

    def size_bytes(self, blob_id: str) -> int | None:
        """Return the length of a blob's content; none where the ID is not listed."""
        number = self.number(blob_id)
        if number is None:
            return None
        at = number * _RECORD_BYTES + _LENGTHS_AT
        length, plain_length = _LENGTHS.unpack_from(self._by_id, at)
        return int(plain_length or length - OVERHEAD_BYTES)

    def pack_number(self, pack: str) -> int | None:
        """Return a pack's number; none where it is not listed."""
        return self._listings.number_of.get(pack)

    def entries(self, pack: str) -> bytes:
        """Return the entries of a pack's blobs; nothing where it is not listed."""
        parts = [self._listed[start:end] for start, end in self._listings.spans(pack)]
        if len(parts) < 2:
            return b"".join(parts)
        return b"".join(dict.fromkeys(each(b"".join(parts))))

    def pack_bytes(self, pack: str) -> int:
        """Return how long a pack must be to hold what is listed in it."""
        entries = self.entries(pack)
        return end_of(entries) + header_bytes(entries)

    def _copies(self, blob_id: str) -> Iterator[int]:
        wanted = bytes.fromhex(blob_id)
        number = self._search(wanted)
        while self._id(number) == wanted:
            yield number
            number += 1

    def _id(self, number: int) -> bytes:
        at = number * _RECORD_BYTES
        return self._by_id[at : at + _ID_BYTES]

    def _search(self, wanted: bytes) -> int:
        slots = len(self._first_of) - 1
        slot = int.from_bytes(wanted[:_PREFIX_BYTES], "big") * slots >> 8 * _PREFIX_BYTES
        return _first_from(self._by_id, wanted, self._first_of[slot], self._first_of[slot + 1])


def parse_index(message: bytes) -> Packed | Flaw:
    """Parse one unsealed index file."""
    document = parse_document(message)
    if isinstance(document, Flaw):
        return document
    packs: list[tuple[str, list[bytes]]] = []
    listed = document.get("packs") or []
    if not isinstance(listed, list):
        return Flaw("lists its packs in an unknown shape")
    for pack in listed:
        if not isinstance(pack, dict) or not is_id(pack.get("id")):
            return Flaw("lists a pack without an ID")
        blobs = pack.get("blobs") or []
        entries = [parse_blob(blob) for blob in blobs] if isinstance(blobs, list) else [None]
        sound = [entry for entry in entries if entry is not None]
        if len(sound) < len(entries):
            return Flaw(f"lists a blob of an unknown shape in pack {pack['id'][:8]}")
        packs.append((pack["id"], sound))
    return Packed(tuple(packs))


def merge(files: Iterable[Packed]) -> Index:
    """Merge index files, one at a time; what two of them list alike counts once.

    Raises:
        CannotVerify: there is no room for temporary files.
    """
    listings, at = _Listings(), 0
    with closing(Spool()) as listed, closing(Sorter(_RECORD_BYTES)) as by_id:
        for packed in files:
            for pack, entries in packed.packs:
                end = at + len(entries) * ENTRY.size
                number = _PACK.pack(listings.add(pack, at, end))
                listed.append(b"".join(entries))
                by_id.add([entry + number for entry in entries])
                at = end
        found = by_id.finish()
        packs = tuple(listings.number_of)
        return Index(packs, listings, listed.finish(), found, _first_of(found))


def _first_of(by_id: Stored) -> array[int]:
    # One slot for about 16 blobs: where IDs are hashes, four steps are left to take.
    count = len(by_id) // _RECORD_BYTES
    slots = 1 << max(0, count.bit_length() - 4)
    firsts, first = array("Q", [0]), 0
    for slot in range(1, slots):
        bound = (slot << 8 * _PREFIX_BYTES) // slots
        first = _gallop(by_id, bound.to_bytes(_PREFIX_BYTES, "big"), first, count)
        firsts.append(first)
    firsts.append(count)
    return firsts


def _gallop(by_id: Stored, wanted: bytes, low: int, count: int) -> int:
    step = 16
    while (probe := low + step) < count:
        at = probe * _RECORD_BYTES
        if by_id[at : at + len(wanted)] >= wanted:
            break
        low, step = probe, 2 * step
    return _first_from(by_id, wanted, low, min(low + step, count))


def _first_from(by_id: Stored, wanted: bytes, low: int, high: int) -> int:
    while low < high:
        middle = (low + high) // 2
        at = middle * _RECORD_BYTES
        if by_id[at : at + _ID_BYTES] < wanted:
            low = middle + 1
        else:
            high = middle
    return low
