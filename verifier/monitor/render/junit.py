"""A report as JUnit's XML, which every CI server can read: a case a host, one for all the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast
from xml.etree import ElementTree

from verifier.monitor.render.envelope import Envelope, FindingRecord


def render_junit(envelope: Mapping[str, object]) -> str:
    """Return a report as one test suite; what is OK is no failure, and UNKNOWN is an error."""
    report = cast(Envelope, envelope)
    wrong = [finding for finding in report["findings"] if finding["severity"] != "OK"]
    hosts = _hosts(report)
    cases = {host: [f for f in wrong if _is_about(f["subject"], host)] for host in hosts}
    named = [finding for found in cases.values() for finding in found]
    cases = {report["kind"]: [f for f in wrong if f not in named], **cases}
    passed = datetime.fromisoformat(report["finished"]) - datetime.fromisoformat(report["started"])
    suite = ElementTree.Element(
        "testsuite",
        name=f"restic-verify {report['kind']}",
        timestamp=report["finished"],
        tests=str(len(cases)),
        failures=str(sum(_outcome(found) == "failure" for found in cases.values())),
        errors=str(sum(_outcome(found) == "error" for found in cases.values())),
        skipped="0",
        time=f"{passed.total_seconds():.3f}",
    )
    for name, found in cases.items():
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"restic-verify.{report['kind']}", name=plain_text(name)
        )
        if found:
            _tell(case, found)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _hosts(report: Envelope) -> list[str]:
    found = [host["host"] for host in report["drill"]["hosts"]] if "drill" in report else []
    found += [host["host"] for host in report["audit"]["hosts"]] if "audit" in report else []
    return sorted(set(found))


def _is_about(subject: str, host: str) -> bool:
    return subject == host or subject.startswith((f"{host}:", f"{host} "))


def _outcome(findings: Iterable[FindingRecord]) -> str:
    """Return how a case ended: what failed outranks what could not be looked at."""
    severities = {finding["severity"] for finding in findings}
    if severities & {"CRITICAL", "WARNING"}:
        return "failure"
    return "error" if severities else ""


def _tell(case: ElementTree.Element, findings: Sequence[FindingRecord]) -> None:
    kinds = ", ".join(sorted({finding["kind"] for finding in findings}))
    element = ElementTree.SubElement(case, _outcome(findings), type=kinds, message=kinds)
    element.text = plain_text(
        "\n".join(f"{f['severity']} {f['kind']} {f['subject']}: {f['detail']}" for f in findings)
    )


def plain_text(text: str) -> str:
    """Return a text that XML can hold, whatever is in it."""
    # XML 1.0 has no way to say a control character.
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
