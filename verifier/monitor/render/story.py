"""The page of a simulated timeline as values: what its template writes down, in its order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from verifier.monitor.render.charts import (
    LINES_DRAWN,
    Swatch,
    fall_scale,
    legend,
    longest,
    restore_points,
    series,
    waterfall,
)
from verifier.monitor.render.envelope import GroupRecord, Kept, Timeline
from verifier.monitor.render.lives import Calendar, Group, calendar_of, follow, held_by, members
from verifier.monitor.render.scales import sizes, spans
from verifier.monitor.render.summary import agreement_sentence
from verifier.monitor.render.wording import DAY_S, count, group_name, number, size, span

GROUPS_DRAWN = 12
"""How many groups get pictures; tables hold all of them."""

ROWS = 5_000
"""How many rows the tables of one page hold in all."""


@dataclass(frozen=True, slots=True)
class Promise:
    """An invariant: `state` is holds, broken or unchecked."""

    state: str
    stated: str
    checks: str


@dataclass(frozen=True, slots=True)
class Survivor:
    """A row of a survivor table, written out."""

    time: str
    age: str
    reasons: str
    rule: str
    host: str
    paths: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is drawn of a group; `remarks` say how to read it and what it leaves out."""

    legend: tuple[Swatch, ...]
    waterfall: str
    restore_points: str
    remarks: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """One group: its figures, its pictures if it gets any, its tables.

    `mixed` is true where its snapshots may differ in host or paths.
    """

    name: str
    figures: str
    missed: str
    pictures: Pictures | None
    recovery: tuple[tuple[str, str], ...]
    survivors: tuple[Survivor, ...]
    more: int
    mixed: bool


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over time and its picture."""

    title: str
    sentence: str
    picture: str


@dataclass(frozen=True, slots=True)
class Story:
    """The whole timeline."""

    tiles: tuple[tuple[str, str], ...]
    agreement: str
    agreed: bool | None
    promises: tuple[Promise, ...]
    chapters: tuple[Chapter, ...]
    drawn: str
    series: tuple[Series, ...]


def tell(timeline: Timeline) -> Story:
    """Turn a timeline into its story."""
    calendar = calendar_of(timeline)
    groups = _drawable(follow(timeline, GROUPS_DRAWN))
    agreement = timeline["agreement"]
    whole = len(timeline["groups"])
    return Story(
        tiles=_tiles(timeline),
        agreement=agreement_sentence(timeline),
        agreed=agreement and 0 < agreement["decisions"] == agreement["agreed"],
        promises=tuple(_promises(timeline)),
        chapters=tuple(_chapters(timeline, groups, calendar)),
        drawn=(
            f"Pictures are drawn of the first {number(len(groups))} of {number(whole)} groups; "
            "the tables hold all of them."
            if len(groups) < whole
            else ""
        ),
        series=tuple(_series(timeline, calendar)),
    )


def _drawable(groups: Sequence[Group]) -> tuple[Group, ...]:
    lines, chosen = 0, 0
    for group in groups:
        lines += len(group.lives)
        if lines > LINES_DRAWN and chosen:
            break
        chosen += 1
    return tuple(groups[:chosen])


def _tiles(timeline: Timeline) -> tuple[tuple[str, str], ...]:
    steps = timeline["steps"]
    gaps = [g["worst_gap_s"] for g in timeline["groups"] if g["worst_gap_s"] is not None]
    missed = sum(len(step["missed"]) for step in steps)
    tiles = [
        ("days simulated", number(timeline["days"])),
        ("snapshots made", number(timeline["created"])),
        ("removed", number(sum(len(step["removed"]) for step in steps))),
        ("survive", number(len(timeline["survivors"]))),
        ("backups missed", number(missed)),
        ("longest backup gap", span(max(gaps)) if gaps else "unknown"),
    ]
    return tuple(tiles)


def _promises(timeline: Timeline) -> Iterator[Promise]:
    for promise in timeline["invariants"]:
        checked, violated = promise["checked"], promise["violated"]
        if checked == 0:
            yield Promise("unchecked", promise["stated"], "never checked: nothing is known of it")
        elif violated:
            checks = f"{number(violated)} of {count(checked, 'check')} failed"
            yield Promise("broken", promise["stated"], checks)
        else:
            yield Promise("holds", promise["stated"], f"{count(checked, 'check')}, no violation")


def _chapters(timeline: Timeline, drawn: Sequence[Group], calendar: Calendar) -> Iterator[Chapter]:
    room = ROWS
    for place, (record, survivors) in enumerate(
        zip(timeline["groups"], members(timeline), strict=True)
    ):
        group = drawn[place] if place < len(drawn) else None
        rows = survivors[:room]
        room -= len(rows)
        yield Chapter(
            name=group_name(record["host"], record["paths"]),
            figures=_figures(record),
            missed=_missed_sentence(group),
            pictures=_pictures(f"group{place}", group, calendar) if group else None,
            recovery=tuple(_recovery(record)),
            survivors=tuple(_survivor(snapshot, calendar) for snapshot in rows),
            more=len(survivors) - len(rows),
            mixed=not (record["host"] and record["paths"]),
        )


def _figures(record: GroupRecord) -> str:
    bound = "without a bound" if record["bound"] is None else f"at most {number(record['bound'])}"
    parts = [f"{count(record['survivors'], 'restore point')} ({bound})"]
    if record["worst_gap_s"] is not None:
        parts.append(f"never longer than {span(record['worst_gap_s'])} without a backup")
    return ", ".join(parts)


def _missed_sentence(group: Group | None) -> str:
    if group is None or not group.missed:
        return ""
    return f"{count(group.unmade, 'backup')} missed in {count(len(group.missed), 'outage')}."


def _pictures(name: str, group: Group, calendar: Calendar) -> Pictures | None:
    if calendar.last_day < 1:
        # A single instant has no course to draw.
        return None
    lives = longest(group.lives, LINES_DRAWN)
    missing = len(group.lives) - len(lives)
    remarks = ["Ages are drawn closer below each dotted line."] * (len(fall_scale(lives).knots) > 2)
    if missing:
        remarks.append(f"{count(missing, 'snapshot')} that went soonest have no line.")
    return Pictures(
        legend=legend(lives),
        waterfall=waterfall(f"{name}-lives", group, lives, calendar),
        restore_points=(restore_points(f"{name}-points", group) if group.survivors else ""),
        remarks=" ".join(remarks),
    )


def _recovery(record: GroupRecord) -> Iterator[tuple[str, str]]:
    for point in record["recovery"]:
        loss = point["loss_s"]
        answer = "nothing that old" if loss is None else "exactly then" if not loss else span(loss)
        yield span(point["age_days"] * DAY_S), answer


def _survivor(snapshot: Kept, calendar: Calendar) -> Survivor:
    age_days = calendar.last_day - calendar.day(snapshot["time"])
    return Survivor(
        time=snapshot["time"],
        age=f"{age_days:.0f}" if age_days >= 0 else "in the future",
        # The column reads "kept as": daily, weekly.
        reasons=", ".join(reason.removesuffix(" snapshot") for reason in snapshot["reasons"]),
        rule=held_by(snapshot["reasons"]),
        host=snapshot["host"],
        paths=", ".join(snapshot["paths"]),
    )


def _series(timeline: Timeline, calendar: Calendar) -> Iterator[Series]:
    known = [(calendar.day(step["time"]), step) for step in timeline["steps"]]
    held = [(day, float(b)) for day, s in known if (b := s["repository_bytes"]) is not None]
    if held:
        most = max(value for _, value in held)
        sentence = f"{size(held[-1][1])} at the end, {size(most)} at most."
        title = "Size of the repository after each cycle"
        drawn = series("size", held, sizes(most), calendar, title=title, description=sentence)
        yield Series(title, sentence, drawn)
    lasted = [(day, d) for day, s in known if (d := s["duration_s"]) is not None]
    if lasted:
        most = max(value for _, value in lasted)
        mean = sum(value for _, value in lasted) / len(lasted)
        sentence = f"{span(mean)} on average, {span(most)} at most, in real time."
        title = "Duration of each cycle"
        drawn = series("duration", lasted, spans(most), calendar, title=title, description=sentence)
        yield Series(title, sentence, drawn)
