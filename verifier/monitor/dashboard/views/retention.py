"""The restore points of one host on a calendar, why each is there, and when it will go.

What is there is known from the repository, where that is read, or follows from the backups that
the history knows and the policy: the page says which. What will go follows from the model of
`forget`, run after every day to come, if backups go on as they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from verifier.core.snapshot import Snapshot
from verifier.monitor.dashboard.terms import Terms
from verifier.monitor.render.lives import RULES, held_by
from verifier.monitor.render.svg import element, label, share, titled
from verifier.monitor.render.wording import count, number
from verifier.monitor.telemetry import BackupRun
from verifier.retention.ahead import follow_ahead
from verifier.retention.decide import decide

AHEAD_DAYS = 30
"""How far ahead it is said what will go."""

WEEKS = 53
"""How many weeks the calendar shows."""

_ROW_PX = 14
_CELL_PX = 12
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STATES = {
    "failed": "the backup failed",
    "gone": "backed up, and removed since",
    "bare": "no backup",
    "unknown": "no history",
}


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """One snapshot that is there.

    Attributes:
        rule: what holds it now, a style's name.
        goes_at: when forget will remove it; None where not within the days ahead.
    """

    id: str
    taken_at: datetime
    rule: str
    reasons: tuple[str, ...]
    goes_at: datetime | None


@dataclass(frozen=True, slots=True)
class Retention:
    """The page of one host, restore points newest first.

    Attributes:
        refused: restic's sentence where forget stops and removes nothing.
    """

    points: tuple[RestorePoint, ...]
    going: tuple[RestorePoint, ...]
    refused: str

    def held(self) -> Mapping[str, int]:
        """Return how many restore points each rule holds, the shortest promise first."""
        rules = [point.rule for point in self.points]
        return {rule: rules.count(rule) for rule in RULES if rule in rules}


def modelled(host: str, runs: Iterable[BackupRun], terms: Terms, now: datetime) -> list[Snapshot]:
    """Return the snapshots that should be there, had every backup and every forget its way."""
    forgetting, zone = terms.forgetting, terms.schedule.zone
    paths = forgetting.paths.get(host, ())
    made = [
        Snapshot(run.snapshot or run.began_at.isoformat(), _stored(run, terms), host, paths)
        for run in runs
        if run.succeeded
    ]
    decision = decide(
        made,
        forgetting.policy,
        forgetting.rules,
        now=now,
        zone=zone,
        group_by=forgetting.group_by,
    )
    return made if decision.refused else [snapshot for snapshot, _ in decision.kept()]


def _stored(run: BackupRun, terms: Terms) -> datetime:
    # A snapshot carries its host's offset; that of the schedule is the likeliest.
    return run.began_at.astimezone(terms.schedule.zone)


def retention_view(snapshots: Sequence[Snapshot], terms: Terms, now: datetime) -> Retention:
    """Return what is there of a host, and when it will go."""
    forgetting = terms.forgetting
    existing = {snapshot.id: snapshot for snapshot in snapshots}
    reasons: dict[str, tuple[str, ...]] = {}
    goes: dict[str, datetime] = {}
    refused = ""
    for at, decision in follow_ahead(
        snapshots,
        forgetting.policy,
        forgetting.rules,
        now=now,
        days=AHEAD_DAYS,
        zone=terms.schedule.zone,
        group_by=forgetting.group_by,
    ):
        if at == now:
            refused = decision.refused
            reasons = {snapshot.id: why for snapshot, why in decision.kept()}
        for gone in decision.removed():
            if gone.id in existing:
                goes.setdefault(gone.id, at)
    points = tuple(
        RestorePoint(
            s.id, s.taken_at, held_by(reasons.get(s.id, ())), reasons.get(s.id, ()), goes.get(s.id)
        )
        for s in sorted(existing.values(), key=lambda s: s.taken_at, reverse=True)
    )
    going = sorted(
        (point for point in points if point.goes_at is not None),
        key=lambda point: (point.goes_at, point.taken_at),
    )
    return Retention(points, tuple(going), refused)


@dataclass(frozen=True, slots=True)
class Day:
    """One square of the calendar: its style, and its words."""

    day: date
    state: str
    going: bool
    words: str


def calendar_days(
    view: Retention, runs: Iterable[BackupRun], terms: Terms, now: datetime
) -> tuple[Day, ...]:
    """Return the days of the calendar, from a Monday about a year ago to today.

    Args:
        runs: all that the history knows of the host: before the first, no day is known.
    """
    today = terms.schedule.day(now)
    first = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    points: dict[date, list[RestorePoint]] = {}
    for point in view.points:
        points.setdefault(terms.schedule.day(point.taken_at), []).append(point)
    ran: dict[date, bool] = {}
    for run in runs:
        day = terms.schedule.day(run.began_at)
        ran[day] = ran.get(day, False) or run.succeeded
    begun = min(ran, default=today + timedelta(days=1))
    days = (first + timedelta(days=n) for n in range((today - first).days + 1))
    return tuple(
        _square(day, points.get(day, ()), _state(ran.get(day), known=day >= begun)) for day in days
    )


def _state(ran: bool | None, *, known: bool) -> str:
    if ran is None:
        return "bare" if known else "unknown"
    return "gone" if ran else "failed"


def _square(day: date, points: Sequence[RestorePoint], state: str) -> Day:
    if points:
        # The rule that lets go last is the one that matters here.
        rule = max((point.rule for point in points), key=RULES.index)
        going = all(point.goes_at is not None for point in points)
        words = f"{day}: {count(len(points), 'restore point')}, {rule}"
        return Day(day, rule, going, words + (f", gone within {AHEAD_DAYS} days" if going else ""))
    return Day(day, state, going=False, words=f"{day}: {_STATES[state]}")


def calendar_picture(host: str, days: Sequence[Day]) -> str:
    """Return the calendar: a column a week, Monday on top, told in words."""
    kept = sum(day.state in RULES for day in days)
    going = sum(day.going for day in days)
    height = 7 * _ROW_PX
    return element(
        "svg",
        element(
            "title", f"Restore points of the last year, {label_text(host)}", id="calendar-title"
        ),
        element(
            "desc",
            f"{number(kept)} of {count(len(days), 'day')} have a restore point; "
            f"{number(going)} of them lose it within {AHEAD_DAYS} days.",
            id="calendar-desc",
        ),
        *_month_names(days),
        *(label(name, class_="left", x=-6, y=row * _ROW_PX + 10) for row, name in _ROWS),
        *(_cell(place, day) for place, day in enumerate(days)),
        class_="picture calendar",
        role="img",
        aria_labelledby="calendar-title calendar-desc",
        width="100%",
        height=height,
    )


_ROWS = ((0, "Mon"), (2, "Wed"), (4, "Fri"))


def label_text(text: str) -> str:
    """Return a name as it may stand inside of a picture."""
    from html import escape

    from verifier.monitor.render.wording import printable

    return escape(printable(text))


def _month_names(days: Sequence[Day]) -> Iterator[str]:
    last, place = "", -10
    for week in range(0, len(days), 7):
        name = _MONTHS[days[week].day.month - 1]
        if name != last and week // 7 - place >= 4:
            yield label(name, class_="wide", x=share(week / 7 / WEEKS), y=-6)
            place = week // 7
        last = name


def _cell(place: int, day: Day) -> str:
    return element(
        "rect",
        titled(day.words),
        class_=f"{day.state} going" if day.going else day.state,
        x=share(place // 7 / WEEKS),
        y=place % 7 * _ROW_PX,
        width=share(0.8 / WEEKS),
        height=_CELL_PX,
        rx=2,
    )
