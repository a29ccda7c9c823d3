"""The worlds that scenarios run in: which restic decides, and where its repositories lie.

What runs a scenario is imported when one runs: most of the time the store answers.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.folders import own_folder, work_folder
from verifier.cli.output import put
from verifier.cli.programs import find_program, find_restic, local_host
from verifier.cli.scenario_fleets import Fleets
from verifier.core.errors import CannotVerify, ClockNotControlled
from verifier.simulate.store import code_digest, content_digest, file_digest, zone_digest

if TYPE_CHECKING:
    from verifier.config.scenario import Scenario
    from verifier.fleet.local import LocalHost
    from verifier.simulate.scenario_expect import Seen
    from verifier.simulate.segments import RealWorld, Segment
    from verifier.simulate.simulation import Note, Result, Simulation
    from verifier.simulate.worlds.decisions import DecisionsWorld

_PASSWORD = "simulated"  # noqa: S105 - of repositories that live for one run


@dataclass(slots=True)
class Laboratory:
    """Runs scenarios with real programs; may be used from several threads. See `open_laboratory`.

    Attributes:
        folder: holds one template repository a release, and whatever runs.
        fleets: what fleets are made on; opened where one is needed.
        code: digest of the code that runs them.
        logs: a folder for what the coordinator's script prints, a file a scenario and rung.
    """

    context: Context
    host: LocalHost
    folder: Path
    fleets: Fleets
    code: str = field(default_factory=code_digest)
    logs: Path | None = None
    _found: dict[str, tuple[str, str]] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def run(self, scenario: Scenario, fidelity: str) -> Seen:
        """Run a scenario on one rung.

        Raises:
            ToolMissing: there is no such restic.
            CannotVerify: its days do not end in the past.
        """
        from verifier.simulate.scenario_run import run_in_model, seen_of

        if fidelity == "model":
            return run_in_model(scenario)
        if fidelity == "cycle":
            return self._cycle(scenario)
        if fidelity == "fleet":
            return self._fleet(scenario)
        _, release = self.restic(scenario.about.restic)
        return seen_of(scenario, self.decide(scenario), release)

    def _cycle(self, scenario: Scenario) -> Seen:
        """Run a scenario where the production scripts run, and audit its repository.

        Raises:
            ClockNotControlled: an audit of backups that were only dated would find nothing else.
        """
        from verifier.cli.compose_clock import ask_control
        from verifier.fleet.background import beside
        from verifier.simulate.scenario import plan
        from verifier.simulate.scenario_cycle import CycleRun
        from verifier.simulate.worlds.cycle import Programs, Template

        version = 1 if scenario.faults.repository_migrated else None
        program, release = self.restic(scenario.about.restic, version)
        control = ask_control(self.host)
        if not control.is_controlled:
            remedy = "allow ptrace, or leave this fidelity out with --fidelity"
            raise ClockNotControlled(scenario.name, control.refusal, remedy)
        rclone = self._rclone(scenario)
        template = Template(self.folder / _template(program, version), _PASSWORD)
        programs = Programs(program, rclone, controlled=True)
        releases = {release: program, **self._upgrades(scenario)}
        own_files = scenario.own()
        with own_folder(self.folder) as own, self._log(scenario, "cycle") as note:
            place = own / "system"
            world = CycleRun(place, template, programs, releases, beside, own_files, note)
            return world.run(scenario, plan(scenario, release), self.host)

    def _fleet(self, scenario: Scenario) -> Seen:
        """Run a scenario on machines of their own, and audit its repository.

        Raises:
            ToolMissing, CannotVerify, ClockNotControlled: see `Fleets.ground`.
        """
        from verifier.simulate.scenario import plan
        from verifier.simulate.scenario_fleet import FleetRun
        from verifier.simulate.worlds.cycle import Template

        ground = self.fleets.ground()
        version = 1 if scenario.faults.repository_migrated else None
        program, release = self.restic(scenario.about.restic, version)
        template = Template(self.folder / _template(program, version), _PASSWORD)
        releases = {release: program, **self._upgrades(scenario)}
        with own_folder(self.folder) as own, self._log(scenario, "fleet") as note:
            # Its name is the fleet's, beside others of the same run.
            world = FleetRun(own / own.name, ground, template, release, releases, note)
            return world.run(scenario, plan(scenario, release))

    def _log(self, scenario: Scenario, fidelity: str) -> AbstractContextManager[Note]:
        from verifier.cli.journals import growing
        from verifier.simulate.journal import render_log
        from verifier.simulate.simulation import ignore

        if self.logs is None:
            return nullcontext(ignore)
        return growing(self.logs / f"{scenario.name}.{fidelity}.jsonl", render_log, "--logs")

    def decide(self, scenario: Scenario, segments: int = 1) -> Result:
        """Follow a scenario's timeline where the real forget decides.

        The program's clock is the machine's: it says `now` on every simulated day, and so does the
        model that it is held against.

        Args:
            segments: into so many the timeline is cut, which run side by side. Where one of them
                meets an error, no more commands are started here at all.
        """
        from verifier.simulate.scenario import as_seen_at, plan
        from verifier.simulate.simulation import run_real, run_whole

        program, release = self.restic(scenario.about.restic)
        simulation = as_seen_at(plan(scenario, release), self.context.clock.now())
        _check_past(scenario, simulation)

        @contextmanager
        def open_world(_: Segment) -> Iterator[RealWorld]:
            with own_folder(self.folder) as own:
                yield self._deciding(scenario, simulation, program, own / "repository")

        if segments == 1:
            return run_whole(simulation, open_world)
        return run_real(
            simulation,
            open_world,
            segments=segments,
            workers=segments,
            advance=lambda _: None,
            note=lambda _: None,
            end=self.host.end_all,
        )

    def _deciding(
        self, scenario: Scenario, simulation: Simulation, program: str, repository: Path
    ) -> DecisionsWorld:
        from verifier.restic.binary import Restic
        from verifier.simulate.forge import Forge
        from verifier.simulate.worlds.decisions import DecisionsWorld, access_to

        shutil.copytree(self.folder / _template(program), repository)
        access = access_to(repository, _PASSWORD, scenario.config.schedule.timezone)
        restic = Restic(self.host, program, access)
        return DecisionsWorld(
            Forge(repository, _PASSWORD),
            lambda: restic.plan_forget(simulation.policy, simulation.group_by),
            simulation.model(),
        )

    def restic(self, wanted: str | None, version: int | None = None) -> tuple[str, str]:
        """Return the program and the release that is meant, with a repository of its own made.

        Args:
            version: of the repository; where none is given, the program decides.

        Raises:
            ToolMissing: there is no such program, or no such release.
        """
        from verifier.simulate.forge import make_repository

        program, release = self.program(wanted)
        with self._lock:
            template = self.folder / _template(program, version)
            if not template.exists():
                make_repository(template, _PASSWORD, self.host, program, version=version)
        return program, release

    def program(self, wanted: str | None) -> tuple[str, str]:
        """Return the program and the release that is meant; see `restic`."""
        with self._lock:
            key = wanted or ""
            if key not in self._found:
                self._found[key] = find_restic(wanted, self.context.environ, self.host)
            return self._found[key]

    def inputs(self, path: Path, scenario: Scenario, fidelity: str) -> dict[str, str]:
        """Return everything that the result of a scenario on one rung is a function of.

        Raises:
            ToolMissing: a program that it needs is not there.
        """
        inputs = {
            "scenario": file_digest(str(path)),
            "fidelity": fidelity,
            "code": self.code,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "zone": zone_digest(scenario.config.schedule.timezone),
            **{f"own {name}": content_digest(it) for name, it in scenario.own().items()},
        }
        if fidelity != "model":
            inputs["restic"] = self._digest(self.program(scenario.about.restic)[0])
            upgrades = self._upgrades(scenario).items()
            inputs |= {f"restic {release}": self._digest(program) for release, program in upgrades}
        rclone = self._rclone(scenario) if fidelity == "cycle" else None
        if rclone:
            inputs["rclone"] = self._digest(rclone)
        if fidelity == "fleet":
            from verifier.fleet.rclone_server import find_server
            from verifier.simulate.scenario_fleet import settle_faults
            from verifier.simulate.worlds.fleet_open import has_store

            inputs["image"] = self.fleets.ground().image.image_id
            if has_store(settle_faults(scenario)):
                inputs["rclone"] = self._digest(str(find_server()))
        return inputs

    def _digest(self, program: str) -> str:
        with self._lock:
            if program not in self._digests:
                self._digests[program] = file_digest(program)
            return self._digests[program]

    def _upgrades(self, scenario: Scenario) -> dict[str, str]:
        """Return the program of each release that some machine gets."""
        wanted = {upgrade.restic for upgrade in scenario.faults.restic_upgraded}
        return {release: self.program(release)[0] for release in sorted(wanted)}

    def _rclone(self, scenario: Scenario) -> str | None:
        offsite = scenario.config.offsite
        if offsite is None or offsite.method != "rclone-sync":
            return None
        return find_program("rclone", self.context.environ, package="rclone")


@contextmanager
def open_laboratory(context: Context, logs: Path | None = None) -> Iterator[Laboratory]:
    """Give a laboratory; everything in it is gone afterwards, but what it writes into `logs`.

    Raises:
        NoSpace, CannotVerify: the temporary folder does not hold the repositories.
    """
    host = local_host(context.environ, inherit=False)
    with work_folder() as folder, ExitStack() as stack:

        def tell(line: str) -> None:
            put(context.err, f"{line}\n")

        fleets = Fleets(host, dict(context.environ), folder, stack, tell)
        yield Laboratory(context, host, folder, fleets, logs=logs)


def _template(program: str, version: int | None = None) -> str:
    return f"template-{version or 'any'}-{program.strip('/').replace('/', '-')}"


def _check_past(scenario: Scenario, simulation: Simulation) -> None:
    last, now = simulation.steps[-1].at, simulation.steps[-1].forget_at
    if last >= now:
        raise CannotVerify(
            scenario.name,
            f"its last day is {last.date()}, and real restic treats a snapshot dated after now "
            "otherwise",
            "let its days end in the past, or run it with --fidelity model",
        )
