"""A repository with a low-cost key, made once; every world copies it."""

from __future__ import annotations

import pytest

from tests.simulate.systems import PASSWORD, RESTIC
from verifier.fleet.local import LocalHost
from verifier.simulate.forge import make_repository
from verifier.simulate.worlds.cycle import Template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template") / "repository"
    make_repository(folder, PASSWORD, LocalHost(), RESTIC)
    return Template(folder, PASSWORD)
