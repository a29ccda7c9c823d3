"""Every scenario gives what its file expects, on every rung, and fails with that turned round."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.turned import turned
from verifier.cli.context import Context
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.clock.system import SystemClock
from verifier.config.scenario import load_scenario
from verifier.simulate.scenario_expect import match

FILES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
CASES = [
    pytest.param(
        path, rung, marks=[] if rung == "model" else pytest.mark.heavy, id=f"{path.stem}-{rung}"
    )
    for path in FILES
    for rung in load_scenario(path).about.fidelity
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


def test_all_kinds_of_faults_have_a_scenario() -> None:
    seen = set()
    for path in FILES:
        faults = load_scenario(path).faults.model_dump(by_alias=True)
        seen |= {kind for kind, listed in faults.items() if listed}
    known = set(load_scenario(FILES[0]).faults.model_dump(by_alias=True))

    assert known == seen
