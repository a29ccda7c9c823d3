"""What the ledger says, as the parts of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator

from verifier.core.finding import Finding
from verifier.core.report import Coverage
from verifier.drill.confidence import least_bytes
from verifier.drill.standing import Age, Memory, PastRun, Standing


def ledger_findings(memory: Memory) -> Iterator[Finding]:
    """Yield what is known to be bad, and what was proven longer ago than is promised."""
    for standing in memory.standings:
        if standing.doubted:
            yield _doubted(standing)
        if standing.overdue:
            detail = (
                f"{standing.overdue} of {standing.units} {standing.unit} were last proven more "
                f"than {standing.within} runs ago, as of run {standing.run}"
            )
            evidence = {"overdue": standing.overdue, "total": standing.units, "run": standing.run}
            yield Finding("rotation-missed", standing.about, detail, evidence)


def _doubted(standing: Standing) -> Finding:
    if standing.unit == "packs":
        kind, proven = "damaged", "whole"
    else:
        kind, proven = "corrupted", "alike on both sides"
    detail = (
        f"{standing.doubted} of {standing.units} {standing.unit} were found {kind}, and never "
        f"{proven} since; the report of run {standing.run} says more"
    )
    return Finding(kind, standing.about, detail, {"count": standing.doubted, "run": standing.run})


def ledger_coverage(memory: Memory) -> Coverage:
    """Return how many packs and files were proven as lately as is promised."""
    skipped = {
        "proven longer ago than is promised": sum(s.overdue for s in memory.standings),
        "never proven": sum(s.never for s in memory.standings),
    }
    return Coverage(
        "packs and files",
        sum(standing.proven for standing in memory.standings),
        sum(standing.units for standing in memory.standings),
        {reason: number for reason, number in skipped.items() if number},
    )


def ledger_section(memory: Memory) -> dict[str, object]:
    """Return all that the ledger says, JSON-ready."""
    return {
        "scopes": [_scope(standing) for standing in memory.standings],
        "runs": [_run(run) for run in memory.runs],
    }


def _scope(standing: Standing) -> dict[str, object]:
    return {
        "repository": standing.repository,
        "unit": standing.unit,
        "name": standing.name,
        "run": standing.run,
        "looked_at": standing.looked_at.isoformat(),
        "within": standing.within,
        "units": standing.units,
        "bytes": standing.size_bytes,
        "proven": standing.proven,
        "overdue": standing.overdue,
        "doubted": standing.doubted,
        "ages": [_age(age) for age in standing.ages],
        "confidence": _confidence(standing),
    }


def _age(age: Age) -> dict[str, object]:
    proven = None if age.proven_at is None else age.proven_at.isoformat()
    return {
        "rounds": age.rounds,
        "units": age.units,
        "bytes": age.size_bytes,
        "proven_at": proven,
    }


def _confidence(standing: Standing) -> dict[str, object]:
    found = standing.confidence
    told: dict[str, object] = {
        "least": {str(level): units for level, units in found.least.items()},
        "chances": {str(float(part)): _down(p) for part, p in found.chances.items()},
    }
    if standing.unit == "packs":
        told["least_bytes"] = {
            str(level): _bytes(units, standing) for level, units in found.least.items()
        }
    return told


def _down(probability: float) -> float:
    # What is not certain does not read 1.
    return math.floor(probability * 1e6) / 1e6


def _bytes(units: int | None, standing: Standing) -> int | None:
    if units is None:
        return None
    size_bytes = least_bytes(units, standing.largest_bytes)
    return size_bytes if size_bytes <= standing.size_bytes else None


def _run(run: PastRun) -> dict[str, object]:
    finished = None if run.finished_at is None else run.finished_at.isoformat()
    return {
        "number": run.number,
        "repository": run.repository,
        "begun": run.begun_at.isoformat(),
        "finished": finished,
        "verdict": run.verdict,
        "totals": dict(run.totals),
    }
