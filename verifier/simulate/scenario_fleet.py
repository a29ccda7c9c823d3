"""A scenario in a fleet, to what it showed: as in a cycle, on machines of their own.

That is what the timeline showed, what production's audit of its repository says at the end, and
what is damaged in the copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from verifier.config.models import Config
from verifier.config.scenario import Scenario
from verifier.fleet.containers import Ground
from verifier.fleet.disk import Disk, open_disk
from verifier.simulate.faults_files import RewrittenDataset
from verifier.simulate.faults_fleet import FaultyFleet, Site
from verifier.simulate.scenario_end import audit_left, check_copy, last_release
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.scenario_run import end_at, terms
from verifier.simulate.scenario_seen import show
from verifier.simulate.segments import RealWorld, Segment
from verifier.simulate.simulation import Note, Result, Simulation, ignore, run_whole
from verifier.simulate.worlds.cycle import Template
from verifier.simulate.worlds.fleet import Setting, user_id
from verifier.simulate.worlds.fleet_open import open_fleet_world
from verifier.simulate.worlds.fleet_settle import copy_folder, remote_of, settle


@dataclass(frozen=True, slots=True)
class FleetRun:
    """A place for one fleet's world, which stands as long as its folder does.

    Attributes:
        folder: does not exist yet; its name tells the fleet from others of the run.
        release: of restic, which every machine gets.
        releases: release -> its program, of all that a machine ever has.
        note: takes note of every step.
    """

    folder: Path
    ground: Ground
    template: Template
    release: str
    releases: Mapping[str, str]
    note: Note = ignore

    def run(self, scenario: Scenario, simulation: Simulation) -> Seen:
        """Run a scenario from its first cycle to the audit after its last.

        Raises:
            CannotVerify: the engine does not do as it should.
        """
        self._repository.mkdir(parents=True)
        with open_disk(self._repository) if scenario.faults.disk_full else nullcontext() as disk:
            config = settle_faults(scenario)
            result = self._follow(scenario, config, simulation, disk)
            held_to = terms(scenario, last_release(scenario, simulation))
            copy = self._copy(config)
            password, end = self.template.password, end_at(simulation)
            findings = (
                *result.seams,
                *result.followed.findings(),
                *audit_left(self._repository, password, held_to, end),
                *(check_copy(copy, password) if copy else ()),
            )
        return show(scenario, result.followed, findings)

    @property
    def _repository(self) -> Path:
        return self.folder / "repository"

    def _copy(self, config: Config) -> Path | None:
        return copy_folder(config, self.folder / "offsite")

    def _follow(
        self, scenario: Scenario, config: Config, simulation: Simulation, disk: Disk | None
    ) -> Result:
        @contextmanager
        def open_world(segment: Segment) -> Iterator[RealWorld]:
            setting, model = self._setting(scenario, config, segment), simulation.model()
            with open_fleet_world(self.ground, self.folder, setting, model) as world:
                site = Site(
                    config,
                    self._repository,
                    self._copy(config),
                    self.template.password,
                    disk,
                    self.release,
                    self.releases,
                    model,
                )
                yield FaultyFleet(world, site, scenario.faults)

        return run_whole(simulation, open_world, self.note)

    def _setting(self, scenario: Scenario, config: Config, segment: Segment) -> Setting:
        dataset = RewrittenDataset(config.simulate.seed, scenario.faults.files_rewritten)
        restic, uid = Path(self.releases[self.release]), user_id()
        return Setting(
            config,
            self.template,
            dataset,
            restic,
            uid,
            controlled=True,
            last=segment.last,
            own=scenario.own(),
        )


def settle_faults(scenario: Scenario) -> Config:
    """Return the configuration that a scenario's fleet runs.

    A store that fails is a remote with a name: a folder of the coordinator's cannot be far away.
    """
    config = settle(scenario.config)
    if config.offsite and scenario.faults.store_fails and not remote_of(config.offsite)[0]:
        offsite = config.offsite.model_copy(update={"target": "offsite:restic"})
        return config.model_copy(update={"offsite": offsite})
    return config
