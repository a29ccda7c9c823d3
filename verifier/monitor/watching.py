"""One look at everything that is watched: from what is known and heard to what is to be told.

Pure. What is watched comes from the configuration, what is known from the look before; the two
arrows between them are `alerts.advance` and this one, for many subjects at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from verifier.monitor.alerts.advance import Terms, advance
from verifier.monitor.alerts.rule import Dues, Rule, overdue_at
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import News, Transition
from verifier.monitor.alerts.watch import Level, Watch, begin_watch

AHEAD = timedelta(hours=1)
"""A look that was so far ahead was taken by a wrong clock: time servers correct less."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A subject, what it is held to, and what is heard of it."""

    subject: str
    rule: Rule
    dues: Dues
    news: tuple[News, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """A transition, with what those who are told of it know already.

    Attributes:
        heard: the level that was told of this incident by looks before; none where none was.
        known: the level that has been told of it when this is.
        goes_on: this very look tells more of the incident, so that the last word is enough.
        before_at: when the last success began, as the look before knew it.
    """

    transition: Transition
    heard: Level | None
    known: Level | None
    goes_on: bool
    before_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What a look came to.

    Attributes:
        watches: by subject, to be kept until the next look.
        told: in the order in which it happened.
    """

    at: datetime
    watches: Mapping[str, Watch]
    told: tuple[Told, ...] = field(default=())

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Everything that happened."""
        return tuple(one.transition for one in self.told)


def look(
    watches: Mapping[str, Watch],
    watched: Iterable[Watched],
    silences: Sequence[Silence],
    now: datetime,
) -> Look:
    """Look at every subject.

    A subject that is watched no more is let go, and whoever heard of its incident hears that.

    Args:
        watches: as the look before left them.
    """
    left: dict[str, Watch] = {}
    told: list[Told] = []
    watched = tuple(watched)
    believed = _is_believed(watched, now)
    for one in watched:
        before = watches.get(one.subject) or _begun(one, now)
        if believed and before.looked_at > now + AHEAD:
            told += _heard(before, _taken_back(before, now))
            before = _rewound(before, one, now)
        terms = Terms(one.rule, one.dues, silences)
        left[one.subject], transitions = advance(before, terms, one.news, now)
        told += _heard(before, transitions)
    for subject, before in watches.items():
        if subject not in left:
            told += _heard(before, _let_go(before, now))
    told.sort(key=lambda one: (one.transition.at, one.transition.subject))
    return Look(now, left, tuple(told))


def next_at(watch: Watch, one: Watched) -> datetime | None:
    """Return when a subject without an incident is worth telling of, if nothing more is heard.

    Of one that has an incident: when that becomes an alarm; none where it is one already.
    """
    if watch.incident is None:
        return overdue_at(one.rule, one.dues, watch.good_at, watch.failed_at)
    if watch.incident.alarmed_at is None and watch.incident.well_at is None:
        return watch.good_at + one.rule.alarm_age
    return None


def instants(watch: Watch, one: Watched) -> tuple[datetime, datetime] | None:
    """Return when the age of a subject is worth telling, and when it is an alarm.

    Both hold if nothing more is heard, whether they lie ahead or have passed; none where nothing is
    due. This is what metrics tell those who watch for themselves.
    """
    overdue = overdue_at(one.rule, one.dues, watch.good_at, watch.failed_at)
    if overdue is None:
        return None
    return overdue, max(overdue, watch.good_at + one.rule.alarm_age)


def _begun(one: Watched, now: datetime) -> Watch:
    """Begin a watch on a subject that has a past: what it knows of that counts, and is not told."""
    watch = begin_watch(one.subject, now)
    known = [news for news in one.news if news.known_at <= now]
    good = [news.at for news in known if news.succeeded]
    failed = [news.known_at for news in known if not news.succeeded]
    return replace(
        watch,
        good_at=max(good, default=watch.good_at),
        failed_at=max(failed, default=None),
        never=not good,
    )


def _is_believed(watched: Iterable[Watched], now: datetime) -> bool:
    """Say whether a look before that was in the future was wrong, and not this one.

    By what was heard: a clock that shows a time before the last word is not to be believed, and
    where there was no word nobody knows. What is heard at this very instant is from this clock.
    """
    heard = [news.known_at for one in watched for news in one.news]
    return any(at < now for at in heard) and all(at <= now for at in heard)


def _rewound(watch: Watch, one: Watched, now: datetime) -> Watch:
    """Return the watch as it would be if nobody had looked after `now`."""
    incident = watch.incident
    if incident is not None and incident.opened_at > now:
        incident = None
    if incident is not None and incident.alarmed_at is not None and incident.alarmed_at > now:
        told: Level | None = "warning" if incident.told else None
        incident = replace(incident, alarmed_at=None, told=told)
    if incident is not None:
        told_at = min(incident.told_at, now) if incident.told_at else None
        well_at = incident.well_at if incident.well_at and incident.well_at <= now else None
        incident = replace(incident, told_at=told_at, well_at=well_at)
    ended_at = watch.resolved_at
    resolved_at = ended_at if ended_at and ended_at <= now else None
    return replace(_begun(one, now), incident=incident, resolved_at=resolved_at)


def _taken_back(watch: Watch, now: datetime) -> tuple[Transition, ...]:
    incident = watch.incident
    if incident is None or incident.told is None or incident.opened_at <= now:
        return ()
    opened_at = incident.opened_at
    level, good_at = incident.level, watch.good_at
    return (Transition("resolved", watch.subject, level, opened_at, opened_at, good_at),)


def _let_go(watch: Watch, now: datetime) -> tuple[Transition, ...]:
    incident = watch.incident
    if incident is None or incident.told is None:
        return ()
    at = max(now, watch.looked_at)
    level, opened_at = incident.level, incident.opened_at
    return (Transition("resolved", watch.subject, level, at, opened_at, watch.good_at),)


def _heard(before: Watch, transitions: Sequence[Transition]) -> Iterator[Told]:
    """Yield transitions of one subject, with what was heard of each one's incident before."""
    incident = before.incident
    heard = {incident.opened_at: incident.told} if incident else {}
    known = dict(heard)
    last = {one.opened_at: place for place, one in enumerate(transitions)}
    for place, one in enumerate(transitions):
        opened_at = one.opened_at
        if one.kind != "resolved":
            known[opened_at] = one.level
        goes_on = place < last[opened_at]
        yield Told(one, heard.get(opened_at), known.get(opened_at), goes_on, before.good_at)
