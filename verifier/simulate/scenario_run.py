"""A scenario from its timeline to what it showed: the timeline's findings, and an audit at its end.

The audit is production's own, over the snapshots that are left, as if it ran just after the last
cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from verifier.config.scenario import Scenario
from verifier.drill.audit import Terms, audit_snapshots
from verifier.retention.dating import Forgetting
from verifier.simulate.scenario import follow_scenario, plan, rules
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.scenario_seen import show
from verifier.simulate.simulation import Result, Simulation

Run = Callable[[Scenario], Seen]
"""Run a scenario on one rung, and say what it showed."""


def run_in_model(scenario: Scenario) -> Seen:
    """Run a scenario in the model."""
    return seen_of(scenario, follow_scenario(scenario))


def seen_of(scenario: Scenario, result: Result, release: str = "") -> Seen:
    """Return what a timeline that was followed to its end showed."""
    survivors = tuple(s for group in result.followed.survivors() for s in group.keep)
    audited = audit_snapshots(survivors, terms(scenario, release), end_at(plan(scenario, release)))
    findings = (*result.seams, *result.followed.findings(), *audited.findings)
    return show(scenario, result.followed, findings)


def end_at(simulation: Simulation) -> datetime:
    """Return the instant at which the audit looks: when the last step's forget would run."""
    return simulation.steps[-1].forget_at


def terms(scenario: Scenario, release: str = "") -> Terms:
    """Return what the snapshots of a scenario are held to: its own configuration."""
    config = scenario.config
    by = rules(scenario, release)
    return Terms(
        Forgetting(config.policy(), by, config.zone, config.group_by),
        {table.name: table.include for table in config.hosts},
        config.audit.warn_age,
        config.audit.alarm_age,
        config.audit.exclude_percent,
        scheduled=True,
    )
