"""What is asked after the last cycle of a real scenario: whose rules hold, what the copy lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from verifier.config.scenario import Scenario
from verifier.core.finding import Finding
from verifier.reader.repository import open_repository
from verifier.reader.verify import verify
from verifier.simulate.faults_programs import release_on
from verifier.simulate.simulation import Simulation


def last_release(scenario: Scenario, simulation: Simulation) -> str:
    """Return the release by which the coordinator forgets at the end."""
    name, last = scenario.config.coordinator.name, simulation.steps[-1].at.date()
    return release_on(name, last, scenario.faults.restic_upgraded, simulation.rules.release)


def check_copy(folder: Path, password: str) -> Iterator[Finding]:
    """Read an off-site copy whole, which no cycle does, and yield what is damaged in it."""
    for damage in verify(open_repository(folder, password), read_data=True).damages:
        yield Finding("lost", f"off-site {damage.file}", damage.what)
