"""Incidents and recovery points, held against what a scenario file expects of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from verifier.config.expected import NOTHING, ExpectedAlert, ExpectedRecovery
from verifier.core.finding import Finding
from verifier.simulate.scenario_alerts import Alert
from verifier.simulate.scenario_recovery import Recovery

UNEXPECTED = "unexpected"
UNMET = "unmet"


def match_alerts(
    name: str, seen: Sequence[Alert], expected: Sequence[ExpectedAlert]
) -> Iterator[Finding]:
    """Yield a finding for each incident that was raised or expected, and not both.

    The incidents of one host are compared one by one, in the order in which they opened.
    """
    for host in dict.fromkeys([*(one.host for one in expected), *(one.host for one in seen)]):
        wanted = [one for one in expected if one.host == host]
        raised = [one for one in seen if one.host == host]
        for place, (one, alert) in enumerate(zip(wanted, raised, strict=False), start=1):
            yield from _match_alert(name, f"alert {place} of {host}", one, alert)
        for one in wanted[len(raised) :]:
            yield Finding(UNMET, name, f"expects {_article(one.level)} for {host}, and had none")
        for alert in raised[len(wanted) :]:
            yield Finding(UNEXPECTED, name, f"raised {_article(alert.level)} for {_told(alert)}")


def _match_alert(name: str, which: str, expected: ExpectedAlert, alert: Alert) -> Iterator[Finding]:
    found: Mapping[str, tuple[object, object]] = {
        "level": (expected.level, alert.level),
        "opened": (expected.opened, alert.opened_at),
        "opened-age": (expected.opened_age, alert.opened_age),
        "escalated": (expected.escalated, alert.escalated_at),
        "escalated-age": (expected.escalated_age, alert.escalated_age),
        "resolved": (expected.resolved, alert.resolved_at),
        "open": (expected.open_, alert.resolved_at is None),
    }
    for what, (wanted, seen) in found.items():
        if wanted is not None and wanted != seen:
            detail = f"expects {what} {wanted} of {which}, and it is {seen}: {_told(alert)}"
            yield Finding(UNMET, name, detail)


def _article(level: str) -> str:
    return "an alarm" if level == "alarm" else "a warning"


def _told(alert: Alert) -> str:
    ends = f"resolved {alert.resolved_at:%Y-%m-%d %H:%M %Z}" if alert.resolved_at else "still open"
    escalated = f", an alarm at {alert.escalated_age}" if alert.escalated_age else ""
    return f"{alert.host}, opened at an age of {alert.opened_age}{escalated}, {ends}"


def match_recovery(
    name: str, seen: Sequence[Recovery], expected: Sequence[ExpectedRecovery]
) -> Iterator[Finding]:
    """Yield a finding for each recovery point that was otherwise than expected."""
    for one in expected:
        ours = [r.hours for r in seen if r.host == one.host and one.on in {None, r.day}]
        # Where nothing is left for once, nothing is what counts.
        worst = (
            None if None in ours else max((hours for hours in ours if hours is not None), default=0)
        )
        found = NOTHING if worst is None else worst
        when = f"on {one.on}" if one.on else "at the worst"
        if not ours:
            detail = f"expects a recovery point of {one.host} {when}, and it never had a backup"
            yield Finding(UNMET, name, detail)
        elif found != one.hours:
            detail = (
                f"expects to lose {_lost(one.hours)} of {one.host} {when}, and it is {_lost(found)}"
            )
            yield Finding(UNMET, name, detail)


def _lost(hours: int | str) -> str:
    return "everything" if hours == NOTHING else f"{hours} hours"
