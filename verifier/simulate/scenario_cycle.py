"""A scenario in a real cycle, to what it showed.

That is what the timeline showed, what production's audit of its repository says at the end, and
what is damaged in the copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.config.scenario import Scenario
from verifier.core.finding import Finding
from verifier.core.host import Host
from verifier.drill.audit import audit
from verifier.reader.repository import open_repository
from verifier.reader.verify import verify
from verifier.simulate.faults_cycle import FaultyCycle, RewrittenDataset
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.scenario_run import end_at, terms
from verifier.simulate.segments import RealWorld, Segment
from verifier.simulate.simulation import Result, Simulation, run_real
from verifier.simulate.worlds.cycle import CycleWorld, Programs, Template
from verifier.simulate.worlds.relocate import ROOT, relocate_paths


@dataclass(frozen=True, slots=True)
class CycleRun:
    """A place for one cycle's world, which stands as long as its folder does.

    Attributes:
        folder: does not exist yet.
    """

    folder: Path
    template: Template
    programs: Programs

    def run(self, scenario: Scenario, simulation: Simulation, host: Host) -> Seen:
        """Run a scenario from its first cycle to the audit after its last.

        Raises:
            RepositoryUnreadable: what is left of the repository cannot be read at all.
        """
        result = self._follow(scenario, simulation, host)
        repository = open_repository(self.folder / "repository", self.template.password)
        held_to = terms(scenario, simulation.rules.release)
        assert held_to.hosts is not None, "a scenario names its hosts"
        hosts = {name: relocate_paths(paths) for name, paths in held_to.hosts.items()}
        audited = audit(repository, replace(held_to, hosts=hosts), end_at(simulation))
        findings = (
            *result.seams,
            *result.followed.findings(),
            *map(_put_back, audited.findings),
            *(self._check_copy() if scenario.config.offsite else ()),
        )
        return Seen(findings, tuple(s for g in result.followed.survivors() for s in g.keep))

    def _check_copy(self) -> Iterator[Finding]:
        """Read the copy whole, which no cycle does."""
        copy = open_repository(self.folder / "offsite", self.template.password)
        for damage in verify(copy, read_data=True).damages:
            yield Finding("lost", f"off-site {damage.file}", damage.what)

    def _follow(self, scenario: Scenario, simulation: Simulation, host: Host) -> Result:
        faults = scenario.faults

        @contextmanager
        def open_world(segment: Segment) -> Iterator[RealWorld]:
            world = CycleWorld(
                self.folder,
                self.template,
                scenario.config,
                programs=self.programs,
                host=host,
                dataset=RewrittenDataset(scenario.config.simulate.seed, faults.files_rewritten),
                model=simulation.model(),
                last=segment.last,
            )
            yield FaultyCycle(world, self.folder, self.template.password, faults)

        return run_real(
            simulation,
            open_world,
            segments=1,
            workers=1,
            advance=lambda _: None,
            note=lambda _: None,
            # The laboratory ends every command of every scenario, where it is to end.
            end=lambda: None,
        )


def _put_back(finding: Finding) -> Finding:
    """Return a finding about the moved system as it is of the one in the file."""
    subject, detail = finding.subject.replace(ROOT, ""), finding.detail.replace(ROOT, "")
    return replace(finding, subject=subject, detail=detail)
