"""A report as one web page that needs nothing else: no script, no file, no network.

It may be mailed, printed, or opened years later. Names in it come from file systems that anyone
may write to: every value is made printable, then escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from verifier.monitor.render.alerts import alert_tables
from verifier.monitor.render.audit import audit_tables
from verifier.monitor.render.changes import change_tables
from verifier.monitor.render.checkup import checkup_tables
from verifier.monitor.render.controls import controls_tables
from verifier.monitor.render.drill import Table, drill_tables
from verifier.monitor.render.envelope import Envelope, FindingRecord, Plan, PlanGroup
from verifier.monitor.render.environment import environment
from verifier.monitor.render.evidence import evidence_tables
from verifier.monitor.render.ledger import LIMIT, ledger_bars, ledger_tables
from verifier.monitor.render.lives import held_by
from verifier.monitor.render.past import collected_tables, remembered_tables
from verifier.monitor.render.scenarios import scenario_tables
from verifier.monitor.render.story import tell
from verifier.monitor.render.summary import (
    KindOfFinding,
    by_kind,
    coverage_sentence,
    surprises,
    untold,
    verdict_line,
)
from verifier.monitor.render.wording import group_name, measured

FINDINGS_LISTED = 200
"""How many findings of one kind a page lists before the rest is only counted."""

SNAPSHOTS_LISTED = 3_000
"""How many snapshots of a plan a page lists in all."""

_VALUE_LONGEST = 600


def page(envelope: Mapping[str, object]) -> str:
    """Return the report as one HTML document."""
    return environment().get_template("page.html.j2").render(page_values(envelope))


def page_values(envelope: Mapping[str, object]) -> dict[str, object]:
    """Return what the templates of a report take."""
    report = cast(Envelope, envelope)
    if "past" in report:
        return page_values(report["past"]["envelope"])
    return {
        "report": report,
        "line": verdict_line(report),
        "coverage": coverage_sentence(report),
        "kinds": [_listed(kind) for kind in by_kind(untold(report))],
        "inputs": tuple(_facts(report["inputs"])),
        "measurements": tuple(
            measured(name, value) for name, value in sorted(report["measurements"].items())
        ),
        "story": tell(report["timeline"]) if "timeline" in report else None,
        "plan": tuple(_plan_groups(report["plan"])) if "plan" in report else None,
        "surprises": surprises(report["plan"]) if "plan" in report else (),
        "tables": tuple(_tables(report)),
        "limit": LIMIT,
        "bars": ledger_bars(report["ledger"]) if "ledger" in report else None,
    }


def _tables(report: Envelope) -> Iterator[Table]:
    if "drill" in report:
        yield from drill_tables(report["drill"])
    if "audit" in report:
        yield from audit_tables(report["audit"])
    if "alert" in report:
        yield from alert_tables(report["alert"])
    if "ledger" in report:
        yield from ledger_tables(report["ledger"])
    if "evidence" in report:
        yield from evidence_tables(report["evidence"])
    if "collected" in report:
        yield from collected_tables(report["collected"])
    if "remembered" in report:
        yield from remembered_tables(report["remembered"])
    yield from change_tables(report.get("changes", []))
    if "controls" in report:
        yield from controls_tables(report["controls"])
    if "checks" in report:
        yield from checkup_tables(report["checks"])
    yield from scenario_tables(report.get("scenarios", []))


@dataclass(frozen=True, slots=True)
class _Listed:
    kind: KindOfFinding
    rows: tuple[tuple[FindingRecord, str], ...]
    more: int
    evident: bool


def _listed(kind: KindOfFinding) -> _Listed:
    rows = tuple((f, _written(f["evidence"])) for f in kind.findings[:FINDINGS_LISTED])
    evident = any(evidence for _, evidence in rows)
    return _Listed(kind, rows, len(kind.findings) - len(rows), evident)


def _facts(values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(values.items()):
        yield name.replace("_", " "), _written(value)


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        text = "; ".join(f"{name}: {_inner(part)}" for name, part in sorted(value.items()))
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_inner, value))
    else:
        text = "none" if value is None else str(value)
    return text if len(text) <= _VALUE_LONGEST else text[:_VALUE_LONGEST] + " …"


def _inner(value: object) -> str:
    nested = isinstance(value, Mapping | list | tuple)
    return json.dumps(value, ensure_ascii=False, default=str) if nested else str(value)


@dataclass(frozen=True, slots=True)
class _PlanRow:
    id: str
    time: str
    reasons: str
    rule: str
    keep: bool


@dataclass(frozen=True, slots=True)
class _PlanChapter:
    name: str
    kept: int
    removed: int
    rows: tuple[_PlanRow, ...]
    more: int


def _plan_groups(plan: Plan) -> Iterator[_PlanChapter]:
    room = SNAPSHOTS_LISTED
    for group in plan["groups"]:
        rows = _plan_rows(group)
        shown = rows[:room]
        room -= len(shown)
        yield _PlanChapter(
            group_name(group["host"], group["paths"], group["tags"]),
            len(group["keep"]),
            len(group["remove"]),
            tuple(shown),
            len(rows) - len(shown),
        )


def _plan_rows(group: PlanGroup) -> list[_PlanRow]:
    keep = [
        _PlanRow(s["id"], s["time"], ", ".join(s["reasons"]), held_by(s["reasons"]), keep=True)
        for s in group["keep"]
    ]
    remove = [_PlanRow(s["id"], s["time"], "", "none", keep=False) for s in group["remove"]]
    # By instant and not by text: offsets may differ.
    return sorted(keep + remove, key=lambda row: datetime.fromisoformat(row.time), reverse=True)
