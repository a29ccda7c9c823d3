"""Faults of a cycle's surroundings reach the programs that run there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.simulate.systems import PASSWORD
from verifier.config.scenario import Scenario, make_scenario
from verifier.core.host import Command
from verifier.fleet.background import beside
from verifier.fleet.local import LocalHost
from verifier.reader.repository import Config, open_repository
from verifier.simulate.forge import make_repository
from verifier.simulate.scenario import plan
from verifier.simulate.scenario_cycle import CycleRun
from verifier.simulate.worlds.cycle import Programs, Template

pytestmark = pytest.mark.heavy


def scenario(**faults: list[dict[str, object]]) -> Scenario:
    """Return three days of two hosts, with restic 0.18.0."""
    return make_scenario(
        {
            "schema": 1,
            "scenario": {"about": "A test.", "fidelity": ["cycle"], "restic": "0.18.0"},
            "hosts": [{"name": "web1", "include": ["/srv"]}, {"name": "db1", "include": ["/etc"]}],
            "retention": {"keep-daily": 30},
            "simulate": {"start": date(2024, 1, 1), "days": 3},
            "faults": {kind.replace("_", "-"): listed for kind, listed in faults.items()},
            "expect": {"verdict": "OK", "survivors": [{"host": "web1", "count": 1}]},
        },
        "test",
    )


def test_machines_and_repository_are_as_new_as_the_day(
    tmp_path: Path, restic_release: Callable[[str], Path]
) -> None:
    """Goal: whose restic is exchanged makes the snapshots from then on, and nobody else's is.

    Method: restic has written into each snapshot which release made it, since 0.16.
    """
    programs = {release: str(restic_release(release)) for release in ("0.18.0", "0.19.1")}
    make_repository(tmp_path / "template", PASSWORD, LocalHost(), programs["0.18.0"], version=1)
    changed = scenario(
        restic_upgraded=[{"hosts": ["db1", "jak"], "from": date(2024, 1, 2), "restic": "0.19.1"}],
        repository_migrated=[{"after": date(2024, 1, 2)}],
    )
    run = CycleRun(
        tmp_path / "system",
        Template(tmp_path / "template", PASSWORD),
        Programs(programs["0.18.0"], None, controlled=True),
        programs,
        beside,
    )
    seen = run.run(changed, plan(changed, "0.18.0"), LocalHost())
    repository = tmp_path / "system" / "repository"
    config = open_repository(repository, PASSWORD).config

    assert "OK" == seen.verdict.name
    assert isinstance(config, Config)
    assert 2 == config.version
    assert [("web1", "0.18.0")] * 3 + [("db1", "0.18.0")] + [("db1", "0.19.1")] * 2 == makers(
        programs["0.19.1"], repository
    )


def makers(restic: str, repository: Path) -> list[tuple[str, str]]:
    """Return the host of each snapshot and the release that made it, by host and time."""
    argv = (restic, "--no-cache", "-r", str(repository), "cat", "snapshot")
    stored = sorted(
        open_repository(repository, PASSWORD).snapshots(),
        key=lambda snapshot: (snapshot.host != "web1", snapshot.taken_at),
    )
    found = []
    for snapshot in stored:
        command = Command((*argv, snapshot.id), env={"RESTIC_PASSWORD": PASSWORD})
        document = json.loads(LocalHost().run(command).stdout)
        found.append((snapshot.host, document["program_version"].removeprefix("restic ")))
    return found
