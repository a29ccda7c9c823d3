"""Every way in which a pack of the repository can be damaged is done, seen, and found as a loss."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.cli.context import Context
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.clock.system import SystemClock
from verifier.config.scenario import parse_scenario

ROTS = Path(__file__).parents[2] / "scenarios" / "pack-rots.toml"
SHORT = ROTS.read_text().replace("days = 8", "days = 2").replace("after = 2024-01-03", "{after}")


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with open_laboratory(Context(SystemClock(), dict(os.environ), io.StringIO())) as opened:
        yield opened


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("how", "holds", "state"),
    [
        ("cut", "data", "cut"),
        ("cut", "trees", "cut"),
        ("deleted", "data", "gone"),
        ("deleted", "trees", "gone"),
        ("flipped", "trees", "altered"),
    ],
)
def test_damaged_pack_is_seen_and_found(
    laboratory: Laboratory, how: str, holds: str, state: str
) -> None:
    due = f'after = 2024-01-01\nholds = "{holds}"'
    text = SHORT.replace("{after}", due).replace('how = "flipped"', f'how = "{how}"')
    seen = laboratory.run(parse_scenario(text, "damaged.toml"), "cycle")

    assert ["observed"] == [
        one.kind for one in seen.findings if one.subject == f"repository pack {state}"
    ]
    assert any(one.kind == "lost" and one.subject.startswith("data/") for one in seen.findings)
