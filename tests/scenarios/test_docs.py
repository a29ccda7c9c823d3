"""Every key of a scenario file is documented, and every fault that is documented exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from verifier.config.expected import ExpectedAlert, ExpectedRecovery
from verifier.config.models import keys_of
from verifier.config.scenario import About, Expect, ExpectedFinding, ExpectedGroup, Fidelity
from verifier.config.scenario_faults import EVERYWHERE, RUNGS, Faults
from verifier.config.table import Table

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", PAGE, re.MULTILINE)


def _element(name: str) -> type[Table]:
    annotation = Faults.model_fields[name].annotation
    element: type[Table] = annotation.__args__[0]  # type: ignore[union-attr]
    return element


def test_every_fault_has_a_row_with_its_keys_and_rungs() -> None:
    rows = dict(ROWS)
    for name, field in Faults.model_fields.items():
        row = rows[str(field.alias)]
        keys, rungs = row.split(" | ")[0], row.rpartition(" | ")[2]
        named = {key for key in re.findall(r"`([\w-]+)`", keys)} & set(keys_of(_element(name)))
        allowed = RUNGS[str(field.alias)]
        ladder = (rung for rung in get_args(Fidelity) if rung in allowed)
        expected = "all" if allowed == EVERYWHERE else ", ".join(ladder)

        assert set(keys_of(_element(name))) == named, name
        assert expected == rungs, name


def test_every_documented_row_is_a_key() -> None:
    known = {str(field.alias) for field in Faults.model_fields.values()}

    assert {*known, *keys_of(About), *keys_of(Expect)} == {name for name, _ in ROWS}


def test_keys_of_what_is_expected_are_named() -> None:
    rows = dict(ROWS)

    assert all(f"`{key}`" in rows["findings"] for key in keys_of(ExpectedFinding))
    assert all(f"`{key}`" in rows["survivors"] for key in keys_of(ExpectedGroup))
    assert all(f"`{key}`" in rows["alerts"] for key in keys_of(ExpectedAlert))
    assert all(f"`{key}`" in rows["recovery"] for key in keys_of(ExpectedRecovery))
