"""What is installed from a wheel is what runs from the tree."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE, project_files
from verifier.cli.toolchain import LOCK


@pytest.mark.heavy
def test_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("hatchling")
    subprocess.run(
        [program, "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if name.startswith("verifier/")}
    ours = {str(p.relative_to(ROOT)) for p in project_files() if p.is_relative_to(SOURCE)}

    assert ours == names
    assert any(name.endswith(".j2") for name in names)


def test_lock_of_releases_is_installed_with_the_package() -> None:
    """`--restic 0.18.0` is asked of an installed program too, beside which no source tree lies."""
    assert LOCK.is_relative_to(SOURCE)
