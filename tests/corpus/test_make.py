"""The command that makes one specimen for people, as they type it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fixtures.corpus.table import SPECIMENS
from fixtures.corpus.world import PASSWORD
from tests.house.tree import ROOT
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.reader.repository import open_repository
from verifier.reader.verify import verify

MAKE = ROOT / "fixtures" / "corpus" / "make.py"


def make(*arguments: str, cwd: Path) -> Completed:
    """Run the command."""
    return LocalHost().run(Command((sys.executable, str(MAKE), *arguments), cwd=str(cwd)))


def test_without_a_name_all_names_are_listed(tmp_path: Path) -> None:
    assert list(SPECIMENS) == make(cwd=tmp_path).stdout.decode().splitlines()


def test_nothing_is_made_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    done = make("pack-missing", "there", cwd=tmp_path)

    assert (2, b"") == (done.status, done.stdout)
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.heavy
@pytest.mark.parametrize(("options", "damaged"), [((), True), (("--healthy",), False)])
def test_made_specimen_is_broken_and_its_twin_is_not(
    options: tuple[str, ...], damaged: bool, tmp_path: Path
) -> None:
    done = make("pack-missing", "made", *options, cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    result = verify(open_repository(tmp_path / "made/repository", PASSWORD), read_data=False)

    assert f"repository: {tmp_path}/made/repository" == lines[0]
    assert damaged is bool(result.damages)
    assert damaged is any(line.startswith("drill: lost") for line in lines)
