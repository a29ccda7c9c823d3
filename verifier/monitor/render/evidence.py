"""Signed reports in a sentence and a table, the same for a terminal and a page."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.monitor.render.drill import Row, Table
from verifier.monitor.render.envelope_evidence import Evidence, EvidenceReport, Signed
from verifier.monitor.render.wording import moment, number, printable

_NAMES: Row = ("number", "report", "verdict", "finished", "holds", "SHA-256")


def signed_sentence(signed: Signed) -> str:
    """Return where a report stands, with all of the digest: it is to be kept."""
    return f"number {signed['number']}, SHA-256 {printable(signed['sha256'])}"


def evidence_headline(evidence: Evidence) -> str:
    """Return how many signed reports hold, and how far something outside confirms it."""
    reports = evidence["reports"]
    holding = sum(one["holds"] for one in reports)
    said = f"{number(holding)} of {number(len(reports))} signed reports hold"
    if not evidence["whole"]:
        return f"{said}, each by itself: their chain was not looked at"
    if evidence["anchored"] is not None:
        return f"{said}; confirmed outside the folder up to number {evidence['anchored']}"
    return said


def evidence_tables(evidence: Evidence) -> Iterator[Table]:
    """Yield the signed reports, newest first."""
    rows = tuple(map(_row, reversed(evidence["reports"])))
    if rows:
        yield Table("Signed reports", (_NAMES, *rows), frozenset({0}))


def _row(one: EvidenceReport) -> Row:
    return (
        number(one["number"]) if one["number"] else "",
        printable(one["kind"]),
        printable(one["verdict"]),
        printable(moment(one["finished"])),
        "holds" if one["holds"] else "BROKEN",
        one["sha256"][:16],
    )
