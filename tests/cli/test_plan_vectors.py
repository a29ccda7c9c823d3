"""`plan` on the command line answers every recorded one-shot case as restic did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.retention.test_vectors import RUNS
from verifier.cli.main import main

ONESHOT = [run for run in RUNS if run.values[0]["kind"] == "oneshot"]


def options(policy: dict[str, Any]) -> list[str]:
    """Spell a recorded policy as restic's options."""
    found = []
    for rule, value in policy.items():
        if rule == "tags":
            found += [f"--keep-tag={','.join(tags)}" for tags in value]
        else:
            found.append(f"--keep-{rule.replace('_', '-')}={'unlimited' if value == -1 else value}")
    return found


@pytest.mark.parametrize(("case", "result", "version"), ONESHOT[::3])
def test_plan_agrees_with_restic(
    case: dict[str, Any],
    result: dict[str, Any],
    version: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "snapshots.json"
    listed = [{**s, "id": f"{index:064}"} for index, s in enumerate(case["snapshots"])]
    file.write_text(json.dumps(listed))
    line = ["plan", "--json", "--snapshots", str(file), "--rules", version, "--now", case["now"]]
    line += ["--timezone", case["process_tz"], "--group-by", case["group_by"]]
    main([*line, *options(case["policy"])])

    groups = json.loads(capsys.readouterr().out)["plan"]["groups"]
    expected = sorted(
        (g["host"], sorted(g["paths"] or ()), sorted(g["tags"] or ()), g["keep"], g["reasons"])
        for g in result["groups"]
    )
    found = sorted(
        (
            g["host"],
            g["paths"],
            g["tags"],
            [int(s["id"]) for s in g["keep"]],
            [s["reasons"] for s in g["keep"]],
        )
        for g in groups
    )
    assert expected == found
