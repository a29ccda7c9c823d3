"""What is to happen at a moment of a cycle happens, or is said not to have happened."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.simulate.systems import Lab, config, kinds, steps_of
from verifier.config.scenario_faults import Faults
from verifier.core.errors import CannotVerify
from verifier.fleet.local import LocalHost
from verifier.simulate.faults_moments import Moments
from verifier.simulate.moment_scenes import cycle_scene
from verifier.simulate.timeline import Days, Deviations, Outcome
from verifier.simulate.worlds.cycle import Template

pytestmark = pytest.mark.heavy

ON = date(2024, 1, 1)


def run(lab: Lab, **faults: Any) -> Outcome:
    """Run the first day with these faults."""
    world = lab.open()
    scene = cycle_scene(world, lab.folder, lab.system, LocalHost())
    (kind,) = faults
    moments = Moments(Faults.model_validate({kind.replace("_", "-"): [faults[kind]]}), scene)
    with moments.armed(lab.steps[0]):
        return world.run(lab.steps[0])


def test_what_is_killed_is_told(tmp_path: Path, template: Template) -> None:
    lab = Lab(tmp_path / "world", template, config(days=1), steps_of(config(days=1)))
    outcome = run(lab, killed={"on": ON, "what": "backup", "host": "web1"})

    assert {"step-failed"} == kinds(outcome.findings)
    assert ["db1"] == [snapshot.host for snapshot in outcome.created]
    assert [] == list((lab.folder / "front").iterdir())


@pytest.mark.parametrize(
    "killed",
    [
        {"on": ON, "what": "backup", "host": "web1"},
        {"on": ON, "what": "forget"},
    ],
    ids=["host-is-down", "nothing-to-remove"],
)
def test_what_cannot_happen_is_not_passed_over(
    tmp_path: Path, template: Template, killed: dict[str, Any]
) -> None:
    """Goal: a scenario whose fault did not happen is UNKNOWN, and never met."""
    down = Deviations(down=(("web1", Days(ON, ON)),))
    lab = Lab(tmp_path / "world", template, config(days=1), steps_of(config(days=1), down))

    with pytest.raises(CannotVerify, match=r"did not run|ended before the moment"):
        run(lab, killed=killed)

    assert [] == list((lab.folder / "front").iterdir())
