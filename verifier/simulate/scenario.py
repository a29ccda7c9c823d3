"""Scenarios to simulations: the steps of a timeline with everything that goes wrong in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from verifier.config.models import Simulate
from verifier.config.scenario import Scenario
from verifier.cycle.coordinator import fire_times
from verifier.retention.rules import NEWEST, Rules, release_text, rules_for
from verifier.simulate.faults import apply, forgetting_at
from verifier.simulate.faults_slow import delay
from verifier.simulate.simulation import Result, Simulation, run_model
from verifier.simulate.timeline import Days, Deviations, PathChange, Source, plan_steps


def plan(scenario: Scenario, release: str = "") -> Simulation:
    """Return a scenario's timeline, ready to run in the model.

    Args:
        release: of the restic that decides; the scenario's own, or the newest, where none is given.
    """
    config = scenario.config
    simulate = config.simulate
    include = {table.name: table.include for table in config.hosts}
    sources = [Source(name, paths) for name, paths in include.items()]
    fired = _fired(config.times, config.zone, simulate.start, simulate.days)
    steps = apply(plan_steps(sources, fired, _deviations(simulate)), scenario.faults, include)
    return Simulation(
        delay(steps, scenario.faults.backup_slow),
        config.policy(),
        rules(scenario, release),
        config.zone,
        config.group_by,
    )


def expand_schedules(scenarios: Iterable[Scenario]) -> None:
    """Expand the schedules of scenarios before threads plan them.

    Expansion freezes the time of the whole process: to another thread that runs a command
    meanwhile its time limit would seem to be over, and today to be another day.
    """
    for scenario in scenarios:
        plan(scenario)


def follow_scenario(scenario: Scenario) -> Result:
    """Follow a scenario's timeline in the model."""
    return run_model(plan(scenario), lambda _: None, lambda _: None)


def rules(scenario: Scenario, release: str = "") -> Rules:
    """Return the rules by which a scenario forgets; see `plan`."""
    return rules_for(release or scenario.about.restic or release_text(NEWEST))


def as_seen_at(simulation: Simulation, now: datetime) -> Simulation:
    """Return the simulation as a restic sees it whose clock says `now` on every step."""
    return replace(simulation, steps=forgetting_at(simulation.steps, now))


# Hundreds of timelines of a search have one schedule.
@lru_cache(maxsize=1_024)
def _fired(times: Sequence[str], zone: ZoneInfo, start: date, days: int) -> tuple[datetime, ...]:
    return fire_times(times, zone, start, days)


def _deviations(simulate: Simulate) -> Deviations:
    changes = (PathChange(p.host, p.from_, p.include) for p in simulate.paths)
    return Deviations(
        tuple(Days(d.first, d.last) for d in simulate.missed),
        tuple((d.host, Days(d.from_, d.to)) for d in simulate.down),
        tuple(sorted(changes, key=lambda change: change.first)),
    )
