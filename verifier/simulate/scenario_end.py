"""What is asked after the last cycle of a real scenario: whose rules hold, what is left, lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from verifier.config.scenario import Scenario
from verifier.core.errors import RepositoryUnreadable
from verifier.core.finding import Finding
from verifier.drill.audit import Terms, audit
from verifier.reader.repository import open_repository
from verifier.reader.verify import verify
from verifier.simulate.faults_programs import release_on
from verifier.simulate.observed import observed_programs
from verifier.simulate.simulation import Simulation
from verifier.simulate.worlds.soundness import lost_whole


def last_release(scenario: Scenario, simulation: Simulation) -> str:
    """Return the release by which the coordinator forgets at the end."""
    name, last = scenario.config.coordinator.name, simulation.steps[-1].at.date()
    return release_on(name, last, scenario.faults.restic_upgraded, simulation.rules.release)


def audit_left(folder: Path, password: str, terms: Terms, now_at: datetime) -> tuple[Finding, ...]:
    """Return what production's audit says of the repository that is left, if anything is."""
    try:
        repository = open_repository(folder, password)
        told = audit(repository, terms, now_at).findings
        return (*told, *observed_programs(repository.snapshots()))
    except RepositoryUnreadable as error:
        return (lost_whole("repository", f"at the end: {error.message}"),)


def check_copy(folder: Path, password: str) -> Iterator[Finding]:
    """Read an off-site copy whole, which no cycle does, and yield what is damaged in it."""
    try:
        copy = open_repository(folder, password)
    except RepositoryUnreadable as error:
        yield lost_whole("off-site", f"at the end: {error.message}")
        return
    for damage in verify(copy, read_data=True).damages:
        yield Finding("lost", f"off-site {damage.file}", damage.what)
