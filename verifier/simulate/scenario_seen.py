"""Everything that a scenario showed, from the timeline that was followed and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from verifier.config.scenario import Scenario
from verifier.core.finding import Finding
from verifier.monitor.subjects import backup_rule
from verifier.simulate.scenario_alerts import alerts_of
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.scenario_recovery import recovery_of
from verifier.simulate.timeline import Following


def show(scenario: Scenario, followed: Following, findings: Iterable[Finding]) -> Seen:
    """Return what a scenario showed, on whatever rung, up to the end of its last day."""
    config, simulate = scenario.config, scenario.config.simulate
    hosts = [table.name for table in config.hosts]
    after = simulate.start + timedelta(days=simulate.days)
    until_at = datetime.combine(after, time(), config.zone)
    rule = backup_rule(config)
    return Seen(
        tuple(findings),
        tuple(s for group in followed.survivors() for s in group.keep),
        alerts_of(followed.records, hosts, rule, until_at),
        recovery_of(followed.records, hosts, config.zone, until_at),
    )
