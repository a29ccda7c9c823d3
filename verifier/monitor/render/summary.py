"""A report in a sentence: the verdict line and the findings in order, for every rendering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from verifier.core.finding import KINDS, Verdict
from verifier.monitor.render.alerts import alert_headline
from verifier.monitor.render.audit import audit_headline
from verifier.monitor.render.changes import changes_headline
from verifier.monitor.render.checkup import checkup_headline
from verifier.monitor.render.controls import controls_headline
from verifier.monitor.render.drill import drill_headline
from verifier.monitor.render.envelope import Envelope, FindingRecord, Plan, Timeline
from verifier.monitor.render.envelope_history import PastEnvelope
from verifier.monitor.render.evidence import evidence_headline
from verifier.monitor.render.guesses import guesses_headline
from verifier.monitor.render.ledger import ledger_headline
from verifier.monitor.render.past import collected_headline, remembered_headline
from verifier.monitor.render.scenarios import scenario_headline
from verifier.monitor.render.wording import count, number


@dataclass(frozen=True, slots=True)
class KindOfFinding:
    """All findings of one kind: its severity, its meaning, and the findings by subject."""

    kind: str
    severity: str
    meaning: str
    findings: tuple[FindingRecord, ...]


def worst_first(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Sort findings by severity, kind, subject and detail: the same whatever order they came in."""
    return sorted(
        findings,
        key=lambda f: (-Verdict[f["severity"]].rank, f["kind"], f["subject"], f["detail"]),
    )


def by_kind(findings: Sequence[FindingRecord]) -> tuple[KindOfFinding, ...]:
    """Gather findings by kind, the worst kind first."""
    gathered: dict[tuple[str, str], list[FindingRecord]] = {}
    for finding in worst_first(findings):
        gathered.setdefault((finding["kind"], finding["severity"]), []).append(finding)
    return tuple(
        KindOfFinding(
            kind, severity, KINDS[kind].meaning if kind in KINDS else "", tuple(of_this_kind)
        )
        for (kind, severity), of_this_kind in gathered.items()
    )


@dataclass(frozen=True, slots=True)
class Told:
    """A surprise of a plan, with the severity of its kind."""

    severity: str
    kind: str
    sentence: str


def surprises(plan: Plan) -> tuple[Told, ...]:
    """Return a plan's surprises as sentences that begin with their subject."""
    return tuple(
        Told(
            KINDS[surprise["kind"]].severity.name if surprise["kind"] in KINDS else "OK",
            surprise["kind"],
            ": ".join(filter(None, (surprise.get("subject", ""), surprise["sentence"]))),
        )
        for surprise in plan["surprises"]
    )


def untold(envelope: Envelope) -> list[FindingRecord]:
    """Return the findings that a plan's surprises, or checks, do not tell already."""
    if "checks" in envelope:
        return []
    if "plan" not in envelope:
        return envelope["findings"]
    told = {
        (surprise["kind"], surprise.get("subject"), surprise["sentence"])
        for surprise in envelope["plan"]["surprises"]
    }
    return [
        finding
        for finding in envelope["findings"]
        if (finding["kind"], finding["subject"], finding["detail"]) not in told
    ]


def verdict_line(envelope: Envelope) -> str:
    """Return the report in one sentence: what is wrong first, then what was done."""
    if "error" in envelope:
        return headline(envelope)
    wrong = [
        f"{kind.kind} {number(len(kind.findings))}"
        for kind in by_kind(envelope["findings"])
        if kind.severity != "OK"
    ]
    return "; ".join([*([", ".join(wrong)] if wrong else []), headline(envelope)])


def headline(envelope: Envelope) -> str:
    """Return what the command did, in its own figures."""
    if "error" in envelope:
        return envelope["error"]["message"]
    sections = cast(Mapping[str, Any], envelope)
    told = (tell(sections[name]) for name, tell in _HEADLINES.items() if sections.get(name))
    return next(told, None) or coverage_sentence(envelope)


def coverage_sentence(envelope: Envelope) -> str:
    """Return how much was looked at, and why the rest was not."""
    covered = envelope["coverage"]
    looked = (
        f"{number(covered['checked'])} of {number(covered['total'])} {covered['unit']} looked at"
    )
    skipped = [f"{number(n)} not ({why})" for why, n in sorted(covered["skipped"].items())]
    return "; ".join([looked, *skipped])


def agreement_sentence(timeline: Timeline) -> str:
    """Return on how many decisions restic and the model agreed, or that restic was not asked."""
    agreement = timeline["agreement"]
    if agreement is None:
        return "the model decided alone: restic itself was not asked"
    return (
        f"{number(agreement['agreed'])} of {number(agreement['decisions'])} decisions agreed "
        f"between the model and restic {timeline['restic'] or ''}".rstrip()
    )


def _timeline_headline(timeline: Timeline) -> str:
    # The steps themselves may be left out of a report that only a terminal shows.
    made = timeline["created"]
    return (
        f"{count(timeline['days'], 'simulated day')}, {count(len(timeline['groups']), 'group')}: "
        f"{number(len(timeline['survivors']))} of {count(made, 'snapshot')} survive; "
        f"{agreement_sentence(timeline)}"
    )


def _plan_headline(plan: Plan) -> str:
    groups = plan["groups"]
    keep, remove = (sum(len(g[side]) for g in groups) for side in ("keep", "remove"))
    held = f"{count(keep + remove, 'snapshot')} in {count(len(groups), 'group')}"
    by = f"by the rules of restic {plan['rules']}"
    if plan.get("refused"):
        return f"forget refuses and removes none of {held}, {by}"
    return f"keeps {number(keep)} and removes {number(remove)} of {held}, {by}"


def _past_headline(past: PastEnvelope) -> str:
    told = headline(cast(Envelope, past["envelope"]))
    return f"report {past['number']} of the history: {told}"


_HEADLINES: Mapping[str, Callable[[Any], str]] = {
    "past": _past_headline,
    "timeline": _timeline_headline,
    "plan": _plan_headline,
    "drill": drill_headline,
    "audit": audit_headline,
    "alert": alert_headline,
    "ledger": ledger_headline,
    "changes": changes_headline,
    "evidence": evidence_headline,
    "controls": controls_headline,
    "checks": checkup_headline,
    "collected": collected_headline,
    "remembered": remembered_headline,
    "guesses": guesses_headline,
    "scenarios": scenario_headline,
}
"""Section -> what its command did; the first that a report has is told."""
