"""What is collected, remembered and shown again, in words, whatever it is called."""

from __future__ import annotations

from typing import Any

import pytest

from tests.monitor import envelopes
from tests.monitor.envelopes import envelope
from verifier.monitor.render.page import page
from verifier.monitor.render.schema import problems
from verifier.monitor.render.text import log_line, text

HOSTILE = "<script>\x1b[31m"
AT = "2026-03-01T12:00:00+00:00"


def collected(*, failed: int = 0, passed_over: int = 0) -> dict[str, Any]:
    cycle = {
        "coordinator": HOSTILE,
        "service": "run-backups",
        "began": AT,
        "duration_s": 60.0,
        "status": None,
        "backups": 2,
        "failed": [HOSTILE] * failed,
    }
    section = {
        "source": "journal",
        "lines": 9,
        "lines_new": 8,
        "passed_over": passed_over,
        "backups_new": 2,
        "backups_failed": failed,
        "cycles_new": 1,
        "cycles": [cycle],
    }
    return envelope("collect", {"collected": section})


def remembered(**more: Any) -> dict[str, Any]:
    rows = {"backups": 3, "reports": 1}
    section = {"first": AT, "last": AT, "size_bytes": 2_048, "rows": rows, **more}
    return envelope("history", {"remembered": section})


def past() -> dict[str, Any]:
    inner = envelopes.drilled(corrupted=1)
    return envelope("report", {"past": {"number": 7, "envelope": inner}})


HOST = {
    "host": HOSTILE,
    "backups": 3,
    "last": AT,
    "last_good": None,
    "verified": None,
    "verdict": None,
}


@pytest.mark.parametrize(
    "report",
    [
        collected(failed=1),
        remembered(hosts=[HOST], written=[{"path": HOSTILE, "rows": 1}]),
        remembered(reports=[{"number": 1, "kind": HOSTILE, "verdict": "OK", "finished": AT}]),
        past(),
    ],
    ids=["collected", "hosts", "reports", "past"],
)
def test_every_section_holds_the_schema_and_lets_nothing_through(report: dict[str, Any]) -> None:
    assert () == problems(report)
    assert "\x1b" not in text(report)
    assert "<script>" not in page(report)


def test_failed_backups_are_said_first() -> None:
    assert "2 new backups in 1 run, 1 of them failed" in log_line(collected(failed=1))
    assert "failed" not in log_line(collected())
    assert "3 lines not understood" in log_line(collected(passed_over=3))


def test_what_was_forgotten_and_written_is_counted() -> None:
    removed = {"cycles": 1, "backups": 5, "reports": 0, "transitions": 0, "silences": 0}

    assert "5 backups and 0 reports forgotten" in log_line(remembered(removed=removed))
    assert "1 file written" in log_line(remembered(written=[{"path": "x", "rows": 1}]))


def test_a_past_report_is_told_as_it_was() -> None:
    told = text(past())

    assert text(envelopes.drilled(corrupted=1)) == told[: told.index("\nReport 7")]
    assert page(envelopes.drilled(corrupted=1)) == page(past())
