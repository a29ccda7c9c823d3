"""The store of an off-site copy, as rclone finds it on good days and on bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from tests.simulate.systems import RCLONE
from verifier.config.scenario_faults import Faults
from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Completed
from verifier.fleet.background import beside
from verifier.fleet.local import LocalHost
from verifier.simulate.faults_offsite import STORE, Store

GOOD, AWAY, CLOSED = date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)
FAULTS = Faults.model_validate(
    {
        "offsite-unreachable": [{"from": AWAY, "to": AWAY}],
        "offsite-refused": [{"from": CLOSED, "to": CLOSED}],
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a world's folder with a repository of one file, and a copy without any."""
    for name in ("bin", "offsite", "repository"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "rclone").symlink_to(RCLONE)
    (tmp_path / "repository" / "config").write_text("content")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with closing(Store(folder, RCLONE, LocalHost(), beside)) as store:
        yield store


def sync(folder: Path) -> Completed:
    argv = (f"{folder}/bin/rclone", "sync", str(folder / "repository"), STORE)
    return LocalHost().run(Command(argv, env={"SIMULATION": str(folder), "HOME": str(folder)}))


def test_store_is_a_copy_on_a_good_day(folder: Path, store: Store) -> None:
    store.on(GOOD, FAULTS)

    assert 0 == sync(folder).status
    assert "content" == (folder / "offsite" / "config").read_text()


@pytest.mark.parametrize(("day", "said"), [(AWAY, "connection refused"), (CLOSED, "Unauthorized")])
def test_store_fails_on_a_bad_day_and_not_on_the_next(
    folder: Path, store: Store, day: date, said: str
) -> None:
    store.on(day, FAULTS)
    done = sync(folder)
    held = list((folder / "offsite").iterdir())
    store.on(GOOD, FAULTS)

    assert 0 != done.status
    assert said in done.last_lines()
    assert [] == held
    assert 0 == sync(folder).status


def test_store_that_is_closed_is_away(folder: Path, store: Store) -> None:
    store.on(GOOD, FAULTS)
    store.close()

    assert "connection refused" in sync(folder).last_lines()


def test_rclone_that_serves_nothing_is_said(folder: Path) -> None:
    with pytest.raises(CannotVerify) as caught:
        Store(folder, "false", LocalHost(), beside)

    assert "see that this rclone can serve WebDAV" == caught.value.remedy
