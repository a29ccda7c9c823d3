"""Every scenario gives what its file expects, on every rung, and fails with that turned round."""

from __future__ import annotations

import copy
import io
import os
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.turned import turned
from verifier.cli.context import Context
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.clock.system import SystemClock
from verifier.config.scenario import Scenario, load_scenario, make_scenario
from verifier.config.scenario_faults import RUNGS
from verifier.core.errors import CannotVerify
from verifier.simulate.scenario_expect import match

FILES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
CASES = [
    pytest.param(
        path, rung, marks=[] if rung == "model" else pytest.mark.heavy, id=f"{path.stem}-{rung}"
    )
    for path in FILES
    for rung in load_scenario(path).about.fidelity
]


def without_one(path: Path) -> Iterator[tuple[str, Scenario]]:
    """Yield a scenario without each single thing that goes wrong in it, by what that is."""
    table = tomllib.loads(path.read_text())
    lists = [(("faults", kind), listed) for kind, listed in table.get("faults", {}).items()]
    simulate = table["simulate"]
    lists += [(("simulate", key), simulate.get(key, ())) for key in ("missed", "down", "paths")]
    for (part, key), listed in lists:
        for index in range(len(listed)):
            less: dict[str, Any] = copy.deepcopy(table)
            del less[part][key][index]
            yield f"{key}-{index}", replace(make_scenario(less, path.stem), file=path)


def cheapest_rung(scenario: Scenario) -> str:
    """Return where it costs least; what needs no machines any more needs none."""
    rung = scenario.about.fidelity[0]
    left = [kind for kind, some in scenario.faults.model_dump(by_alias=True).items() if some]
    return "cycle" if rung == "fleet" and all("cycle" in RUNGS[kind] for kind in left) else rung


LESS = [
    pytest.param(
        scenario,
        rung,
        marks=[] if rung == "model" else pytest.mark.heavy,
        id=f"{path.stem}-without-{what}-{rung}",
    )
    for path in FILES
    for what, scenario in without_one(path)
    for rung in [cheapest_rung(scenario)]
]


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with open_laboratory(Context(SystemClock(), dict(os.environ), io.StringIO())) as opened:
        yield opened


@pytest.mark.parametrize(("path", "rung"), CASES)
def test_scenario_gives_what_it_expects_and_nothing_else(
    laboratory: Laboratory, path: Path, rung: str
) -> None:
    """Goal: every word of an expectation is needed. Turning any of them round must be seen."""
    scenario = load_scenario(path)
    seen = laboratory.run(scenario, rung)
    missed = [what for what, expect in turned(scenario.expect) if not match("x", seen, expect)]

    assert () == match(scenario.name, seen, scenario.expect)
    assert [] == missed


@pytest.mark.parametrize(("scenario", "rung"), LESS)
def test_scenario_is_not_met_without_any_one_of_its_faults(
    laboratory: Laboratory, scenario: Scenario, rung: str
) -> None:
    """Goal: a fault that quietly does not happen is found out by what the file expects."""
    told = ""
    try:
        seen = laboratory.run(scenario, rung)
    except CannotVerify as error:
        told = str(error)

    # Or another fault then has nothing to befall, and says so.
    assert "ended before the moment meant" in told or match("x", seen, scenario.expect)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario_says_who_is_alarmed_and_what_could_have_been_restored(path: Path) -> None:
    expect = load_scenario(path).expect

    assert expect.alerts is not None
    assert expect.recovery


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario_that_needs_no_machines_says_why(path: Path) -> None:
    """Goal: all scenarios give their verdicts in containers, or a reader is told why not."""
    before, listed, _ = path.read_text().partition("\nfidelity = ")

    assert listed
    assert "fleet" in load_scenario(path).about.fidelity or before.splitlines()[-1][0] == "#"


def test_all_kinds_of_faults_have_a_scenario() -> None:
    seen = set()
    for path in FILES:
        faults = load_scenario(path).faults.model_dump(by_alias=True)
        seen |= {kind for kind, listed in faults.items() if listed}
    known = set(load_scenario(FILES[0]).faults.model_dump(by_alias=True))

    assert known == seen
