"""A row of small cells, one a day: what happened to a host on each of the last days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from verifier.monitor.dashboard.terms import Schedule
from verifier.monitor.render.svg import element, titled
from verifier.monitor.render.wording import count
from verifier.monitor.telemetry import BackupRun

DAYS = 30
"""How many days a row has."""

_CELL_PX = 5
_STEP_PX = 6
_HEIGHT_PX = 18
_WORDS = {
    "good": "backed up",
    "failed": "failed",
    "missed": "no backup",
    "waiting": "not due yet",
}
_INSET_PX = {"good": 3, "failed": 0, "missed": 7, "waiting": 8}
"""A failure is taller and a day without a backup lower, so that both are seen without colours."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One day; its state is a key of `_WORDS`, and a style's name."""

    day: date
    state: str


def cells(
    runs: Iterable[BackupRun], fired: Sequence[datetime], schedule: Schedule, now: datetime
) -> tuple[Cell, ...]:
    """Return the last days of one host, today last; a day on which nothing was due is left out.

    Args:
        runs: of the host.
        fired: when backups were due in these days.
    """
    today = schedule.day(now)
    happened: dict[date, bool] = {}
    for run in runs:
        day = schedule.day(run.began_at)
        happened[day] = happened.get(day, False) or run.succeeded
    due = {schedule.day(at) for at in fired if at <= now}
    found = []
    for back in reversed(range(DAYS)):
        day = today - timedelta(days=back)
        if day in happened:
            found.append(Cell(day, "good" if happened[day] else "failed"))
        elif day in due:
            found.append(Cell(day, "missed"))
        elif day == today:
            found.append(Cell(day, "waiting"))
    return tuple(found)


def tally(shown: Sequence[Cell]) -> Mapping[str, int]:
    """Return how many days were in each state."""
    states = [cell.state for cell in shown]
    return {state: states.count(state) for state in _WORDS if state in states}


def days_picture(host: str, shown: Sequence[Cell]) -> str:
    """Return the row as a picture of a fixed size, told in words."""
    told = ", ".join(f"{count(n, 'day')} {_WORDS[state]}" for state, n in tally(shown).items())
    odd = [(place, cell) for place, cell in enumerate(shown) if cell.state != "good"]
    return element(
        "svg",
        titled(f"{host}: {told or 'nothing is known'}"),
        *_good_days(shown),
        *(_column(place, cell) for place, cell in odd),
        class_="days",
        role="img",
        width=max(len(shown), 1) * _STEP_PX,
        height=_HEIGHT_PX,
    )


def _good_days(shown: Sequence[Cell]) -> Iterator[str]:
    # One path: there are thousands of them on a page of many hosts.
    top, high = _INSET_PX["good"], _HEIGHT_PX - 2 * _INSET_PX["good"]
    places = [place for place, cell in enumerate(shown) if cell.state == "good"]
    if places:
        bars = "".join(
            f"M{place * _STEP_PX} {top}h{_CELL_PX}v{high}h-{_CELL_PX}z" for place in places
        )
        yield element("path", class_="day good", d=bars)


def _column(place: int, cell: Cell) -> str:
    top = _INSET_PX[cell.state]
    return element(
        "rect",
        titled(f"{cell.day}: {_WORDS[cell.state]}"),
        class_=f"day {cell.state}",
        x=place * _STEP_PX,
        y=top,
        width=_CELL_PX,
        height=_HEIGHT_PX - 2 * top,
        rx=1,
    )
