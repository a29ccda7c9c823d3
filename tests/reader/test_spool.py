"""Sorting in runs is sorting, whatever the size of a run; what lies in a file reads as it was."""

from __future__ import annotations

import os
import random
import tempfile
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.core.errors import CannotVerify
from verifier.reader import spool as spool_room
from verifier.reader.spool import Sorter, Spool


def sort(parts: list[list[bytes]], *, max_run: int) -> bytes:
    with closing(Sorter(4, max_run=max_run)) as sorter:
        for part in parts:
            sorter.add(part)
        return sorter.finish()[:]


@given(st.lists(st.lists(st.binary(min_size=4, max_size=4) | st.just(b"same"))), st.integers(1, 9))
def test_runs_merge_to_what_sorting_gives(parts, max_run):
    every = sorted({record for part in parts for record in part})

    assert b"".join(every) == sort(parts, max_run=max_run)


def test_vast_spool_lies_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(spool_room, "MAX_MEMORY_BYTES", 10)
    with closing(Spool()) as spool:
        spool.append(b"0123456789")
        spool.append(b"abc")

        assert list(tmp_path.iterdir()) == []

        stored = spool.finish()

    assert not isinstance(stored, bytes)
    assert stored[8:] == b"89abc"


@pytest.mark.parametrize("size_bytes", [0, 10])
def test_short_spool_stays_in_memory(size_bytes):
    with closing(Spool()) as spool:
        spool.append(bytes(size_bytes))

        assert bytes(size_bytes) == spool.finish()


def test_full_disk_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with closing(Spool()) as spool, pytest.raises(CannotVerify) as error:
        spool.append(bytes(spool_room.MAX_MEMORY_BYTES + 1))

    assert "TMPDIR" in error.value.remedy


def test_merge_holds_no_more_than_a_run(monkeypatch):
    """Also where the runs do not overlap, and where all records begin alike."""
    held: list[int] = []
    unique = spool_room._unique

    def watched(records: list[bytes]) -> dict[bytes, None]:
        held.append(len(records))
        return unique(records)

    monkeypatch.setattr(spool_room, "_unique", watched)
    rng = random.Random(3)
    records = [os.urandom(1) + rng.randbytes(3) for _ in range(2_000)]
    records[:500] = sorted(records[:500])
    sort([[record] for record in records], max_run=100)

    assert max(held) <= 100
