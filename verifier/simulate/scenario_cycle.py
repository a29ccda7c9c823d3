"""A scenario in a real cycle, to what it showed.

That is what the timeline showed, what production's audit of its repository says at the end, and
what is damaged in the copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from verifier.config.scenario import Scenario
from verifier.config.scenario_faults import Faults
from verifier.core.finding import Finding
from verifier.core.host import Host
from verifier.simulate.faults_around import Place, Surroundings
from verifier.simulate.faults_cycle import FaultyCycle
from verifier.simulate.faults_disk import FullDisk
from verifier.simulate.faults_files import RewrittenDataset
from verifier.simulate.faults_moments import Moments
from verifier.simulate.faults_offsite import STORE, Beside
from verifier.simulate.faults_scripts import script_conditions
from verifier.simulate.faults_spells import Condition
from verifier.simulate.moment_scenes import cycle_scene
from verifier.simulate.scenario_end import audit_left, check_copy, last_release
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.scenario_run import end_at, terms
from verifier.simulate.scenario_seen import show
from verifier.simulate.segments import RealWorld, Segment
from verifier.simulate.simulation import Note, Result, Simulation, ignore, run_whole
from verifier.simulate.timeline import Step
from verifier.simulate.worlds.cycle import CycleWorld, Programs, Template
from verifier.simulate.worlds.model import ModelWorld
from verifier.simulate.worlds.own import OwnScripts, OwnWorld
from verifier.simulate.worlds.relocate import ROOT, relocate_paths, relocate_pattern


@dataclass(frozen=True, slots=True)
class CycleRun:
    """A place for one cycle's world, which stands as long as its folder does.

    Attributes:
        folder: does not exist yet.
        releases: release -> its program, by its full path, of all that a machine ever has.
        beside: runs a server.
        own: the user's files, by the names of the generated ones that they replace.
        note: takes note of every step.
    """

    folder: Path
    template: Template
    programs: Programs
    releases: Mapping[str, str]
    beside: Beside
    own: Mapping[str, bytes] = field(default_factory=dict)
    note: Note = ignore

    def run(self, scenario: Scenario, simulation: Simulation, host: Host) -> Seen:
        """Run a scenario from its first cycle to the audit after its last."""
        result = self._follow(scenario, simulation, host)
        held_to = terms(scenario, last_release(scenario, simulation))
        assert held_to.hosts is not None, "a scenario names its hosts"
        hosts = dict(held_to.hosts)
        if not self.own:
            hosts = {name: relocate_paths(paths) for name, paths in hosts.items()}
        password, end = self.template.password, end_at(simulation)
        held_to = replace(held_to, hosts=hosts)
        left = audit_left(self.folder / "repository", password, held_to, end)
        copy = self.folder / "offsite"
        findings = (
            *result.seams,
            *result.followed.findings(),
            *map(_put_back, left),
            *(check_copy(copy, password) if scenario.config.offsite else ()),
        )
        return show(scenario, result.followed, findings)

    def _place(self, faults: Faults, release: str, host: Host) -> Place:
        store = STORE if faults.store_fails else ""
        programs = replace(self.programs, store=store)
        password = self.template.password
        return Place(self.folder, password, host, programs, self.releases, release, self.beside)

    def _world(
        self, scenario: Scenario, place: Place, host: Host, model: ModelWorld, last: Step
    ) -> RealWorld:
        config, faults = scenario.config, scenario.faults
        dataset = RewrittenDataset(config.simulate.seed, faults.files_rewritten)
        programs = place.programs
        if self.own:
            made_of = OwnScripts(self.template, config, self.own, programs, host, dataset)
            return OwnWorld(self.folder, made_of, model, last)
        return CycleWorld(
            self.folder,
            self.template,
            config,
            programs=programs,
            host=host,
            dataset=dataset,
            model=model,
            last=last,
        )

    def _follow(self, scenario: Scenario, simulation: Simulation, host: Host) -> Result:
        faults = scenario.faults
        place = self._place(faults, simulation.rules.release, host)

        @contextmanager
        def open_world(segment: Segment) -> Iterator[RealWorld]:
            disk, model = FullDisk(host, self.folder / "repository"), simulation.model()
            world = self._world(scenario, place, disk, model, segment.last)
            moments, conditions = None, tuple[Condition[bool], ...]()
            if isinstance(world, CycleWorld):
                scene = cycle_scene(world, self.folder, scenario.config, host)
                moments = Moments(faults, scene)
                conditions = tuple(script_conditions(faults, world, relocate_pattern))
            with closing(Surroundings(place, scenario, disk, model)) as around:
                yield FaultyCycle(world, place, around, moments, conditions, faults)

        return run_whole(simulation, open_world, self.note)


def _put_back(finding: Finding) -> Finding:
    """Return a finding about the moved system as it is of the one in the file."""
    subject, detail = finding.subject.replace(ROOT, ""), finding.detail.replace(ROOT, "")
    return replace(finding, subject=subject, detail=detail)
