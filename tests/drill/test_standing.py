"""What the ledger says of its scopes is what runs wrote into it, as of the last finished one."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.drill.ledger_writer import AT, MONTH, PACKS
from tests.drill.unprivileged import as_nobody
from verifier.core.errors import CannotVerify
from verifier.core.report import Coverage
from verifier.drill.ledger import Ledger, file_key, open_ledger
from verifier.drill.standing import Age, Memory, read_ledger
from verifier.drill.telling import ledger_coverage, ledger_findings, ledger_section

HOUR = timedelta(hours=1)

Rounds = tuple[Mapping[int, tuple[int, int]], ...]
"""What is held after each round, by the round that last proved it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def write(path: Path, *rounds: Mapping[int, tuple[int, int]], within: int = 2) -> None:
    with open_ledger(path) as ledger:
        for month, held in enumerate(rounds):
            one_round(ledger, month, held, within=within)


def one_round(
    ledger: Ledger, month: int, held: Mapping[int, tuple[int, int]], *, within: int
) -> None:
    at = AT + month * MONTH
    run = ledger.begin(repository="R", inputs="", at=at, seed=1, within=within)
    run.prove_packs([(PACKS[0], 7)])
    run.hold_packs(held)
    run.finish(at + HOUR, "OK", {"packs": month})


def test_ages_count_closed_rounds(path: Path) -> None:
    write(path, {1: (4, 40)}, {1: (3, 30), 2: (1, 10)}, {0: (2, 20), 1: (1, 10), 3: (3, 30)})
    (standing,) = read_ledger(path).standings

    expected = (
        Age(0, 3, 30, AT + 2 * MONTH + HOUR),
        Age(2, 1, 10, AT + HOUR),
        Age(None, 2, 20, None),
    )
    assert expected == standing.ages
    assert (3, AT + 2 * MONTH + HOUR, 7) == (
        standing.run,
        standing.looked_at,
        standing.largest_bytes,
    )


def test_what_is_older_than_promised_is_overdue(path: Path) -> None:
    write(path, {1: (4, 40)}, {1: (3, 30), 2: (1, 10)}, {0: (2, 20), 1: (1, 10), 3: (3, 30)})
    memory = read_ledger(path)
    (standing,) = memory.standings

    assert (6, 60, 3, 1, 2) == (
        standing.units,
        standing.size_bytes,
        standing.proven,
        standing.overdue,
        standing.never,
    )
    skipped = {"proven longer ago than is promised": 1, "never proven": 2}
    assert Coverage("packs and files", 3, 6, skipped) == ledger_coverage(memory)
    assert [("rotation-missed", "repository")] == [
        (finding.kind, finding.subject) for finding in ledger_findings(memory)
    ]


def test_what_is_as_old_as_promised_is_not_overdue(path: Path) -> None:
    write(path, {1: (4, 40)}, {1: (3, 30), 2: (1, 10)})
    memory = read_ledger(path)

    assert () == tuple(ledger_findings(memory))
    assert Coverage("packs and files", 4, 4) == ledger_coverage(memory)


@pytest.mark.parametrize("unit", ["packs", "files"])
def test_what_was_found_bad_is_told_until_it_is_proven(path: Path, unit: str) -> None:
    key = file_key("/etc/hosts", "")
    told = []
    with open_ledger(path) as ledger:
        for month, bad in enumerate([True, False]):
            run = ledger.begin(repository="R", inputs="", at=AT + month * MONTH, seed=1)
            if unit == "packs":
                _ = run.doubt_packs([PACKS[0]]) if bad else run.prove_packs([(PACKS[0], 7)])
                run.hold_packs({int(not bad): (1, 7)})
            else:
                _ = run.doubt_files("web1", [key]) if bad else run.prove_files("web1", [(key, 7)])
                run.hold_files("web1", {int(not bad): (1, 7)})
            run.finish(AT + month * MONTH, "CRITICAL" if bad else "OK", {})
            told.append([(f.kind, f.subject) for f in ledger_findings(read_ledger(path))])

    found = ("damaged", "repository") if unit == "packs" else ("corrupted", "web1")
    assert [[found], []] == told


def test_run_at_work_is_told_and_not_counted(path: Path) -> None:
    write(path, {1: (4, 40)})
    with open_ledger(path) as ledger:
        run = ledger.begin(repository="R", inputs="", at=AT + MONTH, seed=1)
        run.hold_packs({0: (9, 90)})
        memory = read_ledger(path)

    assert [4] == [standing.units for standing in memory.standings]
    assert [(2, None), (1, "OK")] == [(past.number, past.verdict) for past in memory.runs]
    assert {"packs": 0} == memory.runs[1].totals


def test_last_runs_alone_are_told(path: Path) -> None:
    write(path, {}, {}, {})

    assert [3, 2] == [past.number for past in read_ledger(path, runs=2).runs]


def test_empty_ledger_says_nothing(path: Path) -> None:
    with open_ledger(path):
        pass
    memory = read_ledger(path)

    assert Memory((), ()) == memory
    assert Coverage("packs and files", 0, 0) == ledger_coverage(memory)


@pytest.mark.parametrize(
    ("held", "least", "least_bytes"),
    [
        ({1: (3, 21)}, 1, 1),
        ({0: (3, 21)}, None, None),
        ({0: (1, 7), 1: (2, 14)}, 2, 8),
        # Two of two may lie outside of the one that was read: but then not in one alone.
        ({0: (1, 1), 1: (1, 1)}, 2, None),
    ],
)
def test_least_damage_is_told_in_units_and_bytes(
    path: Path, held: Mapping[int, tuple[int, int]], least: int | None, least_bytes: int | None
) -> None:
    write(path, held)
    section: dict[str, Any] = ledger_section(read_ledger(path))
    told = section["scopes"][0]["confidence"]

    assert (least, least_bytes) == (told["least"]["0.99"], told["least_bytes"]["0.99"])


def test_nothing_is_reckoned_from_every_proof(path: Path) -> None:
    """There are millions of them, and a page of the dashboard does not wait for a walk."""
    write(path, {1: (4, 40)}, {1: (3, 30), 2: (1, 10)})
    before = read_ledger(path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE proofs")
    connection.close()

    assert before == read_ledger(path)
    assert [7] == [standing.largest_bytes for standing in before.standings]


# Reading it.


def test_ledger_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(CannotVerify, match="there is no ledger yet"):
        read_ledger(path)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be one " * 99])
def test_what_is_no_ledger_is_not_read(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CannotVerify, match="no ledger"):
        read_ledger(path)
    assert content == path.read_bytes()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_ledger(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    with pytest.raises(CannotVerify, match="is no file, so it is no ledger"):
        read_ledger(path)
    with pytest.raises(CannotVerify, match="is no file, so it is no ledger"), open_ledger(path):
        pass


def test_unfinished_log_is_read_too(path: Path, tmp_path: Path) -> None:
    """What a killed writer committed lies beside the ledger, in its log."""
    with open_ledger(path) as ledger:
        one_round(ledger, 0, {1: (4, 40)}, within=2)
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            shutil.copy(tmp_path / name, copy / name)

    assert [4] == [standing.units for standing in read_ledger(copy / "ledger.sqlite").standings]


def test_whoever_may_read_alone_reads(path: Path, tmp_path: Path) -> None:
    write(path, {1: (4, 40)})
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    path.chmod(0o644)

    def look() -> list[int]:
        return [standing.units for standing in read_ledger(path).standings]

    assert [4] == as_nobody(look)


def test_broken_ledger_is_named(path: Path) -> None:
    write(path, {1: (4, 40)})
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(CannotVerify, match="is broken"):
        read_ledger(path)


def test_nothing_is_written_by_a_reader(path: Path) -> None:
    write(path, {1: (4, 40)})
    before = path.read_bytes()
    read_ledger(path)

    assert before == path.read_bytes()
    connection = sqlite3.connect(path)
    assert [("ok",)] == connection.execute("PRAGMA quick_check").fetchall()
    connection.close()
