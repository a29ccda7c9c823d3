"""Expectations turned round: each by one thing, so that what held before must fail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from verifier.config.expected import NOTHING, ExpectedAlert, ExpectedRecovery
from verifier.config.scenario import Expect, ExpectedFinding, ExpectedGroup
from verifier.core.finding import KINDS, Verdict

VERDICTS = ("OK", "WARNING", "UNKNOWN", "CRITICAL")
NOWHERE = "no subject at all"


def turned(expect: Expect) -> Iterator[tuple[str, Expect]]:
    """Yield what was turned, and the expectation that no run may meet any more."""
    for verdict in VERDICTS:
        if verdict != expect.verdict:
            yield f"verdict {verdict}", _with(expect, verdict=verdict)
    for index, finding in enumerate(expect.findings):
        rest = (*expect.findings[:index], *expect.findings[index + 1 :])
        # What is no worse than OK may go unsaid.
        if KINDS[finding.kind].severity is not Verdict.OK:
            yield f"without {finding.kind}", _with(expect, findings=rest)
        moved = finding.model_copy(update={"subject": NOWHERE})
        yield f"{finding.kind} elsewhere", _with(expect, findings=(*rest, moved))
    more = ExpectedFinding.model_validate({"kind": "internal"})
    yield "one finding more", _with(expect, findings=(*expect.findings, more))
    for index, group in enumerate(expect.survivors):
        for what, changed in _turned_group(group):
            groups = (*expect.survivors[:index], changed, *expect.survivors[index + 1 :])
            yield f"{group.host} {what}", _with(expect, survivors=groups)
        left = (*expect.survivors[:index], *expect.survivors[index + 1 :])
        if left:
            yield f"without {group.host}", _with(expect, survivors=left)
    if expect.alerts is not None:
        for what, alerts in _turned_alerts(expect.alerts):
            yield what, _with(expect, alerts=alerts)
    for index, point in enumerate(expect.recovery):
        for what, other in _turned_recovery(point):
            points = (*expect.recovery[:index], other, *expect.recovery[index + 1 :])
            yield f"recovery of {point.host} {what}", _with(expect, recovery=points)


def _turned_group(group: ExpectedGroup) -> Iterator[tuple[str, ExpectedGroup]]:
    yield "one more", group.model_copy(update={"count": group.count + 1})
    yield "another host", group.model_copy(update={"host": "nobody"})
    yield "other paths", group.model_copy(update={"paths": ("/nowhere",)})
    if group.tags is not None:
        yield "other tags", group.model_copy(update={"tags": (*group.tags, "other")})
    for end in ("oldest", "newest"):
        day = getattr(group, end)
        if day is not None:
            yield end, group.model_copy(update={end: day + timedelta(days=1)})


def _turned_alerts(
    alerts: tuple[ExpectedAlert, ...],
) -> Iterator[tuple[str, tuple[ExpectedAlert, ...]]]:
    more = ExpectedAlert.model_validate({"host": "nobody", "level": "warning"})
    yield "one alert more", (*alerts, more)
    for index, alert in enumerate(alerts):
        before, after = alerts[:index], alerts[index + 1 :]
        yield f"without alert {index}", (*before, *after)
        for what, changed in _turned_alert(alert):
            yield f"alert {index} {what}", (*before, changed, *after)


def _turned_alert(alert: ExpectedAlert) -> Iterator[tuple[str, ExpectedAlert]]:
    other = "warning" if alert.level == "alarm" else "alarm"
    yield other, alert.model_copy(update={"level": other})
    yield "of another host", alert.model_copy(update={"host": "nobody"})
    for what in ("opened", "opened_age", "escalated", "escalated_age", "resolved"):
        held = getattr(alert, what)
        if held is not None:
            yield what, alert.model_copy(update={what: held + timedelta(minutes=1)})
    if alert.open_ is not None:
        yield "open", alert.model_copy(update={"open_": not alert.open_})


def _turned_recovery(point: ExpectedRecovery) -> Iterator[tuple[str, ExpectedRecovery]]:
    others = (24, 0) if point.hours == NOTHING else (point.hours - 1, point.hours + 1, NOTHING)
    for hours in others:
        yield f"{hours} hours", point.model_copy(update={"hours": hours})
    yield "of another host", point.model_copy(update={"host": "nobody"})
    if point.on is not None:
        yield "on another day", point.model_copy(update={"on": date(1970, 1, 1)})


def _with(expect: Expect, **changed: object) -> Expect:
    return expect.model_copy(update=changed)
