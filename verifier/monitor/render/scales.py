"""Scales and their marks: ages, dates, sizes and spans, placed on a line from 0 to 1."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from verifier.monitor.render.wording import DAY_S, YEAR_DAYS, size, span

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = YEAR_DAYS / 12

# In the order in which they claim their room, the ones people think in first.
_AGES: tuple[tuple[float, str], ...] = (
    (0, ""),
    (YEAR_DAYS, "1 y"),
    (30, "30 d"),
    (10 * YEAR_DAYS, "10 y"),
    (7, "7 d"),
    (6 * _MONTH, "6 mo"),
    (5 * YEAR_DAYS, "5 y"),
    (2 * YEAR_DAYS, "2 y"),
    (14, "14 d"),
    (3 * _MONTH, "3 mo"),
    (20 * YEAR_DAYS, "20 y"),
    (3 * YEAR_DAYS, "3 y"),
    (9 * _MONTH, "9 mo"),
    (21, "21 d"),
    (2 * _MONTH, "2 mo"),
    (1, "1 d"),
    (7 * YEAR_DAYS, "7 y"),
    (4 * YEAR_DAYS, "4 y"),
    (15 * YEAR_DAYS, "15 y"),
    (30 * YEAR_DAYS, "30 y"),
    (3, "3 d"),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled place on a scale.

    Attributes:
        at: 0 to 1.
        below: a second line under the label.
        minor: one that a narrow screen has no room to label.
    """

    at: float
    label: str
    below: str = ""
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Ages:
    """A scale of ages in days: straight within a band, denser from one band to the next.

    So days, months and years are legible on one line, and a straight life stays straight but for
    a bend at each border.

    Attributes:
        knots: the bands' borders in days, the first is 0, the last the end of the scale.
        places: where the borders lie, 0 to 1.
    """

    knots: tuple[float, ...]
    places: tuple[float, ...]

    def at(self, age: float) -> float:
        """Return the place of an age; ages outside lie on the ends."""
        age = min(max(age, 0.0), self.knots[-1])
        band = min(bisect_right(self.knots, age), len(self.knots) - 1)
        low, high = self.knots[band - 1], self.knots[band]
        start, end = self.places[band - 1], self.places[band]
        return start + (end - start) * (age - low) / (high - low)

    def between(self, young: float, old: float) -> tuple[float, ...]:
        """Return the borders strictly between two ages."""
        return tuple(knot for knot in self.knots if young < knot < old)


def ages(oldest_days: float) -> Ages:
    """Return the scale that reaches to an age."""
    oldest = max(oldest_days, 1.0)
    if oldest <= 45:
        return Ages((0.0, oldest), (0.0, 1.0))
    if oldest <= 450:
        # A band holds its share and a bit by its length, so that a short one is not blown up.
        return Ages((0.0, 35.0, oldest), (0.0, 0.42 if oldest > 150 else 0.6, 1.0))
    return Ages((0.0, 35.0, 400.0, oldest), (0.0, 0.3, 0.62 if oldest > 900 else 0.8, 1.0))


def age_marks(
    scale: Ages, *, room: float, narrow_room: float = 0.0, zero: str = "now"
) -> tuple[Mark, ...]:
    """Return the ages worth a label.

    Args:
        room: the least distance between two labels, as a share of the scale.
        narrow_room: the same on a narrow screen; labels nearer than that are minor.
        zero: the label of the youngest end.
    """
    chosen: list[Mark] = []
    for age, label in _AGES:
        at = scale.at(age)
        if age > scale.knots[-1] or any(abs(at - mark.at) < room for mark in chosen):
            continue
        minor = any(abs(at - mark.at) < narrow_room for mark in chosen if not mark.minor)
        chosen.append(Mark(at, label or zero, minor=minor))
    return tuple(sorted(chosen, key=lambda mark: mark.at))


def date_marks(first: date, days: float) -> tuple[Mark, ...]:
    """Return the dates worth a label on a straight scale of that many days."""
    if days < 50:
        return _day_marks(first, days)
    months = _month_starts(first, days)
    every = next(n for n in (1, 2, 3, 6, 12, 24, 60, 120, 1200) if len(months) <= 14 * n)
    shown = [day for day in months if (day.year * 12 + day.month - 1) % every == 0]
    apart = -(-len(shown) // 5)
    return tuple(
        Mark(
            (day - first).days / days,
            str(day.year) if every >= 12 else _MONTHS[day.month - 1],
            str(day.year) if every < 12 and (place == 0 or day.month == 1) else "",
            minor=place % apart != 0,
        )
        for place, day in enumerate(shown)
    )


def _month_starts(first: date, days: float) -> list[date]:
    last = first + timedelta(days=days)
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    starts = (date(number // 12, number % 12 + 1, 1) for number in numbers)
    return [start for start in starts if start >= first]


def _day_marks(first: date, days: float) -> tuple[Mark, ...]:
    every = 1 if days < 8 else 2 if days < 16 else 7
    whole = range(0, int(days) + 1, every)
    apart = -(-len(whole) // 5)
    return tuple(
        Mark(day / max(days, 1.0), f"{_MONTHS[on.month - 1]} {on.day}", minor=place % apart != 0)
        for place, day in enumerate(whole)
        for on in (first + timedelta(days=day),)
    )


_SPANS_S = (
    *(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600),
    *(DAY_S * n for n in (1, 2, 7, 14, 30, 60, 90, 180)),
    *(DAY_S * YEAR_DAYS * n for n in (1, 2, 5, 10, 50, 100, 1000)),
)


@dataclass(frozen=True, slots=True)
class Straight:
    """A straight scale from 0 up to a round value at or above the most that it must hold."""

    top: float
    marks: tuple[Mark, ...]

    def at(self, value: float) -> float:
        """Return the place of a value."""
        return value / self.top


def spans(most_s: float) -> Straight:
    """Return a scale of lengths of time."""
    step = next((step for step in _SPANS_S if most_s <= 5 * step), _SPANS_S[-1])
    return _straight(step, most_s, span)


def sizes(most_bytes: float) -> Straight:
    """Return a scale of bytes; its steps are powers of two, so that 1,024 of one unit fit."""
    step = 1.0
    while most_bytes > 4 * step:
        step *= 2
    return _straight(step, most_bytes, size)


def _straight(step: float, most: float, written: Callable[[float], str]) -> Straight:
    steps = max(1, ceil(most / step))
    marks = (
        Mark(place / steps, written(step * place) if place else "0") for place in range(steps + 1)
    )
    return Straight(step * steps, tuple(marks))
