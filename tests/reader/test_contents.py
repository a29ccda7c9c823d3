"""Chosen packs, read here or elsewhere; a bad sector takes its own blob alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from verifier.reader import contents
from verifier.reader.contents import PackCheck, check_pack, check_packs
from verifier.reader.damage import Flaw
from verifier.reader.entries import by_offset, decode, each, end_of
from verifier.reader.repository import open_repository
from verifier.reader.storage import Folder, pack_name


def by_pack(checks: Iterator[PackCheck]) -> dict[str, PackCheck]:
    found = list(checks)

    assert len(found) == len({check.pack for check in found})

    return {check.pack: check for check in found}


def test_only_the_chosen_packs_are_read(made_of):
    made = made_of("v2")
    repository = open_repository(made.root, made.password)
    every = by_pack(check_packs(repository, None, read_data=True))
    chosen = repository.index.packs[:1]
    found = by_pack(check_packs(repository, None, packs=chosen, read_data=True))

    assert set(repository.index.packs) == set(every)
    assert {pack: every[pack] for pack in chosen} == found
    assert {} == by_pack(check_packs(repository, None, packs=(), read_data=True))


@pytest.mark.parametrize("read_data", [False, True])
def test_pack_that_no_index_lists_is_damaged(made_of, read_data):
    made = made_of("v2")
    repository = open_repository(made.root, made.password)
    (check,) = check_packs(repository, None, packs=["0" * 64], read_data=read_data)

    assert [pack_name("0" * 64)] == [damage.file for damage, _ in check.wounds]


@pytest.mark.parametrize("read_data", [False, True])
def test_all_packs_show_what_each_shows(copy_of, read_data):
    """A listing is asked for all, and every file for a few: they must not differ."""
    made = copy_of()
    repository = open_repository(made.root, made.password)
    gone, longer = repository.index.packs[:2]
    (made.root / pack_name(gone)).unlink()
    stored = (made.root / pack_name(longer)).read_bytes()
    (made.root / pack_name(longer)).unlink()
    (made.root / pack_name(longer)).write_bytes(stored + b"more")
    packs = repository.index.packs
    every = by_pack(check_packs(repository, None, read_data=read_data))

    assert every == by_pack(check_packs(repository, None, packs=packs, read_data=read_data))
    assert {gone, longer} == {pack for pack, check in every.items() if check.wounds}


def test_other_processes_see_the_same(made_of):
    made = made_of("v2")
    repository = open_repository(made.root, made.password)
    here = by_pack(check_packs(repository, None, read_data=True))
    with ProcessPoolExecutor(2) as executor:
        there = by_pack(check_packs(repository, executor, read_data=True))

    assert here == there


class Counted(ThreadPoolExecutor):
    """Knows what it was given."""

    def __init__(self) -> None:
        super().__init__(1)
        self.handed_in: list[Future[object]] = []

    def submit(self, *call, **options):
        self.handed_in.append(super().submit(*call, **options))
        return self.handed_in[-1]


def test_work_that_nobody_waits_for_is_cancelled(made_of, monkeypatch):
    made = made_of("v2")
    repository = open_repository(made.root, made.password)
    packs = list(repository.index.packs) * 20
    monkeypatch.setattr(contents, "_AHEAD", 8)
    with Counted() as executor:
        checks = check_packs(repository, executor, packs=packs, read_data=True)
        next(checks)
        checks.close()

    assert 0 < len(executor.handed_in) < len(packs)
    assert any(future.cancelled() for future in executor.handed_in)
    assert isinstance(executor, Executor)


@dataclass(frozen=True)
class BadSector:
    """A folder on a disk that cannot read one byte of one file."""

    folder: Folder
    name: str
    at: int

    def size(self, name: str) -> int | Flaw:
        return self.folder.size(name)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes | Flaw:
        if name == self.name and offset <= self.at < offset + (length or 0):
            return Flaw("cannot be read back from the disk")
        return self.folder.read(name, offset, length)


def pack_of_many(root: Path, password: str):
    """Return a repository, its pack with most blobs, and the entries of these in order."""
    repository = open_repository(root, password)
    pack = max(repository.index.packs, key=lambda pack: len(repository.index.entries(pack)))
    return repository, pack, by_offset(repository.index.entries(pack))


def test_bad_sector_takes_its_own_blob_alone(made_of):
    made = made_of("v2")
    repository, pack, entries = pack_of_many(made.root, made.password)
    blobs = list(decode(entries, pack))
    for blob in (blobs[0], blobs[1], blobs[-1]):
        storage = BadSector(Folder(made.root), pack_name(pack), blob.offset + 5)
        check = check_pack(storage, repository.keys, pack, entries)

        assert [(blob.offset, (blob.id,))] == [(d.offset, lost) for d, lost in check.wounds]

    storage = BadSector(Folder(made.root), pack_name(pack), end_of(entries) + 5)
    check = check_pack(storage, repository.keys, pack, entries)

    assert [(end_of(entries), ())] == [(d.offset, lost) for d, lost in check.wounds]
    assert check_pack(Folder(made.root), repository.keys, pack, entries).wounds == ()


def test_order_of_a_listing_means_nothing(made_of):
    made = made_of("v2")
    repository, pack, entries = pack_of_many(made.root, made.password)
    backwards = b"".join(reversed(list(each(entries))))
    check = check_pack(repository.storage, repository.keys, pack, backwards)

    assert check.wounds == ()
    assert repository.storage.size(pack_name(pack)) == check.read_bytes


def test_pack_with_a_blob_that_is_not_listed_is_damaged(made_of):
    made = made_of("v2")
    repository, pack, entries = pack_of_many(made.root, made.password)
    for number in range(2):
        fewer = list(each(entries))
        del fewer[number]
        check = check_pack(repository.storage, repository.keys, pack, b"".join(fewer))

        assert check.wounds
