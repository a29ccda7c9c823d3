"""Runs that read a part: everything is read within the promised runs, and a stop costs nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from tests.drill.lab import HOST, Lab, counts
from verifier.core.compare import LEFT
from verifier.drill.monthly import Drilled, Further
from verifier.drill.part import PACKS_LEFT, Said


def packs_read(found: Drilled) -> int:
    """Return how many packs a run read."""
    section: Any = found.section["repository"]
    return int(section["packs_read"])


def part_that_says(section: Mapping[str, object]) -> Further:
    """Return a part of a drill that shows this section."""
    return Further("part", "part", lambda _: Said((), section))


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """Six packs of data and as many of trees, and twelve files."""
    for number in range(6):
        names = (f"a{number}", f"b{number}")
        lab.write(**{name: os.urandom(20_000) for name in names})
        lab.backup()
    return lab


def test_everything_is_read_within_the_promised_runs(filled: Lab) -> None:
    packs, unread = [], []
    for _ in range(3):
        found = filled.drill(within=3)
        packs.append(packs_read(found))
        unread.append(found.coverage.skipped.get(LEFT, 0))

        assert () == found.findings

    assert 12 == sum(packs)
    assert 2 * 12 == sum(unread)
    assert max(packs) < 12


def test_a_run_of_one_reads_everything(filled: Lab) -> None:
    found = filled.drill()

    assert 12 == packs_read(found)
    assert {"identical": 13} == counts(found)
    assert {} == found.coverage.skipped


def test_damage_is_found_within_the_promised_runs(filled: Lab) -> None:
    pack = max(
        (p for p in (filled.repository / "data").rglob("*") if p.is_file()),
        key=lambda p: (p.stat().st_size, p.name),
    )
    content = bytearray(pack.read_bytes())
    content[50] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    runs = [filled.drill(within=3) for _ in range(5)]
    found = ["lost" in filled.damages(run) for run in runs]

    assert found[2:] == [True, True, True], "found by the third run, and never forgotten"
    assert found == sorted(found)
    assert {"lost"} == set(filled.kinds(runs[2]).values())


def test_a_pack_that_looks_wrong_from_outside_is_read_in_every_run(filled: Lab) -> None:
    pack = max(
        (p for p in (filled.repository / "data").rglob("*") if p.is_file()),
        key=lambda p: (p.stat().st_size, p.name),
    )
    pack.chmod(0o600)
    with pack.open("r+b") as stream:
        stream.truncate(pack.stat().st_size - 1)

    assert all(filled.damages(filled.drill(within=6)) for _ in range(2))


def test_a_budget_that_does_not_keep_the_promise_is_said(filled: Lab) -> None:
    enough = filled.drill(within=3, budget_bytes=1 << 30)
    found = filled.drill(budget_bytes=50_000)
    missed = [f for f in found.findings if f.kind == "rotation-missed"]

    assert () == enough.findings
    assert {"repository", HOST} == {f.subject for f in missed}
    assert "50000 may be read" in missed[0].detail
    assert found.measurements["read_bytes"] <= 50_000  # type: ignore[operator]


def test_a_run_that_reads_no_content_verifies_nothing(filled: Lab) -> None:
    """With a budget below any file; what a rehearsal restored is content too, and so is a copy."""
    nothing, restored, copied = (
        {"rehearsals": [{"bytes": 0}]},
        {"rehearsals": [{"bytes": 1}]},
        {"packs_read": 1},
    )
    kinds = []
    for section in ({}, nothing, restored, copied):
        found = filled.drill(budget_bytes=3, further=(part_that_says(section),))
        kinds.append({f.kind for f in found.findings})

    assert [{"rotation-missed", "empty"}] * 2 + [{"rotation-missed"}] * 2 == kinds


def test_when_the_time_is_up_nothing_more_is_begun_and_the_next_run_goes_on(filled: Lab) -> None:
    asked = 0

    def over() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    cut = filled.drill(over=over)
    rest = filled.drill()

    assert 0 < packs_read(cut) < 12
    assert cut.coverage.skipped[PACKS_LEFT] == 12 - packs_read(cut)
    assert "rotation-missed" in {f.kind for f in cut.findings}
    assert 12 == packs_read(rest)
    assert () == rest.findings
