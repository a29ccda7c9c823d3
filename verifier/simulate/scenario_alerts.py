"""The incidents that the system's monitoring would have raised over a timeline.

They follow from what was really backed up and when. All instants are the coordinator's: a host
whose clock is wrong neither raises an alarm nor hides one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from verifier.core.snapshot import Snapshot
from verifier.monitor.alerts.advance import Terms, advance
from verifier.monitor.alerts.rule import Dues, Rule
from verifier.monitor.alerts.transition import News, Transition
from verifier.monitor.alerts.watch import Level, begin_watch
from verifier.simulate.faults import begun_at, is_added
from verifier.simulate.timeline import Record


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident of one host, from its opening to its end.

    Attributes:
        level: the highest that it reached.
        opened_age, escalated_age: how old the last backup was then.
        resolved_at: none where it was still open at the end.
    """

    host: str
    level: Level
    opened_at: datetime
    opened_age: timedelta
    escalated_at: datetime | None = None
    escalated_age: timedelta | None = None
    resolved_at: datetime | None = None


def alerts_of(
    records: Sequence[Record], hosts: Sequence[str], rule: Rule, until_at: datetime
) -> tuple[Alert, ...]:
    """Return the incidents of every host, each host's in the order in which they opened."""
    if not records:
        return ()
    terms = Terms(rule, Dues(record.step.at for record in records))
    found: list[Alert] = []
    for host in hosts:
        news = [one for record in records for one in _news(record, host)]
        watch = begin_watch(host, records[0].step.at)
        found += _alerts(advance(watch, terms, news, until_at)[1])
    return tuple(found)


def backups_of(record: Record, host: str) -> Iterator[tuple[Snapshot, News]]:
    """Yield the snapshots of a host that a step's backups made, and when they were known."""
    for snapshot in record.created:
        if snapshot.host == host and not is_added(snapshot):
            at = begun_at(snapshot)
            yield snapshot, News(at, at + record.step.takes(snapshot), succeeded=True)


def _news(record: Record, host: str) -> Iterator[News]:
    backups = [news for _, news in backups_of(record, host)]
    if not backups and record.step.ran:
        yield News(record.step.at, record.step.at, succeeded=False)
    yield from backups


def _alerts(told: Sequence[Transition]) -> Iterator[Alert]:
    alert: Alert | None = None
    for one in told:
        if one.kind == "opened":
            alert = Alert(one.subject, one.level, one.at, one.age)
        assert alert is not None, "an incident begins with its opening"
        if one.level == "alarm" and alert.escalated_at is None:
            alert = replace(alert, level="alarm", escalated_at=one.at, escalated_age=one.age)
        if one.kind == "resolved":
            yield replace(alert, resolved_at=one.at)
            alert = None
    if alert is not None:
        yield alert
