"""Reports for a terminal and for a log: the verdict first, then what stands behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from verifier.monitor.render.alerts import alert_messages, alert_tables
from verifier.monitor.render.audit import audit_tables
from verifier.monitor.render.changes import change_lines, change_tables
from verifier.monitor.render.checkup import SIGN_COLOURS, checkup_lines
from verifier.monitor.render.controls import controls_tables
from verifier.monitor.render.drill import Table, drill_tables
from verifier.monitor.render.envelope import (
    Envelope,
    FindingRecord,
    GroupRecord,
    Invariant,
    Plan,
    PlanGroup,
    Releases,
    RenderedFile,
    Timeline,
)
from verifier.monitor.render.evidence import evidence_tables, signed_sentence
from verifier.monitor.render.guesses import guess_lines
from verifier.monitor.render.ledger import LIMIT, ledger_tables
from verifier.monitor.render.past import collected_tables, remembered_tables
from verifier.monitor.render.scenarios import scenario_files, scenario_tables
from verifier.monitor.render.summary import (
    agreement_sentence,
    by_kind,
    coverage_sentence,
    surprises,
    untold,
    verdict_line,
)
from verifier.monitor.render.wording import (
    count,
    group_name,
    measured,
    moment,
    number,
    printable,
    span,
)

LISTED = 20
"""How many findings of a kind, hosts or groups are listed before the rest is only counted."""

SNAPSHOTS_LISTED = 100
"""The same for the snapshots of a group: usual policies keep about 60."""

_COLOURS = {"OK": "32", "WARNING": "33", "CRITICAL": "31", "UNKNOWN": "35", **SIGN_COLOURS}


def text(envelope: Mapping[str, object], *, colour: bool = False, plain: bool = False) -> str:
    """Return the report for a person at a terminal: lines of text, the verdict in the first one.

    Rendered files are the exception: they stand for themselves.

    Args:
        colour: paint verdict and severities with terminal codes.
        plain: use no signs beyond ASCII.
    """
    report = cast(Envelope, envelope)
    if "files" in report:
        return _files(report["files"])
    if "past" in report:
        told = text(report["past"]["envelope"], colour=colour, plain=plain)
        return f"{told}\nReport {number(report['past']['number'])} of the history\n"
    scenarios = report.get("scenarios", [])
    if scenarios and "text" in scenarios[0]:
        return scenario_files(scenarios)
    lines = [f"{report['verdict']}: {printable(verdict_line(report))}"]
    if "error" in report and report["error"]["remedy"]:
        lines.append(f"  {printable(report['error']['remedy'])}")
    if "timeline" in report:
        lines += _timeline(report["timeline"])
    if "plan" in report:
        lines += _plan(report["plan"])
    lines += _further(report)
    if "checks" in report:
        lines += checkup_lines(report["checks"], plain=plain)
    lines += guess_lines(report.get("guesses", []))
    lines += _findings(report)
    lines += _figures(report)
    if "timeline" in report:
        lines += _afterwards(report["timeline"])
    painted = (_paint(line) for line in lines) if colour else lines
    return "\n".join(painted) + "\n"


def _further(report: Envelope) -> list[str]:
    lines: list[str] = []
    if "drill" in report:
        lines += _tables(drill_tables(report["drill"]))
    if "audit" in report:
        lines += _tables(audit_tables(report["audit"]))
    if "alert" in report:
        lines += [*alert_messages(report["alert"]), *_tables(alert_tables(report["alert"]))]
    if "ledger" in report:
        lines += [*_tables(ledger_tables(report["ledger"])), "", LIMIT]
    if "evidence" in report:
        lines += _tables(evidence_tables(report["evidence"]))
    if "collected" in report:
        lines += _tables(collected_tables(report["collected"]))
    if "remembered" in report:
        lines += _tables(remembered_tables(report["remembered"]))
    changes = report.get("changes", [])
    lines += [*_tables(change_tables(changes), len(changes)), *change_lines(changes)]
    if "controls" in report:
        lines += _tables(controls_tables(report["controls"]))
    scenarios = report.get("scenarios", [])
    lines += _tables(scenario_tables(scenarios), len(scenarios))
    if "toolchain" in report:
        lines += _releases(report["toolchain"])
    return lines


def log_line(envelope: Mapping[str, object]) -> str:
    """Return the report as one line for a log, without a line end."""
    report = cast(Envelope, envelope)
    return printable(f"{report['kind']} {report['verdict']}: {verdict_line(report)}")


def _paint(line: str) -> str:
    # A severity is only ever the first word of a line, so a name that reads OK stays as it is.
    word = line.lstrip().partition(" ")[0].rstrip(":")
    code = _COLOURS.get(word)
    return line.replace(word, f"\x1b[1;{code}m{word}\x1b[0m", 1) if code else line


def _more(total: int, listed: int = LISTED) -> list[str]:
    return [f"… and {number(total - listed)} more"] if total > listed else []


def _indented(lines: Iterable[str], indent: str = "  ") -> list[str]:
    return [indent + line for line in lines]


def _columns(rows: Sequence[tuple[str, ...]], *, right: frozenset[int] = frozenset()) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _timeline(timeline: Timeline) -> list[str]:
    groups = timeline["groups"]
    rows = [("kept", "at most", "worst gap", "group"), *map(_group, groups[:LISTED])]
    return [
        "",
        f"Proof ({printable(timeline['fidelity'])}), {_days(timeline)}",
        f"  {printable(agreement_sentence(timeline))}",
        *_indented(_columns([_promise(promise) for promise in timeline["invariants"]])),
        "",
        "Groups",
        *_indented(_columns(rows, right=frozenset({0, 1})) + _more(len(groups))),
    ]


def _group(group: GroupRecord) -> tuple[str, ...]:
    return (
        number(group["survivors"]),
        "no bound" if group["bound"] is None else number(group["bound"]),
        "none" if group["worst_gap_s"] is None else span(group["worst_gap_s"]),
        printable(group_name(group["host"], group["paths"])),
    )


def _days(timeline: Timeline) -> str:
    return f"{timeline['first'][:10]} to {timeline['last'][:10]}"


def _promise(promise: Invariant) -> tuple[str, ...]:
    if promise["checked"] == 0:
        return ("unseen", printable(promise["stated"]), "never checked")
    if promise["violated"]:
        times = f"{number(promise['violated'])} of {count(promise['checked'], 'check')} failed"
        return ("BROKEN", printable(promise["stated"]), times)
    return ("holds", printable(promise["stated"]), count(promise["checked"], "check"))


def _plan(plan: Plan) -> list[str]:
    lines = ["", f"Policy {printable(plan['policy'])}"]
    refused = plan.get("refused")
    if refused:
        lines += ["", printable(f"Nothing is removed: {refused}"), "Else it would be:"]
    for group in plan["groups"][:LISTED]:
        lines += ["", *_plan_group(group)]
    lines += _more(len(plan["groups"]))
    if plan["surprises"]:
        sentences = [printable(f"{told.severity} {told.sentence}") for told in surprises(plan)]
        more = _more(len(sentences))
        lines += ["", "You might not expect", *_indented(sentences[:LISTED] + more)]
    return lines


def _plan_group(group: PlanGroup) -> list[str]:
    name = printable(group_name(group["host"], group["paths"], group["tags"]))
    rows = [
        (
            "keep",
            printable(snapshot["id"][:8]),
            printable(moment(snapshot["time"])),
            printable(", ".join(snapshot["reasons"])),
        )
        for snapshot in group["keep"][:SNAPSHOTS_LISTED]
    ]
    kept, removed = len(group["keep"]), len(group["remove"])
    return [
        f"{name}: keep {number(kept)}, remove {number(removed)}",
        *_indented(_columns(rows) + _more(kept, SNAPSHOTS_LISTED)),
    ]


def _tables(tables: Iterable[Table], listed: int = LISTED) -> list[str]:
    lines: list[str] = []
    for table in tables:
        shown = _columns(table.rows[: listed + 1], right=table.right)
        lines += ["", table.title, *_indented(shown + _more(len(table.rows) - 1, listed))]
    return lines


def _files(files: Sequence[RenderedFile]) -> str:
    if len(files) == 1:
        return files[0]["text"]
    return "\n".join(f"# ==> {file['path']} ({file['mode']})\n{file['text']}" for file in files)


def _releases(releases: Releases) -> list[str]:
    rows = [(r["version"], printable(r["path"] or "not stored")) for r in releases["releases"]]
    return ["", *_indented(_columns(rows))] if rows else []


def _findings(report: Envelope) -> list[str]:
    kinds = by_kind(untold(report))
    lines = ["", "Findings"] if kinds else []
    for kind in kinds:
        meaning = f": {kind.meaning}" if kind.meaning else ""
        name = printable(kind.kind)
        lines.append(f"  {kind.severity} {name} ({number(len(kind.findings))}){meaning}")
        listed = [_finding(finding) for finding in kind.findings[:LISTED]]
        lines += _indented(listed + _more(len(kind.findings)), "    ")
    return lines


def _finding(finding: FindingRecord) -> str:
    return printable(f"{finding['subject']}: {finding['detail']}")


def _figures(report: Envelope) -> list[str]:
    lines = ["", f"Coverage: {printable(coverage_sentence(report))}"]
    if "timeline" not in report and "plan" not in report and report["measurements"]:
        rows = [measured(name, value) for name, value in sorted(report["measurements"].items())]
        lines += _indented(_columns([(printable(name), printable(value)) for name, value in rows]))
    if "signed" in report:
        lines.append(f"Signed: {signed_sentence(report['signed'])}")
    tools = ", ".join(f"{name} {version}" for name, version in sorted(report["tool"].items()))
    return [*lines, f"With: {printable(tools)}"] if tools else lines


def _afterwards(timeline: Timeline) -> list[str]:
    lines = ["", "Notes"] if timeline["notes"] else []
    lines += [f"  - {printable(note)}" for note in timeline["notes"]]
    following = timeline.get("next")
    return (
        [*lines, "", f"To run it closer to production: {printable(following)}"]
        if following
        else lines
    )
