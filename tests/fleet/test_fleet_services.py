"""What serves a fleet beside its hosts: the S3 store of the copy, the log server; and manifests.

Five days of one real fleet: all is well; the store has no power; it has again; our credentials are
revoked; they are accepted again. The store was seen red by an endpoint without a machine, the logs
by rows of another service, the manifest by leaving its program out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.simulate.systems import PASSWORD, RESTIC, config, model_of, steps_of
from verifier.core.host import Command
from verifier.fleet.containers import Ground
from verifier.fleet.local import LocalHost
from verifier.simulate.dataset import Dataset
from verifier.simulate.forge import make_repository
from verifier.simulate.timeline import Outcome
from verifier.simulate.worlds.cycle import Template
from verifier.simulate.worlds.fleet import FleetWorld, Setting
from verifier.simulate.worlds.fleet_open import open_fleet_world
from verifier.simulate.worlds.fleet_settle import settle

pytestmark = pytest.mark.heavy

SYSTEM: dict[str, Any] = {
    "start": "2031-05-01",
    "days": 5,
    "offsite": {"method": "rclone-sync", "target": "far away:Restic/it"},
    "hosts": [
        {
            "name": "logs",
            "include": ["/srv"],
            "manifest": "/var/lib/restic-verify/manifest",
            "become": ["sudo", "-n", "/usr/local/sbin/permit-probe"],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Day:
    """What one day came to, the dashboard's answer, and whether the copy is the repository."""

    outcome: Outcome
    finished: datetime | None
    is_copied: bool

    @property
    def seen(self) -> list[tuple[str, str]]:
        """Its findings."""
        return [(finding.kind, finding.subject) for finding in self.outcome.findings]


def _files(folder: Path) -> Mapping[Path, bytes]:
    kept = (path for path in folder.rglob("*") if path.is_file() and "locks" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in kept}


@contextmanager
def _world(ground: Ground, folder: Path, template: Template) -> Iterator[FleetWorld]:
    system = config(**SYSTEM)
    setting = Setting(
        settle(system), template, Dataset(1), Path(RESTIC), 1_500, True, steps_of(system)[-1]
    )
    with open_fleet_world(ground, folder, setting, model_of(system)) as world:
        yield world


@pytest.fixture(scope="module")
def days(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Day], str]:
    """The five days, and what the host's last snapshot holds as its manifest."""
    own, folder = tmp_path_factory.mktemp("template"), tmp_path_factory.mktemp("services")
    template = Template(own / "repository", PASSWORD)
    make_repository(template.folder, PASSWORD, LocalHost(), RESTIC)
    found = []
    with _world(ground, folder, template) as world:
        store = world.store
        assert store is not None
        before = (lambda: None, store.stop, store.accept, store.refuse, store.accept)
        for act, step in zip(before, steps_of(config(**SYSTEM)), strict=True):
            act()
            outcome = world.run(step)
            copy = folder / "offsite" / "copy" / "Restic" / "it"
            is_copied = _files(folder / "repository") == _files(copy)
            found.append(Day(outcome, world.logs.last_finished(), is_copied))
        dump = "restic --no-lock dump latest /srv/restic-manifest/manifest"
        env = {"RESTIC_REPOSITORY": "/mnt/restic", "RESTIC_PASSWORD": PASSWORD}
        manifest = world.fleet.host("jak").run(Command(tuple(dump.split()), env=env))
    return found, manifest.stdout.decode()


def test_copy_in_the_store_is_the_repository(days: tuple[list[Day], str]) -> None:
    first, *_, last = days[0]

    assert ([], []) == (first.seen, last.seen)
    assert first.is_copied
    assert last.is_copied


@pytest.mark.parametrize("bad", [1, 3], ids=["unreachable", "refused"])
def test_store_out_of_reach_is_found_until_it_is_mended(
    days: tuple[list[Day], str], bad: int
) -> None:
    broken, mended = days[0][bad], days[0][bad + 1]

    assert ("step-failed", "offsite") in broken.seen
    assert not broken.is_copied
    assert [] == mended.seen
    assert mended.is_copied


def test_dashboard_knows_the_last_run_that_finished(days: tuple[list[Day], str]) -> None:
    ends = [day.outcome.step.forget_at.astimezone(UTC) for day in days[0]]

    assert [ends[0], ends[0], ends[2], ends[2], ends[4]] == [day.finished for day in days[0]]
    assert datetime(2031, 5, 5, tzinfo=UTC) < ends[-1] < datetime(2031, 5, 6, tzinfo=UTC)


def test_manifest_is_in_the_backup_and_lists_what_only_root_may_read(
    days: tuple[list[Day], str],
) -> None:
    lines = days[1].splitlines()

    assert '"host":"logs"' in lines[0]
    assert any('"path":"/srv/simulated/' in line and '"sha256"' in line for line in lines)
    assert not any('"error"' in line for line in lines)
