"""Packs that are fetched whole where many small pieces are asked of them."""

from __future__ import annotations

import hashlib
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from verifier.reader import nearby
from verifier.reader.remote import Remote

Make = Callable[[int], tuple[Remote, str, bytes]]


@dataclass
class Counting:
    """fsspec's own local file system, that notes how much every transfer was."""

    transfers: list[int] = field(default_factory=list)

    def __getattr__(self, verb: str) -> Any:
        return getattr(LocalFileSystem(), verb)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read, and note it."""
        part: bytes = LocalFileSystem().cat_file(path, start=start, end=end)
        self.transfers.append(len(part))
        return part


@pytest.fixture
def pack(tmp_path: Path) -> Make:
    """Make a pack of so many bytes in a distant repository."""

    def make(size_bytes: int) -> tuple[Remote, str, bytes]:
        content = random.Random(size_bytes).randbytes(size_bytes)
        name = hashlib.sha256(content).hexdigest()
        file = tmp_path / "data" / name[:2] / name
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        storage = Remote(Counting(), str(tmp_path), "far away", "")
        return storage, f"data/{name[:2]}/{name}", content

    return make


def transfers(storage: Remote) -> list[int]:
    assert isinstance(storage.files, Counting)
    return storage.files.transfers


def test_many_pieces_of_a_pack_cost_few_transfers_and_are_right(pack: Make) -> None:
    storage, name, content = pack(1_000_000)
    starts = [random.Random(1).randrange(1_001_000) for _ in range(500)]
    found = [storage.read(name, start, 1_000) for start in starts]

    assert [content[start : start + 1_000] for start in starts] == found
    assert len(transfers(storage)) < 20
    assert sum(transfers(storage)) < 2 * len(content)


def test_a_pack_is_not_fetched_for_less_than_it_is_worth(pack: Make) -> None:
    storage, name, content = pack(4 << 20)
    for start in range(0, 15_000, 1_000):
        storage.read(name, start, 1_000)
    before = sum(transfers(storage))
    storage.read(name, 0, 1_000)

    assert 15_000 == before
    assert before + len(content) == sum(transfers(storage))


@pytest.mark.parametrize("sound", [True, False])
def test_a_pack_that_is_not_what_its_name_says_is_asked_for_anew(
    pack: Make, tmp_path: Path, *, sound: bool
) -> None:
    """Whoever looks twice at what looks bad must get what the server says the second time."""
    storage, name, content = pack(1_000_000)
    if not sound:
        (tmp_path / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    for _ in range(100):
        storage.read(name, 5, 10)
    (tmp_path / name).write_bytes(bytes(1_000_000))

    assert (content[5:15] if sound else bytes(10)) == storage.read(name, 5, 10)


def test_where_there_is_no_room_pieces_are_asked_for(
    pack: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearby, "MAX_BYTES", 500_000)
    storage, name, content = pack(1_000_000)

    assert [content[5:15]] * 100 == [storage.read(name, 5, 10) for _ in range(100)]
    assert 1_000 == sum(transfers(storage))


def test_what_was_fetched_does_not_travel_to_another_process(pack: Make) -> None:
    storage, name, _ = pack(1_000_000)
    for _ in range(100):
        storage.read(name, 5, 10)
    there = pickle.loads(pickle.dumps(storage))  # noqa: S301

    assert len(pickle.dumps(storage)) < 2_000
    assert storage.read(name, 5, 10) == there.read(name, 5, 10)
