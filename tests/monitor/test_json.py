"""One report is one JSON object, whatever stands in it."""

from __future__ import annotations

import json
import math

from tests.monitor import envelopes
from verifier.core.finding import Finding
from verifier.monitor.render.json import render_json


def test_rendering_is_one_object_that_reads_back() -> None:
    report = envelopes.simulated(days=40)

    assert json.loads(render_json(report)) == report


def test_verdict_stands_near_the_top() -> None:
    lines = render_json(envelopes.simulated(days=40)).splitlines()

    assert lines[3] == '  "verdict": "OK",'


def test_each_step_has_one_line() -> None:
    lines = render_json(envelopes.simulated(days=40)).splitlines()

    assert sum('"repository_bytes"' in line for line in lines) == 40


def test_equal_reports_are_equal_texts() -> None:
    one = envelopes.toolchain() | {"tool": {"a": "1", "b": "2"}}
    other = envelopes.toolchain() | {"tool": {"b": "2", "a": "1"}}

    assert render_json(one) == render_json(other)


def test_order_in_which_findings_came_does_not_show() -> None:
    found = (
        Finding("changed", "web1:/a", "newer"),
        Finding("lost", "web1:/b", "gone"),
        Finding("lost", "web1:/a", "gone"),
    )
    one = envelopes.envelope("drill", {}, findings=found)
    other = envelopes.envelope("drill", {}, findings=found[::-1])

    assert render_json(one) == render_json(other)
    subjects = [finding["subject"] for finding in json.loads(render_json(one))["findings"]]
    assert subjects == ["web1:/a", "web1:/b", "web1:/a"]


def test_rendering_is_ascii() -> None:
    report = envelopes.drilled(corrupted=1, host="wéb\udcff\n")

    assert render_json(report).isascii()
    assert json.loads(render_json(report)) == report


def test_numbers_json_cannot_say_become_null() -> None:
    report = envelopes.envelope(
        "drill", {}, measurements={"rate": math.nan, "most": math.inf, "n": 1}
    )

    assert json.loads(render_json(report))["measurements"] == {"rate": None, "most": None, "n": 1}


def test_values_json_does_not_know_are_written_as_text() -> None:
    measurements: dict[str, object] = {"kinds": {"b", "a"}, "at": envelopes.FIRST}
    report = envelopes.envelope("drill", {}, measurements=measurements)

    written = json.loads(render_json(report))["measurements"]
    assert written == {"kinds": ["a", "b"], "at": str(envelopes.FIRST)}
