"""Which reports still say how things stand: the newest of each kind, unless a later one looked.

A `monthly` looks at what `audit` and `drill` look at. One of those that somebody ran by hand, and
that no timer repeats, would otherwise stay what it was for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from verifier.core.finding import Verdict
from verifier.monitor.history.memory import History
from verifier.monitor.history.reports import PastReport

REPORTED = ("audit", "drill", "monthly")
"""The kinds of reports that a history keeps."""

_PUT_OFF = "rotation-missed"


def newest_reports(history: History) -> Iterator[tuple[PastReport, bool]]:
    """Yield the newest report of each kind, and whether it still stands.

    Raises:
        CannotVerify: the history cannot be read.
    """
    newest = [past for kind in REPORTED for past in history.reports(kind, limit=1)]
    monthly = next((past for past in newest if past.kind == "monthly"), None)
    for past in newest:
        bad = past.verdict != Verdict.OK.name
        yield past, not (monthly and bad and _supersedes(monthly, past, history))


def _supersedes(monthly: PastReport, past: PastReport, history: History) -> bool:
    """Say whether a monthly looked after another report at all that it had looked at."""
    if monthly is past or monthly.started_at < past.finished_at or not _looked(monthly):
        return False
    if past.kind == "drill" and past.verdict == Verdict.CRITICAL.name:
        # What a drill has seen damaged is not whole because this month's part was.
        return _is_complete(history.report(monthly.number))
    return True


def _looked(monthly: PastReport) -> bool:
    found = monthly.findings
    return _PUT_OFF not in found and not any(Verdict.UNKNOWN.name in one for one in found.values())


def _is_complete(envelope: dict[str, object] | None) -> bool:
    match envelope:
        case {"coverage": {"checked": int(checked), "total": int(total)}}:
            return checked >= total
    return False
