"""The model against decisions recorded from real restic: keep sets, reasons, every step."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from verifier.core.decision import Decision
from verifier.core.policy import Policy, parse_duration
from verifier.core.snapshot import Snapshot, parse_instant
from verifier.retention.decide import decide, parse_group_by
from verifier.retention.rules import rules_for

VECTORS = Path(__file__).parents[2] / "fixtures" / "vectors"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "forget_cases.json").read_text())["cases"]

RUNS = [
    pytest.param(case, result, version, id=f"{case['name']}-{version}")
    for case in CASES
    for result in case["results"]
    for version in result["versions"]
]


def recorded_policy(options: dict[str, Any]) -> Policy:
    """Turn the vectors' spelling into a Policy."""
    spans = {
        name: parse_duration(value) for name, value in options.items() if name.startswith("within")
    }
    tags = tuple(map(tuple, options.get("tags", ())))
    return Policy(**{**options, **spans, "tags": tags})


def recorded_snapshots(case: dict[str, Any]) -> list[Snapshot]:
    """Turn a case's input into snapshots whose id is their index."""
    return [
        Snapshot(
            str(index), parse_instant(s["time"]), s["hostname"], tuple(s["paths"]), tuple(s["tags"])
        )
        for index, s in enumerate(case["snapshots"])
    ]


def forget(
    case: dict[str, Any], version: str, snapshots: list[Snapshot], now: datetime
) -> Decision:
    """Ask the model what the recorded process was asked."""
    return decide(
        snapshots,
        recorded_policy(case["policy"]),
        rules_for(version),
        now=now,
        zone=ZoneInfo(case["process_tz"]),
        group_by=parse_group_by(case["group_by"]),
    )


@pytest.mark.parametrize(
    ("case", "result", "version"), [r for r in RUNS if r.values[0]["kind"] == "oneshot"]
)
def test_one_forget_agrees_with_restic(
    case: dict[str, Any], result: dict[str, Any], version: str
) -> None:
    decision = forget(case, version, recorded_snapshots(case), parse_instant(case["now"]))

    expected = sorted(
        (
            g["host"],
            sorted(g["paths"] or ()),
            sorted(g["tags"] or ()),
            g["keep"],
            g["reasons"],
            g["remove_count"],
        )
        for g in result["groups"]
    )
    found = sorted(
        (
            g.key.host,
            list(g.key.paths),
            list(g.key.tags),
            [int(s.id) for s in g.keep],
            [list(why) for why in g.reasons],
            len(g.remove),
        )
        for g in decision.groups
    )
    assert expected == found
    assert result["keep"] == sorted(int(s.id) for s, _ in decision.kept())


@pytest.mark.parametrize(
    ("case", "result", "version"), [r for r in RUNS if r.values[0]["kind"] == "sequential"]
)
def test_every_step_agrees_with_restic(
    case: dict[str, Any], result: dict[str, Any], version: str
) -> None:
    snapshots = recorded_snapshots(case)
    now = parse_instant(case["now"])
    alive: list[Snapshot] = []
    removed_at_step: list[int | None] = [None] * len(snapshots)
    checkpoints: dict[str, list[int]] = {}
    for step, added in enumerate(case["steps"]):
        alive += [snapshots[index] for index in added]
        for gone in forget(case, version, alive, now).removed():
            removed_at_step[int(gone.id)] = step
            alive.remove(gone)
        checkpoints[str(step + 1)] = sorted(int(s.id) for s in alive)

    assert result["removed_at_step"] == removed_at_step
    assert result["checkpoints"] == {done: checkpoints[done] for done in result["checkpoints"]}
    assert result["final"] == sorted(int(s.id) for s in alive)
    once = forget(case, version, snapshots, now)
    assert result["oneshot_keep"] == sorted(int(s.id) for s, _ in once.kept())
