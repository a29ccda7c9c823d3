"""Reports: the one envelope that every command ends in, and the only way to make one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from verifier.core.finding import Finding, Verdict, worst

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was looked at.

    Attributes:
        unit: what is counted, in the plural (`files`, `decisions`, `snapshots`).
        checked: how many were looked at.
        total: how many there were.
        skipped: reason -> how many were not looked at for it.
    """

    unit: str
    checked: int
    total: int
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert 0 <= self.checked <= self.total, f"checked {self.checked} of {self.total}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a command has to say. Made by `conclude` alone.

    Attributes:
        kind: the command (`simulate`, `plan`, `monthly`).
        tool: name -> version of everything that took part.
        inputs: what the result is a function of.
        measurements: figures, each with its unit at the end of its name.
        sections: the kind's own part, under its name in the envelope.
    """

    kind: str
    verdict: Verdict
    started_at: datetime
    finished_at: datetime
    tool: Mapping[str, str]
    inputs: Mapping[str, object]
    findings: tuple[Finding, ...]
    measurements: Mapping[str, object]
    coverage: Coverage
    sections: Mapping[str, object]

    def envelope(self) -> dict[str, object]:
        """Return the report as one JSON-ready object (schema 1)."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "verdict": self.verdict.name,
            "started": self.started_at.isoformat(timespec="seconds"),
            "finished": self.finished_at.isoformat(timespec="seconds"),
            "tool": dict(self.tool),
            "inputs": dict(self.inputs),
            "findings": [
                {
                    "kind": f.kind,
                    "severity": f.severity.name,
                    "subject": f.subject,
                    "detail": f.detail,
                    "evidence": dict(f.evidence),
                }
                for f in self.findings
            ],
            "measurements": dict(self.measurements),
            "coverage": {
                "unit": self.coverage.unit,
                "checked": self.coverage.checked,
                "total": self.coverage.total,
                "skipped": dict(self.coverage.skipped),
            },
            **self.sections,
        }


def conclude(  # noqa: PLR0913 - a report is what it is made of, by name
    kind: str,
    findings: tuple[Finding, ...],
    coverage: Coverage,
    *,
    started_at: datetime,
    finished_at: datetime,
    tool: Mapping[str, str],
    inputs: Mapping[str, object] | None = None,
    measurements: Mapping[str, object] | None = None,
    sections: Mapping[str, object] | None = None,
) -> Report:
    """Draw the verdict: the worst finding makes it, and a look at nothing is never OK."""
    if coverage.checked == 0 and worst(findings).rank < Verdict.UNKNOWN.rank:
        empty = Finding("empty", kind, f"no {coverage.unit} were looked at, so nothing is verified")
        findings = (*findings, empty)
    return Report(
        kind=kind,
        verdict=worst(findings),
        started_at=started_at,
        finished_at=finished_at,
        tool=tool,
        inputs=inputs or {},
        findings=findings,
        measurements=measurements or {},
        coverage=coverage,
        sections=sections or {},
    )
