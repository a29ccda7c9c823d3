"""Questions in order: what follows from a bad answer is not asked, and no failure is an answer."""

from __future__ import annotations

import pytest

from verifier.core.checkup import (
    Check,
    Question,
    Seen,
    Status,
    Subject,
    broken,
    checkup_coverage,
    checkup_findings,
    checkup_section,
    examine,
    fine,
    flawed,
    needless,
    unclear,
)
from verifier.core.errors import CannotVerify, UsageError


def never() -> Seen:
    """Fail the test that asks it."""
    raise AssertionError("it was not to be asked")


def failing() -> Seen:
    """Not find it out."""
    raise CannotVerify("web1", "does not answer", "start it")


def wrong() -> Seen:
    """Be asked for what cannot be had."""
    raise UsageError("--x", "is misspelt", "spell it right")


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        (fine("well"), True),
        (flawed("so so", "mend it"), True),
        (broken("gone", "mend it"), False),
        (unclear("who knows", "look"), False),
        (needless("nothing"), False),
    ],
)
def test_what_follows_from_a_bad_answer_is_not_asked(seen: Seen, asked: bool) -> None:
    questions = (
        Question("line", lambda: seen),
        Question("clock", (lambda: fine("right")) if asked else never, ("line",)),
        Question("other", lambda: fine("asked anyway")),
    )
    _, clock, other = examine(Subject("host web1", questions))

    assert ("ok" if asked else "skipped") == clock.status
    assert "ok" == other.status


def test_what_stops_the_look_is_unknown_and_what_cannot_be_had_has_failed() -> None:
    subject = Subject("x", (Question("a", failing), Question("b", wrong)))
    could_not, cannot = examine(subject)

    assert ("unknown", "web1: does not answer", "start it") == (
        could_not.status,
        could_not.seen.saw,
        could_not.seen.remedy,
    )
    assert ("failed", "--x: is misspelt") == (cannot.status, cannot.seen.saw)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (broken("gone", "mend it"), "unprepared"),
        (flawed("so so", "mend it"), "imperfect"),
        (unclear("who knows", "look"), "could-not-verify"),
        (fine("well"), None),
        (needless("nothing"), None),
    ],
)
def test_a_bad_answer_is_a_finding_and_a_good_one_is_none(seen: Seen, kind: str | None) -> None:
    found = list(checkup_findings([Check("host web1", "clock", seen)]))

    assert ([kind] if kind else []) == [finding.kind for finding in found]
    assert all("host web1, clock" == f.subject and seen.saw == f.detail for f in found)


def test_what_was_not_asked_is_not_covered() -> None:
    statuses: tuple[Status, ...] = ("ok", "failed", "skipped", "unknown")
    checks = [Check("x", status, Seen(status, "seen")) for status in statuses]
    covered = checkup_coverage(checks)

    assert (2, 4, 2) == (covered.checked, covered.total, sum(covered.skipped.values()))
    assert list(statuses) == [entry["status"] for entry in checkup_section(checks)]
