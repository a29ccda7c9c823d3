"""The import contracts hold, and each of them has been seen red."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, copy_of_the_house


def _lint(folder: Path) -> tuple[int, str]:
    program = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run(
        [program, "--no-cache"], cwd=folder, check=False, capture_output=True, text=True
    )
    return ended.returncode, " ".join(ended.stdout.split())


def test_contracts_hold() -> None:
    status, said = _lint(ROOT)

    assert "0 broken" in said
    assert 0 == status


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("core/tree.py", "import time", "verifier.core.tree -> time"),
        ("retention/rules.py", "import os.path", "verifier.retention.rules -> os"),
        ("core/finding.py", "from verifier.retention import rules", "not allowed to import"),
        ("reader/seal.py", "from verifier.restic import toolchain", "verifier.reader.seal"),
        ("reader/seal.py", "import subprocess", "verifier.reader.seal -> subprocess"),
        ("restic/toolchain.py", "import verifier.fleet.local", "verifier.restic.toolchain"),
        ("utils/__init__.py", "", "utils"),
    ],
    ids=[
        "clock",
        "machine",
        "upwards",
        "second-opinion",
        "process",
        "stranger",
        "room-beside-these",
    ],
)
def test_broken_contract_is_seen(tmp_path: Path, file: str, line: str, message: str) -> None:
    house = copy_of_the_house(tmp_path)
    broken = house / "verifier" / file
    broken.parent.mkdir(exist_ok=True)
    with broken.open("a") as text:
        text.write(f"\n{line}\n")

    status, said = _lint(house)

    assert 1 == status
    assert message in said
