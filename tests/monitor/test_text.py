"""What a terminal and a log get: the verdict first, and nothing that a terminal would obey."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.monitor import envelopes
from verifier.core.finding import Finding
from verifier.monitor.render.text import LISTED, log_line, text

REPORTS = {
    "simulate": envelopes.simulated(days=60),
    "plan": envelopes.planned(),
    "monthly": envelopes.drilled(corrupted=3),
    "error": envelopes.failed(),
    "toolchain": envelopes.toolchain(),
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_first_line_is_the_verdict(report: dict[str, object]) -> None:
    assert text(report).startswith(f"{report['verdict']}: ")


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_text_has_no_colour_unless_asked(report: dict[str, object]) -> None:
    assert "\x1b" not in text(report)
    assert text(report, colour=True).startswith("\x1b[1;")


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_log_line_is_one_line(report: dict[str, object]) -> None:
    line = log_line(report)

    assert line.isprintable()
    assert line.startswith(f"{report['kind']} {report['verdict']}: ")


def test_verdict_line_says_what_is_wrong_first() -> None:
    assert text(envelopes.drilled(corrupted=33)).startswith("CRITICAL: corrupted 33; 2 hosts, ")


def test_healthy_verdict_line_says_what_was_done() -> None:
    assert text(envelopes.drilled()).startswith(
        "OK: 2 hosts, 29,720 files of 2.8 GiB; 55 of 110 packs read"
    )


def test_error_says_message_then_remedy() -> None:
    lines = text(envelopes.failed()).splitlines()

    assert lines[:2] == [
        "UNKNOWN: backup.example: the host does not answer",
        "  check that sshd listens on port 50000",
    ]


def test_findings_stand_worst_first() -> None:
    found = (
        Finding("changed", "a", "newer"),
        Finding("unreadable", "b", "permission denied"),
        Finding("could-not-verify", "c", "no answer"),
        Finding("lost", "d", "gone"),
    )
    lines = text(envelopes.envelope("drill", {}, findings=found)).splitlines()
    start = lines.index("Findings") + 1

    kinds = [line.split()[1] for line in lines[start : start + 8 : 2]]
    assert kinds == ["lost", "could-not-verify", "unreadable", "changed"]


def test_many_findings_are_counted_not_listed() -> None:
    lines = text(envelopes.drilled(corrupted=233)).splitlines()

    assert sum("web1:/srv/file" in line for line in lines) == LISTED
    assert "    … and 213 more" in lines


def test_few_findings_are_all_listed() -> None:
    shown = text(envelopes.drilled(corrupted=LISTED))

    assert shown.count("web1:/srv/file") == LISTED
    assert "more" not in shown


def test_hostile_names_cannot_reach_the_terminal() -> None:
    for report in (
        envelopes.drilled(corrupted=1, host=envelopes.HOSTILE),
        envelopes.planned(envelopes.HOSTILE),
        envelopes.simulated(days=3, hosts=[envelopes.HOSTILE]),
    ):
        shown = text(report)

        assert all(line.isprintable() for line in shown.splitlines())
        assert "\\x1b[31m\\u202egnp\\n\\xff" in shown


def test_plan_says_why_each_snapshot_stays() -> None:
    shown = text(envelopes.planned())

    assert "web1 /srv: keep 41, remove 359" in shown
    assert "keep  0000018f  Mon 2024-01-01 04:00 -08:00  oldest yearly snapshot" in shown


def test_surprise_is_told_once_with_its_severity() -> None:
    shown = text(envelopes.planned())

    assert "  WARNING web1 /srv: it receives nothing any more" in shown.splitlines()
    assert shown.count("it receives nothing any more") == 1
    assert "Findings" not in shown


def test_finding_that_is_no_surprise_is_told_as_well() -> None:
    report: Any = envelopes.planned()
    report["plan"]["surprises"] = []

    assert "  WARNING frozen-group (1)" in text(report)


def test_refused_plan_does_not_claim_to_remove() -> None:
    refusing = text(envelopes.planned(refused="refusing to delete last snapshot"))

    assert "forget refuses and removes none of 400 snapshots in 1 group" in refusing.splitlines()[0]
    assert "Nothing is removed: refusing to delete last snapshot" in refusing
    assert "Nothing is removed" not in text(envelopes.planned())


def test_invariant_never_checked_does_not_hold() -> None:
    lines = text(envelopes.simulated(days=3)).splitlines()
    states = {line.split()[0] for line in lines if "After prune the repository" in line}

    assert states == {"unseen"}


def test_invariant_checked_without_violation_holds() -> None:
    lines = text(envelopes.simulated(days=3)).splitlines()
    states = {line.split()[0] for line in lines if "The newest snapshot" in line}

    assert states == {"holds"}


def test_broken_invariant_is_named() -> None:
    report = envelopes.timeline(days=3)
    report["invariants"][0]["violated"] = 2

    shown = text(envelopes.envelope("simulate", {"timeline": report}))
    assert "BROKEN  The newest snapshot of a group is never removed." in shown
    assert "2 of 9 checks failed" in shown


def test_text_and_json_import_neither_templates_nor_schema() -> None:
    """A command that prints a line must not wait for a template engine."""
    program = (
        "import sys, verifier.monitor.render.text, verifier.monitor.render.json, "
        "verifier.monitor.render.page; print(sorted({'jinja2', 'pydantic'} & sys.modules.keys()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"
