"""The fleet's world: a healthy system agrees with the model, and what breaks in it is found.

Real machines, real ssh, real restic. Each fault has its healthy twin in the first tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from tests.simulate.systems import PASSWORD, RESTIC, config, kinds, model_of, steps_of
from verifier.config.models import Config
from verifier.core.host import Command
from verifier.fleet.containers import Ground
from verifier.fleet.local import LocalHost
from verifier.simulate.dataset import Dataset
from verifier.simulate.forge import make_repository
from verifier.simulate.segments import cut
from verifier.simulate.timeline import Days, Deviations, Outcome, PathChange, Step
from verifier.simulate.worlds.cycle import Template
from verifier.simulate.worlds.fleet import FleetWorld, Setting
from verifier.simulate.worlds.fleet_data import data_folder
from verifier.simulate.worlds.fleet_open import open_fleet_world
from verifier.simulate.worlds.fleet_settle import settle

pytestmark = pytest.mark.heavy


@dataclass(slots=True)
class Site:
    """A fleet's world and its timeline."""

    world: FleetWorld
    steps: tuple[Step, ...]

    def run(self, first: int = 0, last: int | None = None) -> list[Outcome]:
        """Run some of the steps."""
        return [self.world.run(step) for step in self.steps[first:last]]

    def on(self, name: str, script: str, user: str = "") -> str:
        """Return what a shell script says on a machine."""
        before = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups") if user else ()
        host = self.world._fleet.host(name, before=before)
        done = host.run(Command(("/bin/sh", "-c", f"exec 2>&1; {script}")))
        return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template") / "repository"
    make_repository(folder, PASSWORD, LocalHost(), RESTIC)
    return Template(folder, PASSWORD)


Make = Callable[..., Site]


@pytest.fixture
def site(ground: Ground, template: Template, tmp_path: Path) -> Iterator[Make]:
    """Return a function from a system to its fleet."""
    numbers = count()
    with ExitStack() as stack:

        def make(
            system: Config, deviations: Deviations | None = None, *, controlled: bool = True
        ) -> Site:
            folder = tmp_path / f"{tmp_path.name}-{next(numbers)}"
            folder.mkdir()
            steps = steps_of(system, deviations)
            setting = Setting(
                settle(system), template, Dataset(1), Path(RESTIC), 1_500, controlled, steps[-1]
            )
            world = open_fleet_world(ground, folder, setting, model_of(system))
            return Site(stack.enter_context(world), steps)

        yield make


def _agrees(outcomes: list[Outcome]) -> None:
    assert set() == kinds([finding for outcome in outcomes for finding in outcome.findings])
    assert all(outcome.agreed == outcome.compared > 0 for outcome in outcomes)
    assert outcomes[-1].sound


# Systems that are well.


@pytest.mark.parametrize(
    ("method", "controlled"),
    [("rclone-sync", True), ("restic-copy", False)],
    ids=["rclone-clock", "copy-dated"],
)
def test_a_healthy_fleet_ends_as_the_model_does(site: Make, method: str, controlled: bool) -> None:
    offsite = {"method": method, "target": "offsite:restic"}
    well = site(config(days=3, offsite=offsite), controlled=controlled)
    outcomes = well.run()
    made = {s.id for step in well.steps for s in step.due}

    _agrees(outcomes)
    assert 4 == len(well.world.snapshots())
    assert {s.id for s in well.world.snapshots()} < made


@pytest.mark.parametrize("start", ["2031-03-08", "2031-11-01"])
def test_days_may_lie_in_the_future_and_clocks_may_change(site: Make, start: str) -> None:
    well = site(config(start=start, days=3, retention={"keep-within": "2d"}))
    _agrees(well.run())


def test_everything_on_a_host_lives_in_simulated_time(site: Make) -> None:
    """Nothing stands before restic; the day is the simulated one in a session too."""
    well = site(config(start="2031-05-01", days=1))
    well.run()
    script = "ssh -p 50000 restic@web1 'date +%F; command -v restic; TZ= date +%Z'"
    said = well.on("jak", script, user="restic")

    assert ["2031-05-01", "/usr/bin/restic", "UTC"] == said.splitlines()


def test_restic_alone_may_read_what_only_root_may(site: Make) -> None:
    well = site(config(days=1))
    _agrees(well.run())
    folder = data_folder("/srv")
    rights = well.on("web1", "getcap /usr/bin/restic; stat -c '%U:%G %a' /usr/bin/restic")
    live = well.on("web1", f"find {folder} -type f | wc -l")
    ls = "restic --no-cache --no-lock -r /mnt/restic ls latest --host web1"
    script = f"RESTIC_PASSWORD={PASSWORD} {ls} | grep -c '^{folder}/.*dat$'"
    stored = well.on("jak", script, user="restic")

    assert "Permission denied" in well.on("web1", f"ls {folder}", user="restic")
    assert ["/usr/bin/restic cap_dac_read_search=ep", "root:restic 750"] == rights.splitlines()
    assert live == stored > "0"


@pytest.mark.parametrize("controlled", [True, False], ids=["clock", "dated"])
def test_the_right_to_read_may_come_from_who_starts_restic(site: Make, controlled: bool) -> None:
    """An upgrade of restic, which takes the right of a file with it, is then no event at all."""
    hosts = [{"name": "web1", "include": ["/srv"], "capability": "ambient"}]
    well = site(config(days=2, hosts=hosts), controlled=controlled)
    first = well.run(last=1)
    upgrade = "cp /usr/bin/restic /usr/bin/new && mv /usr/bin/new /usr/bin/restic"
    rights = well.on(
        "web1", f"{upgrade}; getcap /usr/bin/restic; stat -c '%U:%G %a' /usr/bin/restic"
    )
    ls = "restic --no-cache --no-lock -r /mnt/restic ls latest --host web1"
    script = f"RESTIC_PASSWORD={PASSWORD} {ls} | grep -c '^{data_folder('/srv')}/.*dat$'"

    _agrees([*first, *well.run(first=1)])
    assert "root:root 755" == rights
    assert well.on("jak", script, user="restic") > "0"


def test_host_that_was_down_goes_on_where_it_stopped(site: Make) -> None:
    down = Deviations(down=(("web1", Days(date(2024, 1, 2), date(2024, 1, 2))),))
    well = site(config(days=3), down)
    outcomes, power = [], []
    for number in range(3):
        outcomes += well.run(number, number + 1)
        power.append(well.world._fleet.is_up("web1"))

    _agrees(outcomes)
    assert [2, 1, 2] == [len(outcome.created) for outcome in outcomes]
    assert [True, False, True] == power


def test_other_paths_are_another_script_and_another_group(site: Make) -> None:
    change = Deviations(changes=(PathChange("web1", date(2024, 1, 2), ("/var/www", "/etc")),))
    well = site(config(days=2), change)
    outcomes = well.run()

    _agrees(outcomes)
    assert {("/srv",), ("/var/www", "/etc"), ("/srv", "/etc")} == {
        snapshot.paths for snapshot in well.world.snapshots()
    }


def test_seeded_world_holds_what_the_one_before_it_left(site: Make) -> None:
    """The seam between two segments: equal snapshots, by the content of their trees."""
    system = config(days=3)
    first = site(system)
    first.run(0, 2)
    left = first.world.fingerprints()
    second = site(system)
    model = model_of(system)
    second.world.seed(cut(first.steps, model, 3)[2].start)

    assert left == second.world.fingerprints()
    assert 4 == len(left)
    _agrees(second.run(2))


# Systems in which something is broken.


def test_host_whose_restic_lost_its_capability_is_found(site: Make) -> None:
    broken = site(config(days=2))
    broken.run(0, 1)
    broken.on("web1", "setcap -r /usr/bin/restic")
    (outcome,) = broken.run(1)

    assert {("step-failed", "web1")} == {(f.kind, f.subject) for f in outcome.findings}


def test_key_that_a_reboot_locked_is_found_until_it_is_unlocked(site: Make) -> None:
    broken = site(config(days=2))
    broken.world._fleet.power_off("jak")
    broken.world._fleet.power_on("jak")
    (outcome,) = broken.run(0, 1)
    broken.world.unlock()
    _agrees(broken.run(1))

    (said,) = [f.detail for f in outcome.findings if f.subject == "run-backups"]

    assert () == outcome.created
    assert "ended with 3" in said


def test_host_with_another_key_is_found(site: Make) -> None:
    broken = site(config(days=1))
    broken.on(
        "web1",
        "rm /etc/ssh/ssh_host_ed25519_key; "
        "ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; pkill -HUP -o sshd",
    )
    (outcome,) = broken.run()

    assert ("step-failed", "web1") in {(f.kind, f.subject) for f in outcome.findings}


def test_script_that_backs_up_too_little_disagrees(site: Make) -> None:
    broken = site(config(days=1))
    broken.on("db1", "sed -i '/^paths+=(\\/etc/d' /usr/local/bin/backup-restic")
    (outcome,) = broken.run()

    assert "disagreement" in kinds(outcome.findings)
