"""The life of an incident: what a watch becomes as time passes and news arrive, and what is told.

Pure. Everything happens at an instant of its own, whenever somebody looks: a look every minute and
a look once a week tell the same, only later. `docs/alerts.md` says when each thing happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from verifier.monitor.alerts.rule import Dues, Rule, overdue_at
from verifier.monitor.alerts.silence import Silence, unsilenced
from verifier.monitor.alerts.transition import Kind, News, Transition
from verifier.monitor.alerts.watch import Incident, Watch


@dataclass(frozen=True, slots=True)
class Terms:
    """What a watch is held to."""

    rule: Rule
    dues: Dues
    silences: Sequence[Silence] = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """What happens to an incident at an instant; none is left of it where it ends."""

    at: datetime
    incident: Incident | None
    says: Kind | None = None


def advance(
    watch: Watch, terms: Terms, news: Iterable[News], now: datetime
) -> tuple[Watch, tuple[Transition, ...]]:
    """Return what a watch becomes by `now`, and what is to be told meanwhile, in order.

    Args:
        news: may hold what is known already; what is known only after `now` is left for later.
    """
    told: list[Transition] = []
    now = max(now.astimezone(UTC), watch.looked_at)
    for one in sorted(news, key=lambda one: (one.known_at, one.at)):
        known_at = max(one.known_at, watch.looked_at)
        if known_at <= now and _is_new(watch, one):
            # A success that is known at the very instant of an opening keeps it shut.
            watch = _pass_time(watch, terms, known_at, told, at_end=False)
            watch = _learn(watch, terms, one, told)
    return _pass_time(watch, terms, now, told, at_end=True), tuple(told)


def _is_new(watch: Watch, one: News) -> bool:
    if one.succeeded:
        return watch.never or one.at > watch.good_at
    return watch.failed_at is None or one.known_at > watch.failed_at


def _pass_time(
    watch: Watch, terms: Terms, end_at: datetime, told: list[Transition], *, at_end: bool
) -> Watch:
    """Let happen what happens by itself, up to an instant, and at it only where that is said."""
    while True:
        # Of what falls together the first comes first: an alarm before the word on it.
        change = min(_ahead(watch, terms), key=lambda change: change.at, default=None)
        if change is None or change.at > end_at or (change.at == end_at and not at_end):
            return replace(watch, looked_at=end_at)
        watch = _changed(watch, change, told)


def _learn(watch: Watch, terms: Terms, one: News, told: list[Transition]) -> Watch:
    if not one.succeeded:
        return replace(watch, failed_at=one.known_at)
    watch = replace(watch, good_at=one.at, never=False)
    at, incident = watch.looked_at, watch.incident
    overdue = overdue_at(terms.rule, terms.dues, watch.good_at, watch.failed_at)
    # What took longer than its age may be is too old the moment it is done.
    if incident is None or (overdue is not None and overdue <= at):
        return watch
    if not incident.flapping:
        return _changed(watch, _end(incident, at), told)
    return replace(watch, incident=replace(incident, well_at=incident.well_at or at))


def _changed(watch: Watch, change: _Change, told: list[Transition]) -> Watch:
    incident = change.incident or watch.incident
    if change.says:
        assert incident is not None, "nothing is said of no incident"
        told.append(
            Transition(
                change.says,
                watch.subject,
                incident.level,
                change.at,
                incident.opened_at,
                watch.good_at,
            )
        )
    resolved_at = watch.resolved_at if change.incident else change.at
    return replace(watch, looked_at=change.at, incident=change.incident, resolved_at=resolved_at)


def _ahead(watch: Watch, terms: Terms) -> Iterator[_Change]:
    """Yield what will happen next to a watch of which nothing is heard."""
    incident, rule, now = watch.incident, terms.rule, watch.looked_at
    overdue = overdue_at(rule, terms.dues, watch.good_at, watch.failed_at)
    # Never before what has been told: a late word, or a rule that was changed, rewrites nothing.
    overdue = max(overdue, now) if overdue else None
    if incident is None:
        if overdue is not None:
            ended_at = watch.resolved_at
            flapping = ended_at is not None and overdue - ended_at < rule.damping
            yield _Change(overdue, Incident(overdue, flapping=flapping))
    elif incident.well_at is not None:
        if overdue is not None:
            yield _Change(overdue, replace(incident, well_at=None))
        yield _end(incident, max(incident.well_at + rule.damping, now))
    else:
        if incident.alarmed_at is None:
            alarm_at = max(watch.good_at + rule.alarm_age, now)
            yield _Change(alarm_at, replace(incident, alarmed_at=alarm_at))
        yield _telling(watch, incident, terms)


def _end(incident: Incident, at: datetime) -> _Change:
    # Silence or not: whoever heard of it would go on believing it.
    return _Change(at, None, "resolved" if incident.told else None)


def _telling(watch: Watch, incident: Incident, terms: Terms) -> _Change:
    at = watch.looked_at
    says: Kind = "opened" if incident.told is None else "escalated"
    if incident.told == incident.level:
        assert incident.told_at is not None, "what is told was told at some time"
        says, at = "reminded", max(at, incident.told_at + terms.rule.remind_every)
    at = unsilenced(terms.silences, watch.subject, at)
    return _Change(at, replace(incident, told=incident.level, told_at=at), says)
