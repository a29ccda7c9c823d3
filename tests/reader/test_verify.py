"""Damage is found, named, and traced to the files it takes; the healthy twin shows none."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.core.errors import CannotVerify, RepositoryUnreadable
from verifier.core.tree import Node
from verifier.reader.contents import check_packs
from verifier.reader.damage import Damage
from verifier.reader.pack import DATA, Blob
from verifier.reader.repository import Repository, open_repository
from verifier.reader.seal import seal, unseal
from verifier.reader.storage import pack_name
from verifier.reader.verify import LostFile, losses, lost_blobs, verify


def rewrite(path: Path, stored: bytes) -> None:
    path.unlink()  # a hard link to the healthy twin's file
    path.write_bytes(stored)


def flip(path: Path, offset: int, bit: int = 0) -> None:
    stored = bytearray(path.read_bytes())
    stored[offset] ^= 1 << bit
    rewrite(path, bytes(stored))


def first(root: Path, kind: str) -> str:
    return f"{kind}/{min(file.name for file in (root / kind).iterdir())}"


def big_blob(repository: Repository) -> Blob:
    return max((b for b in repository.blobs() if b.type == DATA), key=lambda blob: blob.length)


def root_blob(repository: Repository) -> Blob:
    return repository.index.find(repository.snapshots()[0].tree)[0]


def users_of(repository: Repository, blob_ids: set[str]) -> set[LostFile]:
    """Return the files that need a blob, found the slow way: by walking everything."""
    return {
        LostFile(snapshot.id, path)
        for snapshot in repository.snapshots()
        for path, node in repository.walk(snapshot)
        if isinstance(node, Node) and blob_ids & set(node.content)
    }


def everything(repository: Repository) -> set[LostFile]:
    return {LostFile(snapshot.id, "/") for snapshot in repository.snapshots()}


def in_pack(repository: Repository, pack: str) -> set[str]:
    return {blob.id for blob in repository.blobs() if blob.pack == pack}


@dataclass(frozen=True)
class Broken:
    """Where damage was done, and what it must be found to take."""

    file: str
    offset: int
    blob: str
    lost: set[LostFile]


def data_bit(root: Path, healthy: Repository) -> Broken:
    blob = big_blob(healthy)
    flip(root / pack_name(blob.pack), blob.offset + blob.length // 2)
    return Broken(pack_name(blob.pack), blob.offset, blob.id, users_of(healthy, {blob.id}))


def tree_bit(root: Path, healthy: Repository) -> Broken:
    blob = root_blob(healthy)
    flip(root / pack_name(blob.pack), blob.offset + 20)
    lost = {LostFile(healthy.snapshots()[0].id, "/")}
    return Broken(pack_name(blob.pack), blob.offset, blob.id, lost)


def header_bit(root: Path, healthy: Repository) -> Broken:
    blob = big_blob(healthy)
    path = root / pack_name(blob.pack)
    flip(path, path.stat().st_size - 30)
    ends = (b.offset + b.length for b in healthy.blobs() if b.pack == blob.pack)
    return Broken(pack_name(blob.pack), max(ends), "", set())


def header_length_bit(root: Path, healthy: Repository) -> Broken:
    broken = header_bit(root, healthy)
    path = root / broken.file
    flip(path, path.stat().st_size - 30)
    flip(path, path.stat().st_size - 1, bit=7)
    return broken


def deleted_pack(root: Path, healthy: Repository) -> Broken:
    pack = big_blob(healthy).pack
    (root / pack_name(pack)).unlink()
    return Broken(pack_name(pack), 0, "", users_of(healthy, in_pack(healthy, pack)))


def truncated_pack(root: Path, healthy: Repository) -> Broken:
    blob = big_blob(healthy)
    path = root / pack_name(blob.pack)
    rewrite(path, path.read_bytes()[: blob.offset + 100])
    beyond = {b.id for b in healthy.blobs() if b.pack == blob.pack and b.offset >= blob.offset}
    return Broken(pack_name(blob.pack), blob.offset + 100, "", users_of(healthy, beyond))


def lengthened_pack(root: Path, healthy: Repository) -> Broken:
    pack = big_blob(healthy).pack
    path = root / pack_name(pack)
    size_bytes = path.stat().st_size
    rewrite(path, path.read_bytes() + b"more")
    return Broken(pack_name(pack), size_bytes, "", set())


def index_bit(root: Path, healthy: Repository) -> Broken:
    name = first(root, "index")
    flip(root / name, 50)
    return Broken(name, 0, "", set())


def truncated_index(root: Path, healthy: Repository) -> Broken:
    name = first(root, "index")
    rewrite(root / name, (root / name).read_bytes()[:10])
    return Broken(name, 0, "", set())


def snapshot_bit(root: Path, healthy: Repository) -> Broken:
    snapshot = healthy.snapshots()[0].id
    flip(root / "snapshots" / snapshot, 40)
    return Broken(f"snapshots/{snapshot}", 0, "", {LostFile(snapshot, "/")})


def config_bit(root: Path, healthy: Repository) -> Broken:
    flip(root / "config", 40)
    return Broken("config", 0, "", everything(healthy))


def deleted_config(root: Path, healthy: Repository) -> Broken:
    (root / "config").unlink()
    return Broken("config", 0, "", everything(healthy))


def key_bit(root: Path, healthy: Repository) -> Broken:
    name = first(root, "keys")
    second = root / "keys" / ("f" * 64)
    second.write_bytes((root / name).read_bytes()[:-1])
    return Broken(f"keys/{second.name}", 0, "", set())


SEEN_WITHOUT_DATA = [
    tree_bit,
    deleted_pack,
    truncated_pack,
    lengthened_pack,
    snapshot_bit,
    config_bit,
    deleted_config,
    key_bit,
]
SEEN_WITH_DATA = [*SEEN_WITHOUT_DATA, data_bit, header_bit, header_length_bit]
CASES = [
    *((damage, True) for damage in SEEN_WITH_DATA),
    *((damage, False) for damage in SEEN_WITHOUT_DATA),
]


@pytest.mark.parametrize("variant", ["v1", "v2"])
@pytest.mark.parametrize(("damage", "read_data"), CASES)
def test_damage_is_named_with_the_files_it_takes(copy_of, damage, read_data, variant):
    made = copy_of(variant)
    healthy = open_repository(made.root, made.password)

    assert not verify(healthy, read_data=read_data).damages

    broken = damage(made.root, healthy)
    result = verify(open_repository(made.root, made.password), read_data=read_data)

    assert [(broken.file, broken.offset, broken.blob)] == [
        (found.file, found.offset, found.blob) for found in result.damages
    ]
    assert broken.lost == set(result.lost.get(result.damages[0], ()))
    assert result.listed_all


@pytest.mark.parametrize("damage", [index_bit, truncated_index])
def test_damaged_index_takes_what_it_listed(copy_of, damage):
    made = copy_of()
    broken = damage(made.root, open_repository(made.root, made.password))
    result = verify(open_repository(made.root, made.password), read_data=False)
    (found,) = result.damages

    assert broken.file == found.file
    assert result.lost[found]


def test_deleted_index_shows_as_blobs_that_none_lists(copy_of):
    made = copy_of()
    (made.root / first(made.root, "index")).unlink()
    result = verify(open_repository(made.root, made.password), read_data=False)

    assert {("index", "lists no such blob")} == {(d.file, d.what) for d in result.damages}
    assert set(result.lost) == set(result.damages)


def listing(blobs: list[Blob], pack_of: Callable[[Blob], str]) -> bytes:
    """Return an index file's JSON that lists these blobs, each in the pack it is said to be in."""
    packs: dict[str, list[dict[str, object]]] = {}
    for b in blobs:
        entry = {"id": b.id, "type": b.type, "offset": b.offset, "length": b.length}
        plain = {"uncompressed_length": b.plain_length} if b.plain_length else {}
        packs.setdefault(pack_of(b), []).append(entry | plain)
    return json.dumps(
        {"packs": [{"id": i, "blobs": listed} for i, listed in packs.items()]}
    ).encode()


def replace_index(made, store_sealed, message: bytes) -> None:
    for index in (made.root / "index").iterdir():
        index.unlink()
    store_sealed(made, "index", message)


def test_snapshot_under_another_name_is_found(copy_of):
    made = copy_of()
    name = first(made.root, "snapshots")
    other = f"snapshots/{'0' * 64}"
    (made.root / name).rename(made.root / other)
    repository = open_repository(made.root, made.password)
    (found,) = verify(repository, read_data=False).damages

    assert other == found.file
    assert len(repository.snapshots()) == 1


def test_pack_under_another_name_is_found(copy_of, store_sealed):
    made = copy_of()
    repository = open_repository(made.root, made.password)
    pack, other = big_blob(repository).pack, "0" * 64
    replace_index(
        made,
        store_sealed,
        listing(list(repository.blobs()), lambda b: other if b.pack == pack else b.pack),
    )
    (made.root / pack_name(other)).parent.mkdir(exist_ok=True)
    (made.root / pack_name(pack)).rename(made.root / pack_name(other))
    result = verify(open_repository(made.root, made.password), read_data=True)

    assert [(pack_name(other), "")] == [(found.file, found.blob) for found in result.damages]
    assert not result.lost


def test_data_that_no_index_lists_takes_its_files(copy_of, store_sealed):
    made = copy_of()
    healthy = open_repository(made.root, made.password)
    pack = big_blob(healthy).pack
    kept = [blob for blob in healthy.blobs() if blob.pack != pack]
    lost = users_of(healthy, in_pack(healthy, pack))
    replace_index(made, store_sealed, listing(kept, lambda blob: blob.pack))
    result = verify(open_repository(made.root, made.password), read_data=False)

    assert {("index", "lists no such blob")} == {(d.file, d.what) for d in result.damages}
    assert lost == {file for files in result.lost.values() for file in files}


def test_pack_in_the_place_of_another_is_found(copy_of):
    made = copy_of()
    blob = big_blob(open_repository(made.root, made.password))
    path = made.root / pack_name(blob.pack)
    other = next(p for p in (made.root / "data").rglob("*") if p.is_file() and p != path)
    rewrite(path, other.read_bytes())
    result = verify(open_repository(made.root, made.password), read_data=True)

    assert {pack_name(blob.pack)} == {found.file for found in result.damages}


def test_damaged_only_key_is_an_error_that_names_it(copy_of):
    made = copy_of()
    name = first(made.root, "keys")
    flip(made.root / name, 100)
    with pytest.raises(RepositoryUnreadable) as error:
        open_repository(made.root, made.password)

    assert error.value.subject.endswith(name)


def test_blob_with_a_sound_copy_is_not_lost(copy_of, store_sealed):
    """A second pack with the same content, listed by a second index, stands in for the first."""
    made = copy_of()
    repository = open_repository(made.root, made.password)
    blob = big_blob(repository)
    pack = (made.root / pack_name(blob.pack)).read_bytes()
    blobs = [b for b in repository.blobs() if b.pack == blob.pack]
    twin = resealed_pack(repository, pack, blobs)
    twin_id = hashlib.sha256(twin).hexdigest()
    (made.root / pack_name(twin_id)).parent.mkdir(exist_ok=True)
    (made.root / pack_name(twin_id)).write_bytes(twin)
    store_sealed(made, "index", listing(blobs, lambda _: twin_id))

    assert not verify(open_repository(made.root, made.password), read_data=True).damages

    flip(made.root / pack_name(blob.pack), blob.offset + 50)
    result = verify(open_repository(made.root, made.password), read_data=True)

    assert [blob.id] == [found.blob for found in result.damages]
    assert not result.lost
    assert isinstance(open_repository(made.root, made.password).blob(blob.id), bytes)


def resealed_pack(repository: Repository, pack: bytes, blobs: list[Blob]) -> bytes:
    """Return the same pack with its header sealed under another nonce: another SHA-256."""
    header_length = int.from_bytes(pack[-4:], "little")
    header = unseal(pack[-4 - header_length : -4], repository.keys)
    assert isinstance(header, bytes)
    return pack[: -4 - header_length] + seal(header, repository.keys, os.urandom(16)) + pack[-4:]


def test_losses_are_those_of_the_chosen_snapshots(copy_of):
    made = copy_of()
    broken = data_bit(made.root, open_repository(made.root, made.password))
    repository = open_repository(made.root, made.password)
    wounds = [w for c in check_packs(repository, None, read_data=True) for w in c.wounds]
    lost = lost_blobs(repository, wounds)

    assert {broken.blob} == set(lost)
    for chosen in ((), repository.snapshots()[:1], repository.snapshots()):
        seen = losses(repository, lost, chosen)
        found = {file for files in seen.lost.values() for file in files}

        assert {file for file in broken.lost if file.snapshot in {s.id for s in chosen}} == found
        assert not seen.damages


def test_blob_is_lost_with_its_last_copy(copy_of, store_sealed):
    made = copy_of()
    repository = open_repository(made.root, made.password)
    blob = big_blob(repository)
    here = (Damage(pack_name(blob.pack), blob.offset, blob.id, "here"), (blob.id,))
    there = (Damage(pack_name("0" * 64), 0, "", "there"), (blob.id,))

    assert {blob.id: (here[0],)} == lost_blobs(repository, [here])

    store_sealed(made, "index", listing([blob], lambda _: "0" * 64))
    repository = open_repository(made.root, made.password)

    assert {} == lost_blobs(repository, [here])
    assert {blob.id: (here[0], there[0])} == lost_blobs(repository, [here, there])


def test_healthy_repository_is_read_whole(made):
    repository = open_repository(made.root, made.password)
    result = verify(repository, read_data=True)

    assert result.damages == ()
    assert result.lost == {}
    assert len(repository.index) == result.blob_count
    assert len(repository.snapshots()) == result.snapshot_count == 2
    assert sum(size for _, size in repository.storage.sizes("data")) == result.read_bytes


def test_parallel_verification_sees_the_same(copy_of):
    made = copy_of()
    data_bit(made.root, open_repository(made.root, made.password))
    repository = open_repository(made.root, made.password)
    alone = verify(repository, read_data=True)
    with ProcessPoolExecutor(2) as executor:
        together = verify(repository, read_data=True, executor=executor)

    assert alone.damages
    assert alone == together


@pytest.fixture(scope="module")
def tiny_files(tiny):
    assert not verify(open_repository(tiny.root, tiny.password), read_data=True).damages
    return {path: path.read_bytes() for path in sorted(tiny.root.rglob("*")) if path.is_file()}


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_flipped_bit_anywhere_goes_unseen(tiny, tiny_files, data):
    files = tiny_files
    path = data.draw(st.sampled_from(list(files)))
    offset = data.draw(st.integers(0, len(files[path]) - 1))
    bit = data.draw(st.integers(0, 7))
    try:
        flip(path, offset, bit)
        seen = verdict_of(tiny)
    finally:
        rewrite(path, files[path])

    assert path.name in seen


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_mangled_file_crashes_or_goes_unseen(tiny, tiny_files, data):
    files = tiny_files
    path = data.draw(st.sampled_from(list(files)))
    stored = mangle(files[path], random.Random(data.draw(st.integers(0, 1 << 32))))
    try:
        rewrite(path, stored)
        seen = verdict_of(tiny)
    finally:
        rewrite(path, files[path])

    assert path.name in seen or stored == files[path]


def verdict_of(made) -> str:
    try:
        result = verify(open_repository(made.root, made.password), read_data=True)
    except CannotVerify as error:
        return str(error)
    return " ".join(str(found) for found in result.damages)


def mangle(stored: bytes, rng: random.Random) -> bytes:
    at, until = sorted((rng.randrange(len(stored) + 1), rng.randrange(len(stored) + 1)))
    part: Callable[[], bytes] = rng.choice(
        [
            lambda: b"",
            lambda: rng.randbytes(until - at),
            lambda: bytes(until - at),
            lambda: stored[at:until] * 2,
            lambda: b"\xff" * 4,
        ]
    )
    return stored[:at] + part() + stored[until:]
