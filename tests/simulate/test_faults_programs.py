"""Which release of restic a machine has on a day, and how it gets it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.simulate.systems import PASSWORD, RESTIC
from verifier.config.scenario_faults import ResticUpgraded
from verifier.core.errors import ResticFailed
from verifier.fleet.local import LocalHost
from verifier.reader.repository import Config, open_repository
from verifier.simulate.faults_programs import install_restic, migrate, release_on
from verifier.simulate.forge import make_repository

UPGRADES = [
    ResticUpgraded.model_validate({"hosts": hosts, "from": date(2024, 1, day), "restic": release})
    for hosts, day, release in ((["web1"], 5, "0.19.1"), (["jak", "web1"], 3, "0.18.0"))
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jak", ["0.14.0", "0.18.0", "0.18.0", "0.18.0"]),
        ("web1", ["0.14.0", "0.18.0", "0.18.0", "0.19.1"]),
        ("db1", ["0.14.0"] * 4),
    ],
)
def test_machine_has_the_release_of_its_newest_upgrade(name: str, expected: list[str]) -> None:
    days = [date(2024, 1, day) for day in (2, 3, 4, 5)]

    assert expected == [release_on(name, day, UPGRADES, "0.14.0") for day in days]


def test_program_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    for program in ("/usr/bin/true", "/usr/bin/false", "/usr/bin/false"):
        install_restic(folder, program)

    assert ["/usr/bin/false"] == [str(link.readlink()) for link in folder.iterdir()]


def version_of(repository: Path) -> int:
    config = open_repository(repository, PASSWORD).config
    assert isinstance(config, Config)
    return config.version


@pytest.mark.heavy
def test_repository_is_migrated_and_what_cannot_be_is_an_error(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    make_repository(repository, PASSWORD, LocalHost(), RESTIC, version=1)
    env = {
        "RESTIC_REPOSITORY": str(repository),
        "RESTIC_PASSWORD": PASSWORD,
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }
    before = version_of(repository)
    migrate(LocalHost(), (RESTIC,), env)

    assert (1, 2) == (before, version_of(repository))
    with pytest.raises(ResticFailed):
        migrate(LocalHost(), (RESTIC,), {**env, "RESTIC_PASSWORD": "another"})
