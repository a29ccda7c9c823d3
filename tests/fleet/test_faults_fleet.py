"""Faults of machines really befall them; what follows is for the scenarios to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import pytest

from tests.simulate.systems import PASSWORD, RELEASE, RESTIC, config, model_of, steps_of
from verifier.config.scenario_faults import Faults
from verifier.core.host import Command
from verifier.fleet.containers import Ground
from verifier.fleet.local import LocalHost
from verifier.simulate.dataset import Dataset
from verifier.simulate.faults_fleet import FaultyFleet, Site
from verifier.simulate.forge import make_repository
from verifier.simulate.timeline import Days, Deviations, Outcome
from verifier.simulate.worlds.cycle import Template
from verifier.simulate.worlds.fleet import FleetWorld, Setting, user_id
from verifier.simulate.worlds.fleet_open import open_fleet_world
from verifier.simulate.worlds.fleet_settle import settle

pytestmark = pytest.mark.heavy

SECOND = {"from": date(2024, 1, 2), "to": date(2024, 1, 2)}


@contextmanager
def opened(
    ground: Ground, folder: Path, faults: Faults, deviations: Deviations | None = None
) -> Iterator[tuple[FleetWorld, list[Outcome]]]:
    """Run three days of two hosts one by one; give the world after the second, and the outcomes."""
    system = config(days=3, retention={"keep-daily": 30})
    make_repository(folder / "template", PASSWORD, LocalHost(), RESTIC)
    template, steps = Template(folder / "template", PASSWORD), steps_of(system, deviations)
    settled, model, own = settle(system), model_of(system), folder / folder.name
    own.mkdir()
    setting = Setting(
        settled, template, Dataset(1), Path(RESTIC), user_id(), controlled=True, last=steps[-1]
    )
    with ExitStack() as stack:
        world = stack.enter_context(open_fleet_world(ground, own, setting, model))
        repository, releases = own / "repository", {RELEASE: RESTIC}
        site = Site(settled, repository, None, PASSWORD, None, RELEASE, releases, model)
        faulty = FaultyFleet(world, site, faults)
        outcomes = [faulty.run(step) for step in steps[:2]]
        yield world, outcomes
        outcomes.append(faulty.run(steps[2]))


def said(world: FleetWorld, name: str, script: str) -> str:
    done = world.fleet.host(name).run(Command(("/bin/sh", "-c", f"exec 2>&1; {script}")))
    return done.stdout.decode().strip()


def test_slow_line_is_slow_on_its_days_and_its_backup_is_made(
    ground: Ground, tmp_path: Path
) -> None:
    """Goal: a scenario in which nothing follows proves nothing, unless the line was held back."""
    faults = Faults.model_validate({"link-slow": [{"host": "web1", **SECOND, "kbit": 32}]})
    with opened(ground, tmp_path, faults) as (world, outcomes):
        slow = said(world, "web1", "tc -s qdisc show dev eth0")
        other = said(world, "db1", "tc qdisc show dev eth0")

    assert "rate 32Kbit" in slow
    assert "overlimits 0 " not in slow
    assert "tbf" not in other
    assert [2, 2, 2] == [len(outcome.created) for outcome in outcomes]


def test_kernel_kills_restic_and_nothing_else(ground: Ground, tmp_path: Path) -> None:
    """Goal: the lock that stays is restic's, and the machine itself goes on."""
    faults = Faults.model_validate({"memory-short": [{"host": "web1", **SECOND}]})
    with opened(ground, tmp_path, faults) as (world, outcomes):
        locks = said(world, "jak", "ls /mnt/restic/locks | wc -l")
        serving = said(world, "web1", "pgrep -c sshd")

    assert ["1", "1"] == [locks, serving]
    assert [2, 1, 2] == [len(outcome.created) for outcome in outcomes]
    assert {"web1", "forget"} == {finding.subject for finding in outcomes[1].findings}


@pytest.mark.parametrize(
    ("spells", "is_down", "made"),
    [
        ([(2, 3), (2, 2)], False, [2, 1, 1]),
        ([(2, 3)], True, [2, 1, 1]),
        ([(2, 2)], True, [2, 1, 2]),
    ],
    ids=["spells-overlap", "power-is-cut", "is-over-meanwhile"],
)
def test_cut_line_stays_cut_to_its_last_day(
    ground: Ground, tmp_path: Path, spells: list[tuple[int, int]], is_down: bool, made: list[int]
) -> None:
    """Goal: neither another spell nor a start of the machine, with its new line, ends the fault."""
    cuts = [{"host": "web1", "from": date(2024, 1, a), "to": date(2024, 1, b)} for a, b in spells]
    down = (("web1", Days(SECOND["from"], SECOND["to"])),) if is_down else ()
    faults = Faults.model_validate({"partition": cuts})
    with opened(ground, tmp_path, faults, Deviations(down=down)) as (_, outcomes):
        pass

    assert made == [len(outcome.created) for outcome in outcomes]
