"""What people read at 4 a.m.: everything that they need, in plain words, and nothing that lies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.monitor.envelopes import drilled, failed
from verifier.monitor.messages import Message, alert_message, is_as_bad, report_message

BODY: dict[str, Any] = {
    "kind": "opened",
    "subject": "backup web1",
    "level": "warning",
    "at": "2024-03-05T04:00:00-08:00",
    "opened_at": "2024-03-05T04:00:00-08:00",
    "good_at": "2024-03-04T04:00:00-08:00",
    "before_at": "2024-03-04T04:00:00-08:00",
    "looked_at": "2024-03-05T04:00:00-08:00",
    "age_s": 86_400.0,
    "lasted_s": 0.0,
    "heard": None,
    "known": "warning",
    "goes_on": False,
    "watched": True,
    "alarm_at": "2024-03-05T08:00:00-08:00",
    "never": False,
    "snapshot": "2099a2b0cc",
    "due_at": "2024-03-05T04:00:00-08:00",
    "failed_at": "2024-03-05T04:00:00-08:00",
    "error": "The password file is not there: is its data set still locked?",
    "remedy": "on jak, see `journalctl -u run-backups -n 50`",
}


def said(*, first: bool = True, **changed: object) -> Message:
    return alert_message({**BODY, **changed}, is_first=first)


def test_opening_tells_everything_that_a_person_needs() -> None:
    message = said()

    assert ("WARNING: the last good backup of web1 is 1 day old", "warning") == (
        message.title,
        message.tone,
    )
    assert [
        "Last good: Mon 2024-03-04 04:00 -08:00, snapshot 2099a2b0.",
        "Failed at Tue 2024-03-05 04:00 -08:00.",
        "Last error: The password file is not there: is its data set still locked?",
        "Incident since Tue 2024-03-05 04:00 -08:00.",
        "It becomes an alarm at Tue 2024-03-05 08:00 -08:00.",
        "What to do: on jak, see `journalctl -u run-backups -n 50`.",
    ] == list(message.lines)


def test_silence_of_the_coordinator_is_no_failure() -> None:
    message = said(failed_at=None, error="")

    due = "Nothing was heard of the run that was due at Tue 2024-03-05 04:00 -08:00."
    assert due in message.lines
    assert not any(line.startswith(("Failed", "Last error")) for line in message.lines)


def test_alarm_says_so_and_names_no_later_one() -> None:
    message = said(kind="escalated", level="alarm", alarm_at=None, age_s=28 * 3600.0)

    assert ("ALARM: the last good backup of web1 is 1 day 4 h old", "failure") == (
        message.title,
        message.tone,
    )
    assert not any("becomes an alarm" in line for line in message.lines)


def test_reminder_says_that_it_is_one_to_those_who_heard_before() -> None:
    assert said(kind="reminded", first=False).title.startswith("STILL WARNING: ")
    assert said(kind="reminded").title.startswith("WARNING: ")


def test_end_tells_how_long_it_lasted() -> None:
    message = said(
        kind="resolved",
        first=False,
        at="2024-03-05T10:20:00-08:00",
        good_at="2024-03-05T10:00:00-08:00",
        lasted_s=timedelta(hours=6, minutes=20).total_seconds(),
        remedy="",
    )

    assert "RESOLVED: web1 is backed up again, after 6 h 20 min" == message.title
    assert [
        "Last good: Tue 2024-03-05 10:00 -08:00, snapshot 2099a2b0.",
        "The incident lasted 6 h 20 min: from Tue 2024-03-05 04:00 -08:00 to "
        "Tue 2024-03-05 10:20 -08:00.",
    ] == list(message.lines)


def test_incident_that_was_over_before_it_was_told_says_so() -> None:
    message = said(kind="resolved", lasted_s=60.0, remedy="")

    assert "It was over before anybody could be told of it." in message.lines


def test_host_that_never_had_a_backup_has_no_last_good_one() -> None:
    message = said(never=True)

    assert "WARNING: web1 has never had a good backup" == message.title
    assert not any(line.startswith("Last good") for line in message.lines)


def test_verification_is_called_one() -> None:
    assert "the last good verification of web1" in said(subject="verification web1").title
    over = said(subject="verification web1", kind="resolved", lasted_s=60.0)

    assert "RESOLVED: web1 is verified again, after 1 min" == over.title


@pytest.mark.parametrize("kind", ["opened", "resolved"])
def test_gap_of_the_verifier_tells_from_when_to_when(kind: str) -> None:
    message = said(
        subject="verifier",
        kind=kind,
        before_at="2024-03-05T01:00:00-08:00",
        at="2024-03-05T04:30:00-08:00",
        looked_at="2024-03-05T04:30:00-08:00",
    )

    assert "nobody looked at the alert rules for 3 h 30 min" in message.title
    assert (
        "From Tue 2024-03-05 01:00 -08:00 to Tue 2024-03-05 04:30 -08:00 nobody looked; what "
        "happened meanwhile is told now."
    ) == message.lines[0]


def test_subject_that_is_watched_no_more_is_not_called_well() -> None:
    message = said(kind="resolved", watched=False, first=False)

    assert "RESOLVED: backup web1 is watched no more" == message.title


def test_error_is_one_printable_line_of_bounded_length() -> None:
    message = said(error="a\n\x1b[31mb\u202e" + "x" * 3_000)

    assert all(line.isprintable() and len(line) <= 500 for line in message.lines)


def test_report_tells_its_verdict_and_its_worst_findings() -> None:
    message = report_message(drilled(corrupted=7))

    assert ("failure", True) == (message.tone, message.title.startswith("monthly CRITICAL: "))
    assert 5 == sum(line.startswith("CRITICAL corrupted: ") for line in message.lines)
    assert "… and 2 findings more" in message.lines


def test_report_whose_findings_are_all_told_has_no_more() -> None:
    lines = report_message(drilled(corrupted=5)).lines

    assert 5 == sum(line.startswith("CRITICAL corrupted: ") for line in lines)
    assert not [line for line in lines if line.startswith("…")]


def test_report_of_an_error_tells_it() -> None:
    assert "UNKNOWN" in report_message(failed()).title


@pytest.mark.parametrize(
    ("verdict", "threshold", "expected"),
    [
        ("CRITICAL", "UNKNOWN", True),
        ("UNKNOWN", "UNKNOWN", True),
        ("WARNING", "UNKNOWN", False),
        ("WARNING", "WARNING", True),
        ("OK", "WARNING", False),
        ("UNKNOWN", "CRITICAL", False),
        ("CRITICAL", "never", False),
    ],
)
def test_report_is_told_from_a_verdict_on(verdict: str, threshold: str, expected: bool) -> None:
    assert expected is is_as_bad(verdict, threshold)
