"""How long backups and cycles took over time, where a release of restic changed, what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from verifier.monitor.render.charts import date_axis, value_lines
from verifier.monitor.render.lives import Calendar
from verifier.monitor.render.scales import Straight, sizes, spans
from verifier.monitor.render.svg import element, figure, label, picture, plot, share, titled
from verifier.monitor.render.wording import DAY_S, count, moment, size, span
from verifier.monitor.telemetry import BackupRun

SPANS = {"30": "30 days", "90": "90 days", "365": "1 year", "1830": "5 years"}
"""How far back a picture may reach: days -> its name."""

_PLOT_PX = 170.0
_DRAWN = 900
"""How many points a curve has; of more the largest of every few is drawn."""

_DOTS = 120
"""Up to so many points are dots with a word of their own."""

_LABELS = 8
"""How many changes of a release are labelled; more would lie on one another."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run.

    Attributes:
        value: seconds, or bytes.
        release: of restic; empty where it was not told.
    """

    at: datetime
    value: float
    succeeded: bool
    release: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """From this run on another release of restic made the backups."""

    at: datetime
    before: str
    after: str


def release_changes(points: Iterable[Point]) -> tuple[Change, ...]:
    """Return where the release changed, in order; runs that do not tell theirs say nothing."""
    told = [point for point in points if point.release]
    return tuple(
        Change(newer.at, older.release, newer.release)
        for older, newer in pairwise(told)
        if older.release != newer.release
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a series of runs comes to, in numbers."""

    runs: int
    failed: int
    usual: float | None
    most: float | None
    last: float | None


def figures(points: Sequence[Point]) -> Figures:
    """Return the figures of the good runs, and how many others there were."""
    good = [point.value for point in points if point.succeeded]
    return Figures(
        len(points),
        len(points) - len(good),
        median(good) if good else None,
        max(good, default=None),
        good[-1] if good else None,
    )


COMPARED = timedelta(days=30)
"""The times of so many days are held against those of as many before."""


@dataclass(frozen=True, slots=True)
class Usual:
    """How long a host's backups take as a rule, now and before; None where none was good."""

    host: str
    runs: int
    failed: int
    now_s: float | None
    before_s: float | None
    last: BackupRun | None

    @property
    def grown_percent(self) -> int | None:
        """How much longer they take than before, where both are known and it is noteworthy."""
        if not self.now_s or not self.before_s:
            return None
        percent = round((self.now_s / self.before_s - 1) * 100)
        return percent if abs(percent) >= _NOTEWORTHY else None


_NOTEWORTHY = 20


def usual_times(
    runs: Iterable[BackupRun], hosts: Sequence[str], now: datetime
) -> tuple[Usual, ...]:
    """Return a row for every host, from its runs of twice as long as is compared."""
    theirs: dict[str, list[BackupRun]] = {host: [] for host in hosts}
    for run in runs:
        theirs.setdefault(run.host, []).append(run)
    border = now - COMPARED
    return tuple(
        Usual(
            host,
            sum(run.began_at >= border for run in ran),
            sum(run.began_at >= border and not run.succeeded for run in ran),
            _median([run.duration_s for run in ran if run.began_at >= border and run.succeeded]),
            _median([run.duration_s for run in ran if run.began_at < border and run.succeeded]),
            ran[-1] if ran else None,
        )
        for host, ran in theirs.items()
    )


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


@dataclass(frozen=True, slots=True)
class Unit:
    """How values are written and scaled."""

    noun: str
    is_time: bool

    def written(self, value: float) -> str:
        """Write a value."""
        return span(value) if self.is_time else size(value)

    def scale(self, most: float) -> Straight:
        """Return a scale from 0 to at least the most."""
        return spans(most or 1.0) if self.is_time else sizes(most or 1.0)


DURATION = Unit("duration", is_time=True)
ADDED = Unit("data added", is_time=False)


def series_picture(
    name: str, title: str, points: Sequence[Point], unit: Unit, since: datetime, now: datetime
) -> str:
    """Return the picture of runs over time; failures stand above it, releases are marked.

    Args:
        name: unique in the page.
        points: ascending, from `since` to `now`.
    """
    first = min(since, points[0].at) if points else since
    calendar = Calendar(first.astimezone(now.tzinfo), (now - first).total_seconds() / DAY_S)
    days = max(calendar.last_day, 1.0)
    good = [point for point in points if point.succeeded]
    scale = unit.scale(max((point.value for point in good), default=1.0))
    changes = release_changes(points)
    return picture(
        name,
        *value_lines(scale.marks, _PLOT_PX, foot_px=_PLOT_PX),
        *date_axis(calendar, days, _PLOT_PX),
        *_changes(changes, first, days),
        *_failures(points, first, days),
        plot(*_curves(good, scale, first), width=days, height_px=_PLOT_PX),
        *(_dots(good, unit, scale, first, days) if len(good) <= _DOTS else ()),
        title=title,
        description=_told(points, unit, changes),
        height_px=_PLOT_PX,
    )


def _day(at: datetime, first: datetime) -> float:
    return (at - first).total_seconds() / DAY_S


def _curves(good: Sequence[Point], scale: Straight, first: datetime) -> Iterator[str]:
    # Where no backup was made for long, no line pretends that there was one.
    gap = _gap(good)
    stretch: list[Point] = []
    for point in _thinned(good):
        if stretch and point.at - stretch[-1].at > gap:
            yield from _curve(stretch, scale, first)
            stretch = []
        stretch.append(point)
    yield from _curve(stretch, scale, first)


def _gap(good: Sequence[Point]) -> timedelta:
    apart_s = [(newer.at - older.at).total_seconds() for older, newer in pairwise(good)]
    usual_s = median(apart_s) if apart_s else DAY_S
    # Of many points only every so manieth is drawn.
    return timedelta(seconds=max(3 * usual_s * max(len(good) / _DRAWN, 1.0), 3_600.0))


def _thinned(good: Sequence[Point]) -> Sequence[Point]:
    every = -(-len(good) // _DRAWN)
    if every <= 1:
        return good
    chunks = (good[start : start + every] for start in range(0, len(good), every))
    return [max(chunk, key=lambda point: point.value) for chunk in chunks]


def _curve(stretch: Sequence[Point], scale: Straight, first: datetime) -> Iterator[str]:
    if not stretch:
        return
    places = [
        f"{figure(_day(p.at, first))} {figure(_PLOT_PX * (1 - scale.at(p.value)))}" for p in stretch
    ]
    if len(places) == 1:
        yield element("path", class_="curve", d=f"M{places[0]}h.01")
        return
    curve, foot = "L".join(places), figure(_PLOT_PX)
    ends = (figure(_day(p.at, first)) for p in (stretch[-1], stretch[0]))
    yield element("path", class_="area", d=f"M{curve}" + "".join(f"L{x} {foot}" for x in ends))
    yield element("path", class_="curve", d=f"M{curve}")


def _dots(
    good: Sequence[Point], unit: Unit, scale: Straight, first: datetime, days: float
) -> Iterator[str]:
    for point in good:
        yield element(
            "circle",
            titled(f"{moment(point.at.isoformat())}: {unit.written(point.value)}"),
            class_="asked",
            cx=share(_day(point.at, first) / days),
            cy=_PLOT_PX * (1 - scale.at(point.value)),
            r=2.5,
        )


def _failures(points: Sequence[Point], first: datetime, days: float) -> Iterator[str]:
    failed = [point for point in points if not point.succeeded]
    if failed:
        yield label("failed", class_="left bad", x=-7, y=-9)
    for point in failed[-_DRAWN:]:
        yield element(
            "rect",
            titled(f"{moment(point.at.isoformat())}: failed"),
            class_="missed",
            x=share(_day(point.at, first) / days),
            y=-17,
            width=3,
            height=9,
        )


def _changes(changes: Sequence[Change], first: datetime, days: float) -> Iterator[str]:
    for place, change in enumerate(changes):
        at = share(_day(change.at, first) / days)
        told = f"{moment(change.at.isoformat())}: restic {change.before}, then {change.after}"
        yield element(
            "line",
            titled(told),
            class_="release",
            x1=at,
            x2=at,
            y1=-4 if place % 2 else 8,
            y2=_PLOT_PX,
        )
        if len(changes) <= _LABELS:
            side = "before" if _day(change.at, first) > 0.85 * days else "after"
            row = 18 + 14 * (place % 3)
            yield label(
                f"restic {change.after}", class_=f"release {side}", x=at, y=row, dx=_DX[side]
            )


_DX = {"before": -4, "after": 4}


def _told(points: Sequence[Point], unit: Unit, changes: Sequence[Change]) -> str:
    found = figures(points)
    parts = [f"{count(found.runs, 'run')}, {found.failed} of them failed"]
    if found.usual is not None and found.most is not None:
        parts.append(
            f"the {unit.noun} is {unit.written(found.usual)} as a rule and "
            f"{unit.written(found.most)} at most"
        )
    parts += [f"restic {change.after} since {change.at:%Y-%m-%d}" for change in changes[-_LABELS:]]
    return "; ".join(parts) + "."
