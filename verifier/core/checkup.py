"""A check-up: questions about what a system needs, in order, and what was seen of each.

Pure: the questions are asked elsewhere. What a question cannot find out is no answer, and what
follows from a bad answer is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from verifier.core.errors import UsageError, VerifyError
from verifier.core.finding import Finding
from verifier.core.report import Coverage

Status = Literal["ok", "warning", "failed", "unknown", "skipped"]

_KINDS: dict[Status, str] = {
    "failed": "unprepared",
    "warning": "imperfect",
    "unknown": "could-not-verify",
}
"""Status -> the kind of finding that it makes; the others make none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer to one question.

    Attributes:
        saw: what was seen, in a sentence or less.
        remedy: what to do about it; empty where nothing is to be done.
    """

    status: Status
    saw: str
    remedy: str = ""


def fine(saw: str) -> Seen:
    """Answer that all is well."""
    return Seen("ok", saw)


def flawed(saw: str, remedy: str) -> Seen:
    """Answer that it works, but not as it should."""
    return Seen("warning", saw, remedy)


def broken(saw: str, remedy: str) -> Seen:
    """Answer that something needed does not work."""
    return Seen("failed", saw, remedy)


def unclear(saw: str, remedy: str) -> Seen:
    """Answer that it could not be found out."""
    return Seen("unknown", saw, remedy)


def needless(saw: str) -> Seen:
    """Answer that there is nothing to look at."""
    return Seen("skipped", saw)


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        ask: finds the answer; a `VerifyError` says that it could not.
        after: earlier questions of the same subject; where one of them was not answered well, this
            one is not asked.
    """

    name: str
    ask: Callable[[], Seen]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What questions are about: this machine, the repository, a host."""

    name: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One question with its answer."""

    subject: str
    name: str
    seen: Seen

    @property
    def status(self) -> Status:
        """How it was answered."""
        return self.seen.status


def examine(subject: Subject) -> tuple[Check, ...]:
    """Ask every question of a subject, one after the other."""
    found: dict[str, Check] = {}
    for question in subject.questions:
        lacking = [name for name in question.after if not _stands(found[name])]
        seen = needless(f"not asked until `{lacking[0]}` is well") if lacking else _answer(question)
        found[question.name] = Check(subject.name, question.name, seen)
    return tuple(found.values())


def _stands(check: Check) -> bool:
    return check.status in {"ok", "warning"}


def _answer(question: Question) -> Seen:
    try:
        return question.ask()
    except UsageError as error:
        # What the configuration asks for cannot be had: that was seen.
        return broken(_sentence(error), error.remedy)
    except VerifyError as error:
        return unclear(_sentence(error), error.remedy)


def _sentence(error: VerifyError) -> str:
    return f"{error.subject}: {error.message}"


def checkup_findings(checks: Iterable[Check]) -> Iterator[Finding]:
    """Yield a finding for each check that did not end well."""
    for check in checks:
        kind = _KINDS.get(check.status)
        if kind is not None:
            evidence = {"check": check.name, "remedy": check.seen.remedy}
            yield Finding(kind, f"{check.subject}, {check.name}", check.seen.saw, evidence)


def checkup_coverage(checks: Iterable[Check]) -> Coverage:
    """Return how many questions were answered."""
    stood = list(checks)
    counts = {
        why: sum(check.status == status for check in stood)
        for status, why in (("skipped", "nothing to look at, or not yet"), ("unknown", "unclear"))
    }
    skipped = {why: number for why, number in counts.items() if number}
    return Coverage("checks", len(stood) - sum(skipped.values()), len(stood), skipped)


def checkup_section(checks: Iterable[Check]) -> list[dict[str, object]]:
    """Return the checks as they stand in a report."""
    return [
        {
            "subject": check.subject,
            "name": check.name,
            "status": check.status,
            "saw": check.seen.saw,
            "remedy": check.seen.remedy,
        }
        for check in checks
    ]
