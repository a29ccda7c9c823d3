"""The committed JSON Schema is the generated one, and holds every report and no broken one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.monitor import envelopes
from verifier.monitor.render.schema import problems, schema_text

COMMITTED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_committed_schema_is_the_generated_one() -> None:
    """Where this fails after a wanted change, write `schema_text()` to the file and commit it."""
    assert COMMITTED.read_text(encoding="utf-8") == schema_text()


def test_schema_names_every_section() -> None:
    properties = json.loads(schema_text())["properties"]

    assert {"timeline", "plan", "drill", "error", "verdict"} <= properties.keys()


@pytest.mark.parametrize(
    "report",
    [
        envelopes.simulated(days=40),
        envelopes.simulated(days=3, fidelity="model"),
        envelopes.simulated(days=3, fidelity="cycle"),
        envelopes.planned(),
        envelopes.drilled(corrupted=2),
        envelopes.failed(),
        envelopes.toolchain(),
    ],
    ids=["decisions", "model", "cycle", "plan", "monthly", "error", "toolchain"],
)
def test_every_kind_of_report_holds(report: dict[str, object]) -> None:
    assert problems(report) == ()


def _without(report: dict[str, Any], *keys: str) -> dict[str, Any]:
    inner: Any = report
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return report


def test_missing_verdict_is_a_problem() -> None:
    assert problems(_without(envelopes.toolchain(), "verdict")) == ("verdict: Field required",)


def test_missing_field_of_a_section_is_a_problem() -> None:
    broken = _without(envelopes.simulated(days=2), "timeline", "survivors")

    assert problems(broken) == ("timeline.survivors: Field required",)


def test_count_written_as_text_is_a_problem() -> None:
    broken = envelopes.toolchain() | {"schema": "1"}

    assert len(problems(broken)) == 1


def test_fields_of_later_releases_are_passed_over() -> None:
    assert problems(envelopes.toolchain() | {"later": {}}) == ()
