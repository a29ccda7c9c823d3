"""What changed between two real backups: moves are none, encryption shows, packing does not."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drill.lab import PASSWORD, Lab
from verifier.drill.census import Census
from verifier.drill.changes import Differences, differences
from verifier.drill.entropy import Compressibility
from verifier.reader.repository import Repository, open_repository

DRAW = random.Random(2)
COUNT = 12
WORDS = [bytes([letter]) * 3 for letter in range(97, 123)]


def prose(number: int) -> bytes:
    return f"{number} ".encode() + b" ".join(DRAW.choices(WORDS, k=6_000 + 40 * number))


def encrypt(path: Path) -> None:
    path.write_bytes(DRAW.randbytes(path.stat().st_size + 32))


def lock(path: Path) -> None:
    encrypt(path)
    path.rename(path.with_name(f"{path.name}.id-7.locked"))


def disguise(path: Path) -> None:
    encrypt(path)
    path.rename(path.with_name(DRAW.randbytes(6).hex()))


def pack(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def wrap(path: Path) -> None:
    encrypt(path)
    pack(path)


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" and more")


def move(path: Path) -> None:
    path.rename(path.with_name(f"moved-{path.name}"))


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def before(lab: Lab) -> Lab:
    for number in range(COUNT):
        lab.write(**{f"docs__{number % 3}__note{number}.txt": prose(number)})
    lab.write(same=b"never touched", photo=DRAW.randbytes(9_000))
    lab.backup()
    return lab


def after(lab: Lab, do: Callable[[Path], None], *options: str, reads: int = 500) -> Differences:
    for path in sorted(lab.live.glob("docs/*/*")):
        do(path)
    lab.restic(*options, "backup", "-q", "--host=web1", str(lab.live))
    opened: Repository = open_repository(lab.repository, PASSWORD)
    old, new = opened.snapshots()
    return differences(opened, old.tree, new.tree, Compressibility(opened, reads=reads))


@pytest.mark.parametrize("do", [encrypt, lock, disguise, wrap])
def test_encryption_scrambles(before: Lab, do: Callable[[Path], None]) -> None:
    found = after(before, do)

    assert (COUNT, COUNT, 0) == (found.judged, found.scrambled, found.reversed)
    assert found.examples


@pytest.mark.parametrize("do", [encrypt, lock])
def test_encryption_shows_where_nothing_is_compressed(
    before: Lab, do: Callable[[Path], None]
) -> None:
    assert COUNT == after(before, do, "--compression=off").scrambled


def test_without_reads_uncompressed_content_is_not_judged(before: Lab) -> None:
    found = after(before, encrypt, "--compression=off", reads=0)

    assert (0, 0, COUNT) == (found.judged, found.scrambled, found.changed)


def test_packing_scrambles_nothing(before: Lab) -> None:
    found = after(before, pack)

    assert (COUNT, 0) == (found.judged, found.scrambled)
    assert (COUNT, COUNT, 0) == (found.added, found.removed, found.changed)


def test_editing_scrambles_nothing(before: Lab) -> None:
    found = after(before, edit)

    assert (COUNT, 0, COUNT) == (found.judged, found.scrambled, found.changed)


def test_moving_changes_nothing(before: Lab) -> None:
    found = after(before, move)

    assert (0, 0, 0) == (found.added, found.removed, found.changed)


def test_removing_only_removes(before: Lab) -> None:
    found = after(before, remove)

    assert (0, COUNT, 0) == (found.added, found.removed, found.changed)


def test_same_tree_is_not_even_read(before: Lab) -> None:
    opened = open_repository(before.repository, PASSWORD)
    [only] = opened.snapshots()
    nothing = differences(opened, only.tree, only.tree, Compressibility(opened, reads=0))

    assert Differences(0, 0, 0, 0, 0, 0, (), whole=True) == nothing


def test_tree_that_cannot_be_read_is_said(before: Lab) -> None:
    opened = open_repository(before.repository, PASSWORD)
    [only] = opened.snapshots()

    assert not differences(opened, only.tree, "0" * 64, Compressibility(opened, reads=0)).whole


def test_census_counts_what_restic_counts(before: Lab) -> None:
    opened = open_repository(before.repository, PASSWORD)
    [only] = opened.snapshots()
    files = [node for node in before.listed() if node["type"] == "file"]
    count = Census(opened, limit=10_000).of(only.tree)

    assert count is not None
    assert (len(files), sum(f["size"] for f in files)) == (count.files, count.size_bytes)
    assert count.changed_at is not None
    assert count.whole


def test_census_guesses_nothing_beyond_its_limit(before: Lab) -> None:
    opened = open_repository(before.repository, PASSWORD)
    [only] = opened.snapshots()

    assert Census(opened, limit=3).of(only.tree) is None
