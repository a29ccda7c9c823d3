"""Scenarios as listed, shown and run, on a terminal and on a page."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.monitor.envelopes import HOSTILE, envelope
from verifier.core.finding import Finding
from verifier.core.report import Coverage
from verifier.monitor.render.page import page
from verifier.monitor.render.schema import problems
from verifier.monitor.render.text import text

INPUTS = {"scenario": "a" * 64, "python": "3.11.7"}


def record(name: str, **more: Any) -> dict[str, Any]:
    """Return one rung of a scenario that was run, and met."""
    ran = {"met": True, "duration_s": 2.5, "stored": False, "key": "b" * 64, "digest": "c" * 64}
    return {"name": name, "fidelity": "cycle", **ran, "inputs": INPUTS, "notes": [], **more}


def ran(*records: dict[str, Any]) -> dict[str, object]:
    """Return the report of a run; what is not met has a finding."""
    wrong = tuple(Finding("unmet", r["name"], "it was not seen") for r in records if not r["met"])
    covered = Coverage("scenarios", len(records), len(records))
    return envelope("scenario", {"scenarios": list(records)}, findings=wrong, coverage=covered)


def shown(name: str = "down", file: str = "scenarios/down.toml") -> dict[str, Any]:
    """Return one rung of a scenario that is shown."""
    more = {"file": file, "text": 'schema = 1\n\n[scenario]\nabout = "x"\n'}
    kept = {key: it for key, it in record(name).items() if key not in {"met", "duration_s"}}
    return {**kept, **more}


@pytest.mark.parametrize(
    "report",
    [
        ran(record("down")),
        ran(record("down", met=None, digest=None)),
        envelope("scenario", {"scenarios": [shown()]}),
        envelope(
            "scenario",
            {"scenarios": [{"name": "x", "fidelity": "model", "about": "x", "verdict": "OK"}]},
        ),
    ],
    ids=["run", "not run", "shown", "listed"],
)
def test_report_holds_its_schema(report: dict[str, object]) -> None:
    assert () == problems(report)


def test_section_of_another_shape_is_a_problem() -> None:
    assert problems(ran(record("down", met="yes")))


def test_run_is_a_table_that_is_never_cut() -> None:
    many = [record(f"scenario{place:03}") for place in range(60)]
    lines = text(ran(*many, record("late", stored=True, met=False, duration_s=75.0))).splitlines()

    assert "CRITICAL: unmet 1; 60 of 61 scenarios as expected, 1 stored" == lines[0]
    assert ["scenario059", "cycle", "met", "2.5", "s", "a", "run"] == lines[63].split()
    assert lines[64].split()[:4] == ["late", "cycle", "NOT", "MET"]
    assert lines[64].endswith("1 min 15 s  the store")


def test_what_was_not_seen_is_said_once_a_scenario() -> None:
    said = text(
        ran(record("own", notes=["stages"]), record("own", fidelity="fleet", notes=["stages"]))
    )

    assert 1 == said.count("stages")


def test_names_cannot_obey_a_terminal_or_a_page() -> None:
    hostile = ran(record(HOSTILE, notes=[HOSTILE]))

    assert "\x1b" not in text(hostile)
    assert "<script>" not in page(hostile)


def test_shown_scenario_stays_a_file() -> None:
    said = text(envelope("scenario", {"scenarios": [shown()]}))

    assert {"schema": 1, "scenario": {"about": "x"}} == tomllib.loads(said)
    assert f"#   key = {'b' * 64}\n" in said


def test_several_shown_scenarios_are_told_apart() -> None:
    both = [shown(), shown("up", "scenarios/up.toml"), shown("up", "scenarios/up.toml")]
    said = text(envelope("scenario", {"scenarios": both}))

    assert ["# ==> scenarios/down.toml", "# ==> scenarios/up.toml"] == [
        line for line in said.splitlines() if line.startswith("# ==>")
    ]
    assert 2 == said.count("about")
