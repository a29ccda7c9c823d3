"""One pack from its first byte to its last: the unit in which data is verified, in parallel too.

Everything here can be sent to another process: a pack's check takes values and returns one.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from verifier.reader.damage import MISNAMED, Damage, Flaw, locate
from verifier.reader.pack import (
    LENGTH_BYTES,
    Blob,
    header_bytes,
    open_blob,
    parse_header,
    parse_header_length,
    readable_length,
)
from verifier.reader.repository import Repository
from verifier.reader.seal import Keys, unseal
from verifier.reader.storage import Folder, pack_name

_READ_BYTES = 8 << 20
"""Neighbouring blobs are read together up to this much: small blobs cost no call each."""

_AHEAD = 64
"""Packs handed to an executor before the first answer is awaited."""

Wound = tuple[Damage, tuple[str, ...]]
"""A damage, and the IDs of the blobs whose copy in this pack it takes."""


@dataclass(frozen=True, slots=True)
class PackCheck:
    """What reading one pack showed."""

    pack: str
    blob_count: int
    read_bytes: int
    wounds: tuple[Wound, ...]


def check_size(storage: Folder, pack: str, blobs: tuple[Blob, ...]) -> PackCheck:
    """Check that a pack is there and as long as the index says; its content is not read."""
    name = pack_name(pack)
    size_bytes = storage.size(name)
    if isinstance(size_bytes, Flaw):
        return PackCheck(pack, 0, 0, ((locate(size_bytes, name), _ids(blobs)),))
    end = max((blob.offset + blob.length for blob in blobs), default=0)
    expected_bytes = end + header_bytes(blobs)
    if size_bytes == expected_bytes:
        return PackCheck(pack, 0, 0, ())
    what = f"is {size_bytes} bytes long where the index makes it {expected_bytes}"
    cut = tuple(blob for blob in blobs if blob.offset + blob.length > size_bytes)
    damage = Damage(name, min(size_bytes, expected_bytes), "", what)
    return PackCheck(pack, 0, 0, ((damage, _ids(cut)),))


def check_pack(storage: Folder, keys: Keys, pack: str, blobs: tuple[Blob, ...]) -> PackCheck:
    """Read a whole pack and check every tag, every blob ID, its header and its own SHA-256.

    Args:
        blobs: what the index lists in this pack, in any order.
    """
    name = pack_name(pack)
    size = check_size(storage, pack, blobs)
    gone = {blob_id for _, lost in size.wounds for blob_id in lost}
    if blobs and len(gone) == len(blobs):
        return size
    wounds = list(size.wounds)
    digest, end, read_bytes = hashlib.sha256(), 0, 0
    here = sorted((b for b in blobs if b.id not in gone), key=lambda blob: (blob.offset, blob.id))
    wounds += [_impossible(blob, name) for blob in here if not readable_length(blob)]
    for group in _neighbours([blob for blob in here if readable_length(blob)]):
        found = _read_group(storage, name, group)
        wounds += [wound for blob, part in found if (wound := _check(blob, part, name, keys))]
        parts = [part for _, part in found if isinstance(part, bytes)]
        read_bytes += sum(map(len, parts))
        if group[0].offset == end:
            end = group[-1].offset + group[-1].length
            for part in parts:
                digest.update(part)
    if not size.wounds:
        wounds += _check_header(storage, keys, pack, end, here)
    if not wounds and _finish(digest, storage, name, end) != pack:
        wounds.append((locate(MISNAMED, name), ()))
    return PackCheck(pack, len(here), read_bytes, tuple(wounds))


def check_packs(
    repository: Repository, executor: Executor | None, *, read_data: bool
) -> Iterator[PackCheck]:
    """Check every pack that the index lists, in the order of the index.

    Args:
        executor: takes the packs to other processes or machines; none stays in this one.
        read_data: read the packs; else check only that they are there and whole by their size.
    """
    index, storage, keys = repository.index, repository.storage, repository.keys
    waiting: deque[Future[PackCheck]] = deque()
    for pack, numbers in index.contents().items():
        blobs = tuple(index[number] for number in numbers)
        if not read_data:
            yield check_size(storage, pack, blobs)
        elif executor is None:
            yield check_pack(storage, keys, pack, blobs)
        else:
            waiting.append(executor.submit(check_pack, storage, keys, pack, blobs))
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _ids(blobs: tuple[Blob, ...]) -> tuple[str, ...]:
    return tuple(blob.id for blob in blobs)


def _neighbours(blobs: list[Blob]) -> Iterator[list[Blob]]:
    # Runs of blobs that follow each other without a gap, none longer than one read.
    group: list[Blob] = []
    for blob in blobs:
        end = group[-1].offset + group[-1].length if group else -1
        if group and (blob.offset != end or end + blob.length - group[0].offset > _READ_BYTES):
            yield group
            group = []
        group.append(blob)
    if group:
        yield group


def _read_group(storage: Folder, name: str, group: list[Blob]) -> list[tuple[Blob, bytes | Flaw]]:
    first, last = group[0], group[-1]
    run = storage.read(name, first.offset, last.offset + last.length - first.offset)
    if isinstance(run, Flaw) and len(group) > 1:
        # One unreadable sector must not take its neighbours with it.
        return [(blob, storage.read(name, blob.offset, blob.length)) for blob in group]
    if isinstance(run, Flaw):
        return [(first, run)]
    cuts = [(blob, blob.offset - first.offset) for blob in group]
    return [(blob, run[at : at + blob.length]) for blob, at in cuts]


def _impossible(blob: Blob, name: str) -> Wound:
    flaw = Flaw(f"is listed with a blob of {blob.length} bytes")
    return locate(flaw, name, offset=blob.offset, blob=blob.id), (blob.id,)


def _check(blob: Blob, sealed: bytes | Flaw, name: str, keys: Keys) -> Wound | None:
    content = sealed if isinstance(sealed, Flaw) else open_blob(sealed, blob, keys)
    if isinstance(content, bytes):
        return None
    return locate(content, name, offset=blob.offset, blob=blob.id), (blob.id,)


def _check_header(
    storage: Folder, keys: Keys, pack: str, end: int, blobs: list[Blob]
) -> list[Wound]:
    name = pack_name(pack)
    found = _read_header(storage, keys, pack)
    if not isinstance(found, Flaw):
        if sorted(found, key=lambda blob: (blob.offset, blob.id)) == blobs:
            return []
        found = Flaw("has a header that lists other blobs than the index")
    return [(locate(found, name, offset=end), ())]


def _read_header(storage: Folder, keys: Keys, pack: str) -> tuple[Blob, ...] | Flaw:
    name = pack_name(pack)
    size_bytes = storage.size(name)
    if isinstance(size_bytes, Flaw):
        return size_bytes
    tail = storage.read(name, max(0, size_bytes - LENGTH_BYTES), LENGTH_BYTES)
    length = tail if isinstance(tail, Flaw) else parse_header_length(tail, size_bytes)
    if isinstance(length, Flaw):
        return length
    sealed = storage.read(name, size_bytes - LENGTH_BYTES - length, length)
    header = sealed if isinstance(sealed, Flaw) else unseal(sealed, keys)
    if isinstance(header, Flaw):
        return Flaw(f"has a header that {header.what}")
    return parse_header(header, pack)


def _finish(digest: hashlib._Hash, storage: Folder, name: str, end: int) -> str | None:
    # What follows the blobs: the header, or everything behind a gap that the index leaves.
    while rest := storage.read(name, end, _READ_BYTES):
        if isinstance(rest, Flaw):
            return None
        digest.update(rest)
        end += len(rest)
    return digest.hexdigest()
