"""What people hear of reports: the first bad one, what is worse since, and the end, each once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from verifier.core.finding import Finding
from verifier.core.report import Coverage, conclude
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.messages import report_message
from verifier.monitor.notices import first_notice, record_report
from verifier.monitor.sinks.apprise import Channel, Reports
from verifier.monitor.standing import newest_reports

AT = datetime(2024, 3, 5, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

OK: tuple[str, ...] = ()
AWAY = ("could-not-verify /mnt",)
LOST = ("corrupted web1",)
MORE = ("corrupted web1", "corrupted db1")
ODD = ("gap web1",)


def report(kind: str, at: datetime, found: Sequence[str], checked: int = 5) -> Mapping[str, object]:
    findings = tuple(Finding(*one.split(" "), "as it was seen") for one in found)
    return conclude(
        kind,
        findings,
        Coverage("packs", checked, 5),
        started_at=at - HOUR / 2,
        finished_at=at,
        tool={},
    ).envelope()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with open_history(tmp_path / "history.sqlite") as opened:
        yield opened


def heard(history: History, level: Reports, reports: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the verdicts that a channel is told of, with the word before each."""
    channel = Channel("people", lambda: "json://x", reports=level)
    found = []
    for one in reports:
        with history.together():
            told = record_report(history, one, DAY)
        titles = [channel._message(n).title for n in told if channel.takes(n)]
        found += [title.partition(": ")[0] for title in titles]
    return found


@pytest.mark.parametrize(
    ("found", "level", "expected"),
    [
        ((AWAY, AWAY, OK, OK), "UNKNOWN", ["audit UNKNOWN", "RESOLVED"]),
        ((AWAY, OK, AWAY), "UNKNOWN", ["audit UNKNOWN", "RESOLVED", "audit UNKNOWN"]),
        ((AWAY, LOST, LOST), "UNKNOWN", ["audit UNKNOWN", "audit CRITICAL"]),
        ((LOST, MORE, LOST), "UNKNOWN", ["audit CRITICAL", "audit CRITICAL"]),
        ((LOST, AWAY, LOST, OK), "CRITICAL", ["audit CRITICAL", "RESOLVED"]),
        ((AWAY, ODD, OK), "UNKNOWN", ["audit UNKNOWN", "RESOLVED"]),
        ((ODD, ODD, OK), "WARNING", ["audit WARNING", "RESOLVED"]),
        ((ODD, OK), "UNKNOWN", []),
        ((AWAY, OK, LOST), "never", []),
    ],
)
def test_first_worse_and_last_are_told_once(
    history: History, found: Sequence[Sequence[str]], level: Reports, expected: list[str]
) -> None:
    reports = [report("audit", AT + turn * HOUR, one) for turn, one in enumerate(found)]

    assert expected == heard(history, level, reports)
    # Recorded again, nothing is told again.
    assert [] == heard(history, level, reports)


def test_same_trouble_a_day_later_is_a_reminder(history: History) -> None:
    reports = [report("audit", AT + turn * DAY, AWAY) for turn in range(2)]

    assert ["audit UNKNOWN", "STILL audit UNKNOWN"] == heard(history, "UNKNOWN", reports)


def test_one_that_nothing_is_known_before_is_told() -> None:
    assert 1 == len(first_notice(report("audit", AT, AWAY)))
    assert () == first_notice(report("audit", AT, OK))


def test_end_says_what_has_ended(history: History) -> None:
    first, second = (report("audit", AT, AWAY), report("audit", AT + HOUR, OK))
    for one in (first, second):
        with history.together():
            told = record_report(history, one, DAY)
    (notice,) = told
    before = notice.body["before"]["UNKNOWN"]  # type: ignore[index]
    message = report_message(second, "over", before)

    assert message.title.startswith("RESOLVED: audit OK: ")
    assert "The audit of Tue 2024-03-05 12:00 +00:00 ended with UNKNOWN." == message.lines[-1]


@pytest.mark.parametrize(
    ("kind", "bad", "later", "checked", "stands"),
    [
        ("audit", AWAY, OK, 5, False),
        ("audit", LOST, OK, 3, False),
        ("drill", AWAY, ODD, 3, False),
        ("drill", LOST, OK, 5, False),
        # A part of the packs says nothing of the one that was seen damaged.
        ("drill", LOST, OK, 3, True),
        ("audit", AWAY, AWAY, 5, True),
        ("audit", AWAY, ("rotation-missed audit",), 5, True),
    ],
)
def test_later_monthly_stands_for_what_it_looked_at(
    history: History,
    kind: str,
    bad: Sequence[str],
    later: Sequence[str],
    checked: int,
    stands: bool,
) -> None:
    expected = [f"{kind} CRITICAL" if bad is LOST else f"{kind} UNKNOWN"]
    monthly = report("monthly", AT + DAY, later, checked)
    told = heard(history, "UNKNOWN", [report(kind, AT, bad), monthly])
    standing = {past.kind: still for past, still in newest_reports(history)}

    assert {kind: stands, "monthly": True} == standing
    assert expected == told[:1]
    assert ("RESOLVED" in told) != stands


def test_monthly_before_stands_for_nothing_later(history: History) -> None:
    heard(history, "UNKNOWN", [report("monthly", AT, OK), report("audit", AT + DAY, AWAY)])

    assert all(stands for _, stands in newest_reports(history))
