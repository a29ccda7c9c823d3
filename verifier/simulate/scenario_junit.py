"""Results of scenarios as JUnit's XML, which every CI server can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from verifier.core.finding import Finding
from verifier.monitor.render.junit import plain_text


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario on one rung.

    Attributes:
        findings: what was not as expected, or why it could not be looked at.
        looked: it ran to its end.
        absent: it never ran, since this machine lacks what it needs.
        key: of its inputs; see `simulate.store`.
        stored: its result was taken from the store.
        digest: of what it showed; see `simulate.normal`.
        inputs: all that the result is a function of.
        notes: what a run could not see.
    """

    name: str
    fidelity: str
    findings: tuple[Finding, ...]
    duration_s: float
    looked: bool = True
    key: str = ""
    stored: bool = False
    digest: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    absent: bool = False


def render_junit(cases: Sequence[Case]) -> str:
    """Return the results as one test suite; a scenario is a test, its rung the class."""
    failed = sum(bool(case.findings) and case.looked for case in cases)
    suite = ElementTree.Element(
        "testsuite",
        name="restic-verify scenario",
        tests=str(len(cases)),
        failures=str(failed),
        errors=str(sum(not case.looked for case in cases)),
        skipped="0",
        time=f"{sum(case.duration_s for case in cases):.3f}",
    )
    for case in cases:
        test = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"scenarios.{case.fidelity}",
            name=case.name,
            time=f"{case.duration_s:.3f}",
        )
        for finding in case.findings:
            failure = ElementTree.SubElement(
                test,
                "failure" if case.looked else "error",
                type=finding.kind,
                message=plain_text(finding.detail),
            )
            failure.text = plain_text(f"{finding.kind} {finding.subject}: {finding.detail}")
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
