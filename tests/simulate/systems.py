"""Small systems to simulate, and the worlds they live in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from verifier.cli.programs import find_restic
from verifier.config.models import Config
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.cycle.coordinator import fire_times
from verifier.fleet.local import LocalHost
from verifier.reader.repository import Repository, open_repository
from verifier.retention.checks import Promises
from verifier.retention.rules import Rules, rules_for
from verifier.simulate.dataset import Dataset
from verifier.simulate.timeline import (
    Deviations,
    Following,
    Outcome,
    Source,
    Step,
    World,
    follow,
    plan_steps,
)
from verifier.simulate.worlds.cycle import CycleWorld, Programs, Template
from verifier.simulate.worlds.model import ModelWorld

PASSWORD = "simulated"
RESTIC, RELEASE = find_restic(None, os.environ, LocalHost())
RCLONE = shutil.which("rclone") or "rclone is missing"
HOSTS = ({"name": "web1", "include": ["/srv"]}, {"name": "db1", "include": ["/srv", "/etc"]})


def config(
    *,
    days: int = 3,
    start: str = "2024-01-01",
    at: str = "04:00",
    zone: str = "America/Los_Angeles",
    hosts: Iterable[dict[str, Any]] = HOSTS,
    **tables: dict[str, Any],
) -> Config:
    """Return a system of two hosts; more tables as `verify.toml` has them."""
    return Config.model_validate(
        {
            "schema": 1,
            "repository": {"location": "/mnt/restic", "password-file": "/mnt/keys/restic"},
            "coordinator": {"name": "jak"},
            "schedule": {"times": [at], "timezone": zone},
            "retention": {"keep-daily": 2},
            "hosts": list(hosts),
            "simulate": {"start": date.fromisoformat(start), "days": days},
            **tables,
        }
    )


def steps_of(system: Config, deviations: Deviations | None = None) -> tuple[Step, ...]:
    """Return the system's timeline."""
    days = system.simulate
    return plan_steps(
        [Source(host.name, host.include) for host in system.hosts],
        fire_times(system.times, system.zone, days.start, days.days),
        deviations or Deviations(),
    )


def model_of(system: Config, rules: Rules | None = None) -> ModelWorld:
    """Return the system's model."""
    rules = rules or rules_for(RELEASE)
    return ModelWorld(system.policy(), rules, system.zone, system.group_by)


@dataclass(slots=True)
class Lab:
    """A cycle's world in a folder, and its timeline."""

    folder: Path
    template: Template
    system: Config
    steps: tuple[Step, ...]
    restic: str = RESTIC
    rclone: str = RCLONE
    seed: int = 1
    controlled: bool = True
    rules: Rules = field(default_factory=lambda: rules_for(RELEASE))

    def open(self) -> CycleWorld:
        """Make the world."""
        return CycleWorld(
            self.folder,
            self.template,
            self.system,
            programs=Programs(self.restic, self.rclone, self.controlled),
            host=LocalHost(),
            dataset=Dataset(self.seed),
            model=model_of(self.system, self.rules),
            last=self.steps[-1],
        )

    def follow(self, outcomes: Iterable[Outcome]) -> Following:
        """Follow outcomes to the end."""
        promises, state = Promises(self.system.policy(), self.system.zone), Following()
        for state, _ in follow(outcomes, promises, self.system.group_by):  # noqa: B007
            pass
        return state

    def run(self, world: World | None = None) -> Following:
        """Run the whole timeline."""
        return self.follow(map((world or self.open()).run, self.steps))

    def repository(self, name: str = "repository") -> Repository:
        """Open the world's repository, or its copy `offsite`."""
        return open_repository(self.folder / name, PASSWORD)


def kinds(found: Following | Sequence[Finding]) -> set[str]:
    """Return the kinds of findings."""
    findings = found.findings() if isinstance(found, Following) else found
    return {finding.kind for finding in findings}


def subjects(found: Following) -> set[str]:
    """Return what the findings are about."""
    return {finding.subject for finding in found.findings()}


def survivors(found: Following) -> set[Snapshot]:
    """Return every snapshot that stays at the end."""
    return {snapshot for group in found.survivors() for snapshot in group.keep}
