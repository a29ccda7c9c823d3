"""Fixtures of the drill: the real restic, and a laboratory of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.drill.lab import PASSWORD, Lab
from verifier.simulate.forge import cheapen


@pytest.fixture(scope="session")
def empty_repository(restic_program: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository without snapshots and with a cheap key, to be copied."""
    lab = Lab(tmp_path_factory.mktemp("empty"), restic_program)
    lab.restic("init")
    cheapen(lab.repository, PASSWORD)
    return lab.repository


@pytest.fixture
def lab(restic_program: str, empty_repository: Path, tmp_path: Path) -> Lab:
    """A repository of its own, and an empty live tree."""
    shutil.copytree(empty_repository, tmp_path / "repository")
    (tmp_path / "live").mkdir()
    return Lab(tmp_path, restic_program)
