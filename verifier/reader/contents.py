"""One pack from its first byte to its last: the unit in which data is verified, in parallel too.

Everything here can be sent to another process: a pack's check takes values and returns one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, as_completed, wait
from dataclasses import dataclass

from verifier.reader.damage import MISNAMED, Damage, Flaw, locate
from verifier.reader.entries import ENTRY, by_offset, decode, each, end_of, header_bytes
from verifier.reader.pack import Blob, BlobReader, check_header, readable_length
from verifier.reader.repository import Repository
from verifier.reader.seal import Keys, Message
from verifier.reader.storage import Storage, file_id, pack_name

_READ_BYTES = 8 << 20
"""Neighbouring blobs are read together up to this much: small blobs cost no call each."""

_AHEAD = 256
"""Packs handed to an executor before the first answer is awaited: enough for a cluster."""

Wound = tuple[Damage, tuple[str, ...]]
"""A damage, and the IDs of the blobs whose copy in this pack it takes."""


@dataclass(frozen=True, slots=True)
class PackCheck:
    """What reading one pack showed."""

    pack: str
    blob_count: int
    read_bytes: int
    wounds: tuple[Wound, ...]


def check_size(storage: Storage, pack: str, entries: bytes) -> PackCheck:
    """Check that a pack is there and as long as the index says; its content is not read."""
    name = pack_name(pack)
    size_bytes = storage.size(name)
    if isinstance(size_bytes, Flaw):
        return PackCheck(pack, 0, 0, ((locate(size_bytes, name), _ids(entries, pack)),))
    expected_bytes = end_of(entries) + header_bytes(entries)
    if size_bytes == expected_bytes:
        return PackCheck(pack, 0, 0, ())
    what = f"is {size_bytes} bytes long where the index makes it {expected_bytes}"
    damage = Damage(name, min(size_bytes, expected_bytes), "", what)
    cut = b"".join(entry for entry in each(entries) if end_of(entry) > size_bytes)
    return PackCheck(pack, 0, 0, ((damage, _ids(cut, pack)),))


def check_pack(storage: Storage, keys: Keys, pack: str, entries: bytes) -> PackCheck:
    """Read a whole pack and check every tag, every blob ID, its header and its own SHA-256.

    Args:
        entries: what the index lists in this pack; see `Index.entries`.
    """
    size = check_size(storage, pack, entries)
    gone = {blob_id for _, lost in size.wounds for blob_id in lost}
    here = by_offset(entries)
    if gone:
        here = b"".join(e for e in each(here) if next(decode(e, pack)).id not in gone)
    if entries and not here:
        return size
    return _PackReader(storage, keys, pack, here, list(size.wounds)).check()


class _PackReader:
    """One pack, read from its first blob to its end.

    Args:
        entries: in the order of their blobs.
        wounds: of a pack that has another length than it should; its header is not looked for.
    """

    def __init__(
        self, storage: Storage, keys: Keys, pack: str, entries: bytes, wounds: list[Wound]
    ) -> None:
        self._storage = storage
        self._blobs = BlobReader(keys)
        self._pack = pack
        self._name = pack_name(pack)
        self._entries = entries
        self._wounds = wounds
        self._end = end_of(entries)
        self._header_bytes = 0 if wounds else header_bytes(entries)
        self._digest = hashlib.sha256()
        self._read_bytes = 0

    def check(self) -> PackCheck:
        """Check blobs, header and SHA-256."""
        for start, end, entries in _runs(self._entries, self._pack):
            self._check_run(start, end, entries)
        # Where nothing is wounded, the header says that blobs fill the pack from its first byte.
        if not self._wounds and self._digest.hexdigest() != self._pack:
            self._wounds.append((locate(MISNAMED, self._name), ()))
        blob_count = len(self._entries) // ENTRY.size
        return PackCheck(self._pack, blob_count, self._read_bytes, tuple(self._wounds))

    def _check_run(self, start: int, end: int, entries: bytes) -> None:
        # The header is read with the last blobs: where a pack is far away, each call counts.
        last_bytes = self._header_bytes if end == self._end else 0
        stored = self._read(start, end - start + last_bytes)
        in_parts = isinstance(stored, Flaw) and len(entries) + last_bytes > ENTRY.size
        for blob in decode(entries, self._pack):
            if not readable_length(blob):
                self._wound(Flaw(f"is listed with a blob of {blob.length} bytes"), blob)
            elif in_parts:
                # One unreadable sector must not take its neighbours with it.
                self._check_blob(self._read(blob.offset, blob.length), blob)
            else:
                self._check_blob(_cut(stored, blob.offset - start, blob.length), blob)
        if last_bytes:
            tail = (
                self._read(end, last_bytes) if in_parts else _cut(stored, end - start, last_bytes)
            )
            self._check_header(tail)

    def _read(self, offset: int, length: int) -> Message | Flaw:
        stored = self._storage.read(self._name, offset, length)
        return stored if isinstance(stored, Flaw) else memoryview(stored)

    def _check_blob(self, sealed: Message | Flaw, blob: Blob) -> None:
        content = sealed if isinstance(sealed, Flaw) else self._blobs.open(sealed, blob)
        if isinstance(content, Flaw):
            self._wound(content, blob)
        if not isinstance(sealed, Flaw):
            self._digest.update(sealed)
            self._read_bytes += len(sealed)

    def _check_header(self, stored: Message | Flaw) -> None:
        blobs = decode(self._entries, self._pack)
        flaw = stored if isinstance(stored, Flaw) else check_header(stored, blobs, self._blobs)
        if flaw is not None:
            self._wounds.append((locate(flaw, self._name, offset=self._end), ()))
        if not isinstance(stored, Flaw):
            self._digest.update(stored)
            self._read_bytes += len(stored)

    def _wound(self, flaw: Flaw, blob: Blob) -> None:
        damage = locate(flaw, self._name, offset=blob.offset, blob=blob.id)
        self._wounds.append((damage, (blob.id,)))


def check_packs(
    repository: Repository,
    executor: Executor | None,
    *,
    packs: Collection[str] | None = None,
    read_data: bool,
) -> Iterator[PackCheck]:
    """Check packs and yield what was found, as it is found: in any order.

    Args:
        executor: takes the packs to other processes or machines; none stays in this one.
        packs: IDs of those to check, each once; none checks every pack that the index lists. One
            that no index lists is checked as a pack of no blobs.
        read_data: read the packs; else check only that they are there and whole by their size.
    """
    index, storage, keys = repository.index, repository.storage, repository.keys
    wanted = index.packs if packs is None else packs
    calls = ((storage, keys, pack, index.entries(pack)) for pack in wanted)
    if not read_data and packs is None:
        yield from _check_sizes(repository)
    elif not read_data:
        yield from (check_size(s, pack, e) for s, _, pack, e in calls)
    elif executor is None:
        yield from (check_pack(*call) for call in calls)
    else:
        yield from _spread(executor, calls)


def _check_sizes(repository: Repository) -> Iterator[PackCheck]:
    # A listing costs one question for a thousand packs where a file costs one each.
    index, storage = repository.index, repository.storage
    sound = bytearray(len(index.packs))
    for name, size_bytes in storage.sizes("data"):
        number = index.pack_number(file_id(name))
        if number is not None and size_bytes == index.pack_bytes(file_id(name)):
            sound[number] = True
            yield PackCheck(index.packs[number], 0, 0, ())
    for pack in (pack for number, pack in enumerate(index.packs) if not sound[number]):
        yield check_size(storage, pack, index.entries(pack))


def _spread(
    executor: Executor, calls: Iterable[tuple[Storage, Keys, str, bytes]]
) -> Iterator[PackCheck]:
    # So many packs are under way at a time that no worker waits, and no list of all grows.
    waiting: set[Future[PackCheck]] = set()
    try:
        for call in calls:
            waiting.add(executor.submit(check_pack, *call))
            if len(waiting) >= _AHEAD:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        for future in as_completed(waiting):
            yield future.result()
    finally:
        for future in waiting:
            future.cancel()


def _ids(entries: bytes, pack: str) -> tuple[str, ...]:
    return tuple(blob.id for blob in decode(entries, pack))


def _cut(stored: Message | Flaw, at: int, length: int) -> Message | Flaw:
    return stored if isinstance(stored, Flaw) else stored[at : at + length]


def _runs(entries: bytes, pack: str) -> Iterator[tuple[int, int, bytes]]:
    """Yield (start, end, entries) of blobs that follow each other without a gap.

    None is longer than one read. A blob of a length that nobody writes is a run of no bytes; so is
    a pack without blobs.
    """
    first = start = end = 0
    for number, blob in enumerate(decode(entries, pack)):
        length = blob.length if readable_length(blob) else 0
        if blob.offset != end or not length or end + length - start > _READ_BYTES:
            if number > first:
                yield start, end, entries[first * ENTRY.size : number * ENTRY.size]
            first, start, end = number, blob.offset, blob.offset
        end += length
    yield start, end, entries[first * ENTRY.size :]
