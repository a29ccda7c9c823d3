"""Pictures of a timeline: SVG that needs no script, sharp at every width, and told in words.

A picture is as wide as the page: positions across are shares of the width, positions down are
pixels, so that its words keep their size on a phone. Lines lie in a part that is stretched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from verifier.monitor.render.lives import RULES, Calendar, Group, Life
from verifier.monitor.render.scales import Ages, Mark, Straight, age_marks, ages, date_marks, spans
from verifier.monitor.render.svg import element, figure, label, picture, plot, share, titled
from verifier.monitor.render.wording import DAY_S, count, number, span

_FALL_PX = 330.0
_STRIP_PX = 26.0
_LOSS_PX = 150.0
_SERIES_PX = 150.0
_GAP_PX = 8.0

LINES_DRAWN = 12_000
"""How many lines one page draws: past it a browser is slow and the eye sees a surface anyway."""

_LINES_APART = 800
_POINTS_DRAWN = 1_000


@dataclass(frozen=True, slots=True)
class Swatch:
    """One entry of a legend."""

    rule: str
    text: str


_LEGEND = {
    "recent": "last, hourly or within a span",
    "daily": "daily",
    "weekly": "weekly",
    "monthly": "monthly",
    "yearly": "yearly",
    "tag": "by its tag",
    "oldest": "the oldest of its group",
    "none": "by no rule",
}


def legend(lives: Sequence[Life]) -> tuple[Swatch, ...]:
    """Return the rules that lives were held by, shortest first, with how many each held."""
    held = Counter(life.rule for life in lives)
    return tuple(
        Swatch(rule, f"{_LEGEND[rule]} ({number(held[rule])})") for rule in RULES if held[rule]
    )


def longest(lives: Sequence[Life], limit: int) -> tuple[Life, ...]:
    """Return the lives to draw: all, or those that lasted longest, in the order they came."""
    if len(lives) <= limit:
        return tuple(lives)
    # Survivors first: what is left is what the reader came for.
    chosen = sorted(lives, key=lambda life: (not life.survives, -life.end_age))[:limit]
    return tuple(sorted(chosen, key=lambda life: (life.start_day, life.taken)))


def fall_scale(lives: Sequence[Life]) -> Ages:
    """Return the scale of ages that lives are drawn on."""
    return ages(max((life.end_age for life in lives), default=1.0) * 1.03)


def waterfall(name: str, group: Group, lives: Sequence[Life], calendar: Calendar) -> str:
    """Return the picture of a group's snapshots falling with age: one line a snapshot.

    Args:
        name: unique in the page.
        lives: the ones to draw.
    """
    days = max(calendar.last_day, 1.0)
    scale = fall_scale(lives)
    left = sum(life.survives for life in group.lives)
    missed = f" Backups were missed on {count(group.unmade, 'step')}." if group.unmade else ""
    return picture(
        name,
        *_age_lines(scale),
        *date_axis(calendar, days, _FALL_PX),
        *_missed(group, days),
        plot(*_falls(lives, scale), width=days, height_px=_FALL_PX),
        title=f"Life of every snapshot of {group.name}",
        description=(
            f"Across: {count(round(calendar.last_day), 'day')} of simulated time. Down: age. "
            f"Each of {count(len(lives), 'line')} is one snapshot, from the day it was made to "
            f"the day it was removed; {number(left)} reach the right edge and survive.{missed}"
        ),
        height_px=_FALL_PX,
    )


def _falls(lives: Sequence[Life], scale: Ages) -> list[str]:
    drawn: dict[str, list[str]] = {rule: [] for rule in RULES}
    dense = " dense" if len(lives) > _LINES_APART else ""
    for life in lives:
        drawn[life.rule].append(_fall(life, scale, told=len(lives) <= LINES_DRAWN // 4))
    # The rules that hold longest hold the fewest: drawn last, they lie on top.
    return [
        element("g", *drawn[rule], class_=f"lives {rule}{dense}")
        for rule in ("none", *RULES[:-1])
        if drawn[rule]
    ]


def _fall(life: Life, scale: Ages, *, told: bool) -> str:
    bends = scale.between(life.start_age, life.end_age)
    points = (
        f"{figure(life.start_day + age - life.start_age)} {figure(scale.at(age) * _FALL_PX)}"
        for age in (life.start_age, *bends, life.end_age)
    )
    path = "M" + "L".join(points)
    if not told:
        return element("path", d=path)
    fate = "survives" if life.survives else f"gone after {count(round(life.end_age), 'day')}"
    return element("path", titled(f"{life.taken[:10]}, {life.rule}, {fate}"), d=path)


def _age_lines(scale: Ages) -> list[str]:
    drawn = []
    for mark in age_marks(scale, room=15 / _FALL_PX, zero="new"):
        y = mark.at * _FALL_PX
        drawn.append(element("line", class_="grid", x2="100%", y1=y, y2=y))
        drawn.append(label(mark.label, class_="left", x=-7, y=y + 4))
    for place in scale.places[1:-1]:
        y = place * _FALL_PX
        drawn.append(element("line", class_="bend", x2="100%", y1=y, y2=y))
    return drawn


def date_axis(calendar: Calendar, days: float, foot_px: float) -> list[str]:
    """Return the foot of a picture of so many days, with its dates."""
    marks = date_marks(calendar.first.date(), days)
    drawn = [element("line", class_="foot", x2="100%", y1=foot_px, y2=foot_px)]
    for mark in marks:
        x, wide = share(mark.at), " wide" if mark.minor else ""
        drawn.append(element("line", class_="tick", x1=x, x2=x, y1=foot_px, y2=foot_px + 5))
        drawn.append(label(mark.label, class_=f"under{wide}", x=x, y=foot_px + 18))
        if mark.below:
            drawn.append(label(mark.below, class_=f"under year{wide}", x=x, y=foot_px + 33))
    return drawn


def _missed(group: Group, days: float) -> list[str]:
    if not group.missed:
        return []
    drawn = [label("missed", class_="left bad", x=-7, y=-11)]
    for first, last in group.missed:
        rect = element(
            "rect",
            titled(f"no backup for {count(round(last - first) + 1, 'day')}"),
            class_="missed",
            x=share((first - 0.5) / days),
            y=-19,
            width=share((last - first + 1) / days),
            height=8,
        )
        drawn.append(rect)
    return drawn


def restore_points(name: str, group: Group) -> str:
    """Return the picture of what is left by age, and how far back each wish is answered.

    Upper part: one tick a restore point, the gaps between them tinted by their length. Lower
    part: for every age, how far off the nearest restore point not younger than that is.
    """
    left = sorted((life for life in group.lives if life.survives), key=lambda life: life.end_age)
    oldest = left[-1].end_age
    scale = ages(oldest * 1.06)
    loss = _loss_scale([life.end_age for life in left])
    height = _STRIP_PX + _GAP_PX + _LOSS_PX
    return picture(
        name,
        *value_lines(loss.marks, _LOSS_PX, foot_px=height),
        *_age_axis(scale, height),
        plot(*_strip(left, scale), width=1000, height_px=_STRIP_PX),
        plot(
            *_losses([life.end_age for life in left], scale, loss),
            width=1000,
            height_px=_LOSS_PX,
            top_px=_STRIP_PX + _GAP_PX,
        ),
        *_asked(group, scale, loss),
        title=f"Restore points of {group.name} by age",
        description=(
            f"{count(len(left), 'restore point')}, the oldest {span(oldest * DAY_S)} old. "
            "The curve says, for a state of so long ago, how much older than that the nearest "
            "restore point is."
        ),
        height_px=height,
    )


def _strip(left: Sequence[Life], scale: Ages) -> list[str]:
    places = [figure(scale.at(life.end_age) * 1000) for life in left]
    tints = [
        element(
            "rect",
            class_="gap",
            x=scale.at(young.end_age) * 1000,
            width=(scale.at(old.end_age) - scale.at(young.end_age)) * 1000,
            height=_STRIP_PX,
            fill_opacity=_tint(old.end_age - young.end_age),
        )
        for young, old in pairwise(left)
        if old.end_age - young.end_age > 1.5
    ]
    ticks = [
        element(
            "path",
            titled(f"{life.taken[:10]}, {span(life.end_age * DAY_S)} old, {life.rule}"),
            class_=f"point {life.rule}",
            d=f"M{place} 0V{figure(_STRIP_PX)}",
        )
        for life, place in zip(left, places, strict=True)
    ]
    return tints + ticks


def _tint(gap_days: float) -> float:
    return 0.12 if gap_days <= 8 else 0.22 if gap_days <= 32 else 0.36


def _loss_scale(left: Sequence[float]) -> Straight:
    gaps = [left[0], *(old - young for young, old in pairwise(left))]
    return spans(max(*gaps, 0.5) * DAY_S)


def _losses(left: Sequence[float], scale: Ages, loss: Straight) -> list[str]:
    def point(age: float, lost_days: float) -> str:
        down = _LOSS_PX * (1 - loss.at(lost_days * DAY_S))
        return f"{figure(scale.at(age) * 1000)} {figure(down)}"

    foot = figure(_LOSS_PX)
    points = [point(0.0, left[0])]
    for young, old in pairwise([0.0, *left]):
        points += [point(age, old - age) for age in (young, *scale.between(young, old), old)]
    end = figure(scale.at(left[-1]) * 1000)
    curve = "L".join(points)
    return [
        element("path", class_="area", d=f"M0 {foot}L{curve}L{end} {foot}Z"),
        element("path", class_="curve", d=f"M{curve}"),
        element(
            "rect",
            titled("nothing that old"),
            class_="nothing",
            x=scale.at(left[-1]) * 1000,
            width=1000 - scale.at(left[-1]) * 1000,
            height=_LOSS_PX,
        ),
    ]


def _asked(group: Group, scale: Ages, loss: Straight) -> list[str]:
    asked = [r for r in group.record["recovery"] if r["loss_s"] is not None]
    if len(asked) > 40:
        return []
    foot = _STRIP_PX + _GAP_PX + _LOSS_PX
    return [
        element(
            "circle",
            titled(f"{number(r['age_days'])} days ago: {span(r['loss_s'] or 0.0)} older"),
            class_="asked",
            cx=share(scale.at(r["age_days"])),
            cy=foot - min(loss.at(r["loss_s"] or 0.0), 1.0) * _LOSS_PX,
            r=3,
        )
        for r in asked
        if r["age_days"] <= scale.knots[-1]
    ]


def _age_axis(scale: Ages, foot_px: float) -> list[str]:
    drawn = [element("line", class_="foot", x2="100%", y1=foot_px, y2=foot_px)]
    for mark in age_marks(scale, room=0.045, narrow_room=0.12):
        x, wide = share(mark.at), " wide" if mark.minor else ""
        drawn.append(element("line", class_="tick", x1=x, x2=x, y1=foot_px, y2=foot_px + 5))
        drawn.append(label(mark.label, class_=f"under{wide}", x=x, y=foot_px + 18))
    return drawn


def series(
    name: str,
    points: Sequence[tuple[float, float]],
    scale: Straight,
    calendar: Calendar,
    *,
    title: str,
    description: str,
) -> str:
    """Return the picture of a figure over simulated time.

    Args:
        points: day and value, ascending; of many, the largest of every few is drawn.
        scale: straight, from 0 to at least the largest value.
    """
    days = max(calendar.last_day, 1.0)
    every = -(-len(points) // _POINTS_DRAWN)
    chunks = (points[start : start + every] for start in range(0, len(points), every))
    shown = [max(chunk, key=lambda point: point[1]) for chunk in chunks]
    curve = "L".join(
        f"{figure(day)} {figure(_SERIES_PX * (1 - scale.at(value)))}" for day, value in shown
    )
    foot = figure(_SERIES_PX)
    ends = f"L{figure(shown[-1][0])} {foot}L{figure(shown[0][0])} {foot}Z"
    return picture(
        name,
        *value_lines(scale.marks, _SERIES_PX, foot_px=_SERIES_PX),
        *date_axis(calendar, days, _SERIES_PX),
        plot(
            element("path", class_="area", d=f"M{curve}{ends}"),
            element("path", class_="curve", d=f"M{curve}"),
            width=days,
            height_px=_SERIES_PX,
        ),
        title=title,
        description=description,
        height_px=_SERIES_PX,
    )


def value_lines(marks: Sequence[Mark], high_px: float, *, foot_px: float) -> list[str]:
    """Return the lines across a picture that say how much a height is."""
    drawn = []
    for mark in marks:
        y = foot_px - mark.at * high_px
        drawn.append(element("line", class_="grid", x2="100%", y1=y, y2=y))
        drawn.append(label(mark.label, class_="left", x=-7, y=y + 4))
    return drawn
