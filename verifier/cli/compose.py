"""Put a simulation together: configuration and command line to steps, rules and worlds."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.compose_clock import Control, ask_control
from verifier.cli.context import Context
from verifier.cli.deviations import deviations, parse_day
from verifier.cli.folders import own_folder, work_folder
from verifier.cli.options import check_known, check_year, keep_options, parse_zone, whole_number
from verifier.cli.output import put
from verifier.cli.programs import find_program, find_restic, local_host
from verifier.config.defaults import defaults
from verifier.config.load import load
from verifier.config.models import DAYS_MAX, Config
from verifier.config.own import own_hosts, read_own
from verifier.config.policy import parse_keep
from verifier.core.errors import UsageError
from verifier.cycle.coordinator import fire_times
from verifier.fleet.local import LocalHost
from verifier.retention.decide import parse_group_by
from verifier.retention.rules import NEWEST, release_text, rules_for
from verifier.simulate.segments import Open, RealWorld, Segment
from verifier.simulate.simulation import Simulation
from verifier.simulate.store import content_digest
from verifier.simulate.timeline import Deviations, Source, plan_steps

if TYPE_CHECKING:
    from verifier.simulate.worlds.cycle import Programs, Template

HOSTS_MAX = 10_000
SEGMENTS_MAX = 64
_PASSWORD = "simulated"  # noqa: S105 - of a repository that lives for one simulation
_SEGMENTS_PER_CORE = {"model": 1, "decisions": 1, "cycle": 3, "fleet": 1}
"""A decision is work for a core; a cycle mostly waits for restic's locks."""

CONTROLLED = ("cycle", "fleet")
"""The fidelities at which programs run that look at a clock."""


@dataclass(frozen=True, slots=True)
class Composition:
    """A simulation ready to run, and what the report says it is a function of.

    Attributes:
        clock: whether the commands' clock can be controlled; only a cycle and a fleet ask.
        restic: the program; empty for the model.
        release: its release, or the one whose rules the model follows.
        tell: takes a line for people.
        own: the user's files, by the names of the generated ones that they replace.
    """

    simulation: Simulation
    config: Config
    fidelity: str
    host: LocalHost
    clock: Control
    restic: str
    release: str
    segments: int
    inputs: dict[str, object]
    environ: dict[str, str]
    tell: Callable[[str], object]
    own: Mapping[str, bytes]

    @property
    def days(self) -> int:
        """How many days are simulated."""
        return self.config.simulate.days

    @contextmanager
    def worlds(self) -> Iterator[Open]:
        """Give a function that makes the world of a segment; everything is gone afterwards.

        Raises:
            NoSpace, CannotVerify: the temporary folder does not hold the repositories.
        """
        with work_folder() as folder:
            if self.fidelity == "fleet":
                with self._fleets(folder) as open_world:
                    yield open_world
                return
            is_cycle = self.fidelity == "cycle"
            yield self._open_cycle(folder) if is_cycle else self._open_decisions(folder)

    def _fleets(self, folder: Path) -> AbstractContextManager[Open]:
        from verifier.cli.compose_fleet import Fleets
        from verifier.simulate.forge import make_repository
        from verifier.simulate.worlds.cycle import Template

        def make_template() -> Template:
            make_repository(folder / "template", _PASSWORD, self.host, self.restic)
            return Template(folder / "template", _PASSWORD)

        fleets = Fleets(
            self.simulation,
            self.config,
            self.host,
            Path(self.restic),
            self.environ,
            self.clock,
            self.inputs,
            self.tell,
            self.own,
        )
        return fleets.worlds(folder, make_template)

    def _open_decisions(self, folder: Path) -> Open:
        from verifier.restic.binary import Restic
        from verifier.simulate.forge import Forge, make_repository
        from verifier.simulate.worlds.decisions import DecisionsWorld, access_to

        make_repository(folder / "template", _PASSWORD, self.host, self.restic)
        zone = self.config.schedule.timezone

        @contextmanager
        def open_world(_: Segment) -> Iterator[RealWorld]:
            with own_folder(folder) as own:
                repository = own / "repository"
                shutil.copytree(folder / "template", repository)
                access = access_to(repository, _PASSWORD, zone)
                restic = Restic(self.host, self.restic, access)
                policy, group_by = self.simulation.policy, self.simulation.group_by
                yield DecisionsWorld(
                    Forge(repository, _PASSWORD),
                    lambda: restic.plan_forget(policy, group_by),
                    self.simulation.model(),
                )

        return open_world

    def _open_cycle(self, folder: Path) -> Open:
        from verifier.simulate.dataset import Dataset
        from verifier.simulate.forge import make_repository
        from verifier.simulate.worlds.cycle import CycleWorld, Programs, Template

        offsite = self.config.offsite
        rclone = None
        if offsite and offsite.method == "rclone-sync":
            rclone = find_program("rclone", self.environ, package="rclone")
        programs = Programs(self.restic, rclone, controlled=self.clock.is_controlled)
        make_repository(folder / "template", _PASSWORD, self.host, self.restic)

        template = Template(folder / "template", _PASSWORD)

        @contextmanager
        def open_world(segment: Segment) -> Iterator[RealWorld]:
            with own_folder(folder) as place:
                if self.own:
                    yield self._open_own(place, template, programs, segment)
                    return
                yield CycleWorld(
                    place,
                    template,
                    self.config,
                    programs=programs,
                    host=self.host,
                    dataset=Dataset(self.config.simulate.seed),
                    model=self.simulation.model(),
                    last=segment.last,
                )

        return open_world

    def _open_own(
        self, folder: Path, template: Template, programs: Programs, segment: Segment
    ) -> RealWorld:
        from verifier.simulate.dataset import Dataset
        from verifier.simulate.worlds.own import OwnScripts, OwnWorld

        dataset = Dataset(self.config.simulate.seed)
        made_of = OwnScripts(template, self.config, self.own, programs, self.host, dataset)
        return OwnWorld(folder / "system", made_of, self.simulation.model(), segment.last)


def compose_simulation(options: argparse.Namespace, context: Context) -> Composition:
    """Put a simulation together.

    Raises:
        UsageError: options or configuration contradict.
        ToolMissing: the restic that is meant is not there.
    """
    config = _overridden(
        load(Path(options.config), context.environ) if options.config else defaults(), options
    )
    host = local_host(context.environ, inherit=False)
    restic, release = _restic(options, context, host)
    simulate = config.simulate
    check_year("--start", simulate.start)
    deviating = deviations(options, simulate, {table.name for table in config.hosts})
    fired = fire_times(config.times, config.zone, simulate.start, simulate.days)
    steps = plan_steps(
        [Source(table.name, tuple(table.include)) for table in config.hosts], fired, deviating
    )
    if not steps:
        raise UsageError(
            "--at",
            "the timer fires on none of the simulated days",
            "simulate more days, or another time",
        )
    policy, rules, group_by = config.policy(), rules_for(release), config.group_by
    check_known(policy, rules)
    cores = os.cpu_count() or 1
    most = max(1, len(steps) // 10)
    segments = (
        whole_number("--segments", options.segments, most=SEGMENTS_MAX)
        if options.segments is not None
        else min(cores * _SEGMENTS_PER_CORE[options.fidelity], most)
    )
    own = _own(config, options, deviating)
    if own:
        # A script of the user's own cannot be told the dates of what a later part begins with.
        segments = 1
    clock = ask_control(host) if options.fidelity in CONTROLLED else Control("not needed")
    return Composition(
        Simulation(steps, policy, rules, config.zone, group_by),
        config,
        options.fidelity,
        host,
        clock,
        restic,
        release,
        segments,
        {
            "configuration": config.digest(),
            "start": simulate.start.isoformat(),
            "days": simulate.days,
            "hosts": [table.name for table in config.hosts],
            "schedule": [f"{at} {config.schedule.timezone}" for at in config.times],
            "policy": str(policy),
            "group_by": ",".join(group_by),
            "rules": release,
            "seed": simulate.seed,
            "segments": segments if options.fidelity != "model" else 1,
            "repository_key": "none"
            if options.fidelity == "model"
            else "low-cost test key (scrypt N=2)",
            **({"clock": clock.told()} if options.fidelity in CONTROLLED else {}),
            **_told(deviating),
            **({"own": {name: content_digest(it) for name, it in own.items()}} if own else {}),
        },
        dict(context.environ),
        lambda line: put(context.err, f"{line}\n"),
        own,
    )


def _own(config: Config, options: argparse.Namespace, deviating: Deviations) -> Mapping[str, bytes]:
    """Return the user's own files, where scripts run at all."""
    if options.fidelity not in CONTROLLED or not options.config:
        return {}
    own = read_own(config, Path(options.config))
    changed = {change.host for change in deviating.changes} & own_hosts(own)
    if changed:
        message = f"the path list of {', '.join(sorted(changed))} stands in a script of your own"
        remedy = "leave --change-paths and [[simulate.paths]] away, or backup-restic"
        raise UsageError("paths", message, remedy)
    return own


def _told(deviating: Deviations) -> dict[str, object]:
    told = {
        "missed": [f"{days.first}..{days.last}" for days in deviating.missed],
        "down": [f"{name}@{days.first}..{days.last}" for name, days in deviating.down],
        "path_changes": [f"{c.host}@{c.first}={','.join(c.paths)}" for c in deviating.changes],
    }
    return {name: value for name, value in told.items() if value}


def _restic(options: argparse.Namespace, context: Context, host: LocalHost) -> tuple[str, str]:
    if options.fidelity != "model":
        return find_restic(options.restic, context.environ, host)
    if options.restic is None:
        found = shutil.which("restic", path=context.environ.get("PATH"))
        return (
            ("", find_restic(None, context.environ, host)[1])
            if found
            else ("", release_text(NEWEST))
        )
    if "/" in options.restic:
        return "", find_restic(options.restic, context.environ, host)[1]
    return "", rules_for(options.restic).release


def _overridden(config: Config, options: argparse.Namespace) -> Config:
    simulate: dict[str, object] = {}
    if options.days is not None:
        simulate["days"] = whole_number("--days", options.days, most=DAYS_MAX)
    if options.start is not None:
        simulate["start"] = parse_day("--start", options.start)
    if options.seed is not None:
        simulate["seed"] = whole_number("--seed", options.seed, least=0, most=(1 << 63) - 1)
    update: dict[str, object] = {"simulate": config.simulate.model_copy(update=simulate)}
    if options.at or options.timezone:
        update["schedule"] = _schedule(config, options)
    if options.hosts is not None:
        count = whole_number("--hosts", options.hosts, most=HOSTS_MAX)
        if config.simulate.down or config.simulate.paths:
            raise UsageError(
                "--hosts",
                "the configuration says what goes wrong on its own hosts",
                "leave --hosts away, or remove [[simulate.down]] and [[simulate.paths]]",
            )
        like = config.hosts[0]
        update["hosts"] = tuple(
            like.model_copy(update={"name": f"host{n}", "address": None})
            for n in range(1, count + 1)
        )
    keep = keep_options(options)
    if keep or options.group_by is not None:
        update["retention"] = _retention(config, keep, options.group_by)
    return config.model_copy(update=update)


def _schedule(config: Config, options: argparse.Namespace) -> object:
    from datetime import time

    times = config.schedule.times
    if options.at:
        for at in options.at:
            if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", at, re.ASCII):
                raise UsageError("--at", f"{at!r} is no time of day", "write it as 04:00")
        times = tuple(sorted({time.fromisoformat(at) for at in options.at}))
    zone = (
        str(parse_zone("--timezone", options.timezone))
        if options.timezone
        else config.schedule.timezone
    )
    return config.schedule.model_copy(update={"times": times, "timezone": zone})


def _retention(config: Config, keep: dict[str, object], group_by: str | None) -> object:
    # As with restic, the options given are the whole policy: none of the file's rules remain.
    update: dict[str, object] = {}
    if keep:
        if not parse_keep(keep):  # type: ignore[arg-type]
            raise UsageError(
                "--keep-*", "no rule keeps anything", "give at least one --keep-* option above 0"
            )
        fields = [name for name in type(config.retention).model_fields if name.startswith("keep_")]
        update = dict.fromkeys(fields)
        for name, value in keep.items():
            frozen = tuple(value) if isinstance(value, list) else value
            update[name.replace("-", "_")] = frozen
    if group_by is not None:
        parse_group_by(group_by)
        update["group_by"] = group_by
    return config.retention.model_copy(update=update)
