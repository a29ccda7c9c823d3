"""One scenario on two machines: the same digest, whatever else differs between them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.console import environment, report, run
from tests.scenarios.test_command import HEALTHY

FILE = (
    HEALTHY.replace("days = 5", "days = 3")
    .replace("count = 5", "count = 3")
    .replace('["model"]', '["model", "decisions", "cycle"]')
)
ROTTEN = Path(__file__).parents[2] / "scenarios" / "pack-rots.toml"


def elsewhere(folder: Path, file: str, rung: str, umask: int, **env: str) -> dict[str, Any]:
    """Run the scenario in a place of its own and return its record."""
    for name in ("home", "tmp", "work"):
        (folder / name).mkdir(parents=True)
    (folder / "work" / "one.toml").write_text(file)
    before = os.umask(umask)
    try:
        own = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), **env}
        line = ("scenario", "run", "one.toml", "--json", "--fidelity", rung)
        ended = run(*line, cwd=folder / "work", env=environment(**own))
    finally:
        os.umask(before)
    (record,) = report(ended.stdout)["scenarios"]
    assert record["met"], report(ended.stdout)["findings"]
    assert not record["stored"]
    return record


def both(tmp_path: Path, file: str, rung: str) -> list[dict[str, Any]]:
    """Run a scenario on two machines as different as one machine can be."""
    return [
        elsewhere(tmp_path / "here", file, rung, 0o022, TZ="UTC", LC_ALL="C"),
        elsewhere(
            tmp_path / "far" / "away",
            file,
            rung,
            0o077,
            TZ="Asia/Kathmandu",
            LC_ALL="tr_TR.UTF-8",
            PYTHONHASHSEED="7",
        ),
    ]


@pytest.mark.heavy
@pytest.mark.parametrize("rung", ["model", "decisions", "cycle"])
def test_digest_is_the_same_on_two_machines(tmp_path: Path, rung: str) -> None:
    here, there = both(tmp_path, FILE, rung)

    assert here["digest"] == there["digest"] != ""
    assert _but_code(here) == _but_code(there)


@pytest.mark.heavy
def test_digest_of_damage_is_the_same_though_packs_are_named_by_chance(tmp_path: Path) -> None:
    here, there = both(tmp_path, ROTTEN.read_text(), "cycle")

    assert here["digest"] == there["digest"] != ""


def _but_code(record: dict[str, Any]) -> dict[str, str]:
    """Return the inputs of a result; somebody may be at work on the code."""
    return {name: value for name, value in record["inputs"].items() if name != "code"}
