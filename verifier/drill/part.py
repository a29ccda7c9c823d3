"""Parts of a drill: each is done once a run, and what it said is kept for a run that is resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.report import Coverage
from verifier.drill.ledger import Run

UNIT = "packs, paths and snapshots"
"""What the coverage of a drill counts."""

PACKS_LEFT = "packs left to another run"
"""Why packs were not read."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a part has to say.

    Attributes:
        section: JSON-ready; what a report shows of this part.
        checked, total: what it looked at, and what there was.
        skipped: why -> how many were not looked at.
    """

    findings: tuple[Finding, ...] = ()
    section: Mapping[str, object] = field(default_factory=dict)
    checked: int = 0
    total: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


def once(run: Run, name: str, subject: str, do: Callable[[], Said]) -> Said:
    """Do a part, or say again what it said before this run was interrupted.

    What cannot be looked at is one finding, and the other parts go on.

    Args:
        name: under which the part is written down.
        subject: what a finding is about where the part could not be done.
    """
    before = run.said().get(name)
    if before is not None:
        return _revived(*before)
    try:
        said = do()
    except CannotVerify as error:
        # Not written down: a run that is resumed tries again.
        return Said((could_not(subject, error),))
    counts = {"checked": said.checked, "total": said.total, "skipped": dict(said.skipped)}
    run.say(name, said.findings, {"section": dict(said.section), **counts})
    return said


def could_not(subject: str, error: CannotVerify) -> Finding:
    """Return the finding for what could not be looked at."""
    evidence = {"error": type(error).__name__, "remedy": error.remedy}
    about = "" if error.subject == subject else f"{error.subject}: "
    return Finding("could-not-verify", subject, f"{about}{error.message}", evidence)


def merged(name: str, parts: Iterable[Said]) -> Said:
    """Return several looks as one part, with their sections listed under a name."""
    found = list(parts)
    whole = coverage(found)
    return Said(
        tuple(finding for said in found for finding in said.findings),
        {name: [dict(said.section) for said in found]},
        whole.checked,
        whole.total,
        whole.skipped,
    )


def coverage(parts: Iterable[Said]) -> Coverage:
    """Return what all parts together looked at."""
    found = list(parts)
    skipped: Counter[str] = Counter()
    for said in found:
        skipped.update(said.skipped)
    return Coverage(
        UNIT,
        sum(said.checked for said in found),
        sum(said.total for said in found),
        {why: count for why, count in skipped.items() if count},
    )


def _revived(findings: tuple[Finding, ...], kept: Mapping[str, Any]) -> Said:
    return Said(findings, kept["section"], kept["checked"], kept["total"], kept["skipped"])
