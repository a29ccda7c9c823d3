"""The ledger in tables, a sentence and a picture: what was proven how many runs ago."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from verifier.monitor.render.drill import Row, Table
from verifier.monitor.render.envelope_drill import Ledger, LedgerRun, LedgerScope
from verifier.monitor.render.svg import element, label, picture, share, titled
from verifier.monitor.render.wording import count, moment, number, printable, size, span

_BAR_PX = 14
_ROW_PX = 44

LIMIT = "Chances are of damage that was there at the last look: see docs/ledger.md."
"""What every chance is conditional on."""

SCOPES_DRAWN = 60
"""How many bars a picture has before the rest is in the table alone."""


@dataclass(frozen=True, slots=True)
class Band:
    """One band of ages, from how many rounds ago to how many; its name is also a style's."""

    name: str
    title: str
    first: int | None
    last: int | None

    def holds(self, rounds: int | None) -> bool:
        """Return whether an age in rounds, None for never, lies in it."""
        if rounds is None or self.first is None:
            return rounds is None and self.first is None
        return self.first <= rounds and (self.last is None or rounds <= self.last)


def bands(within: int) -> tuple[Band, ...]:
    """Return the bands that ages are shown in, where everything is promised in so many runs."""
    middle = (within + 1) // 2
    found = [Band("age-last", "last run", 0, 0)]
    if middle > 1:
        found.append(Band("age-early", _runs(2, middle), 1, middle - 1))
    if within > 1:
        found.append(Band("age-late", _runs(middle + 1, within), middle, within - 1))
    found.append(Band("age-overdue", "more runs ago", within, None))
    return (*found, Band("age-never", "never", None, None))


def _runs(first: int, last: int) -> str:
    return f"{first} runs ago" if first == last else f"{first} to {last} runs ago"


def ledger_headline(ledger: Ledger) -> str:
    """Return how much was proven as lately as promised, and how the last run ended."""
    proven = sum(scope["proven"] for scope in ledger["scopes"])
    total = sum(scope["units"] for scope in ledger["scopes"])
    if not ledger["runs"]:
        return "no run is written down"
    last = ledger["runs"][0]
    ended = f"ended {last['verdict']}" if last["verdict"] else "is not finished"
    promise = count(_within(ledger), "run")
    return (
        f"{percent(proven, total)} of {number(total)} packs and files proven within {promise}; "
        f"run {last['number']} of {last['begun'][:10]} {ended}"
    )


def ledger_tables(ledger: Ledger) -> Iterator[Table]:
    """Yield the tables that have something to say."""
    scopes = ledger["scopes"]
    if scopes:
        yield _ages(ledger)
        yield _confidence(ledger)
    if ledger["runs"]:
        names = ("run", "begun", "took", "verdict", "repository")
        rows = tuple(_run(run) for run in ledger["runs"])
        yield Table("Last runs", (names, *rows), frozenset({0, 2}))


def percent(part: float, whole: float) -> str:
    """Write a share; what is not all never reads 100 %, nor what is something 0 %."""
    if not part or not whole:
        return "0 %"
    tenths = math.floor(part / whole * 1_000)
    if part == whole or tenths == 1_000:
        return "100 %" if part == whole else "99.9 %"
    return f"{tenths / 10:g} %" if tenths else "<0.1 %"


def scope_name(ledger: Ledger, scope: LedgerScope) -> str:
    """Return what a scope is called; with its repository where there are several."""
    name = f"{scope['name']} {scope['unit']}".lstrip()
    several = len({other["repository"] for other in ledger["scopes"]}) > 1
    return printable(f"{name} ({scope['repository'][:8]})" if several else name)


def _within(ledger: Ledger) -> int:
    return max((scope["within"] for scope in ledger["scopes"]), default=1)


def _parts(scope: LedgerScope, shown: Sequence[Band]) -> list[tuple[int, int]]:
    """Return of each band how many units, and bytes, lie in it."""
    return [
        (
            sum(age["units"] for age in scope["ages"] if band.holds(age["rounds"])),
            sum(age["bytes"] for age in scope["ages"] if band.holds(age["rounds"])),
        )
        for band in shown
    ]


def _ages(ledger: Ledger) -> Table:
    shown = bands(_within(ledger))
    names = ("", "content", *(band.title.removesuffix(" runs ago") for band in shown))
    rows = [
        (
            scope_name(ledger, scope),
            size(scope["bytes"]),
            *(_share(*part, scope) for part in _parts(scope, shown)),
        )
        for scope in ledger["scopes"]
    ]
    title = "Last proven how many runs ago, by bytes"
    return Table(title, (names, *rows), frozenset(range(1, len(names))))


def _share(units: int, size_bytes: int, scope: LedgerScope) -> str:
    if not units:
        return "-"
    # Files may be empty: then it is their number that counts.
    return percent(size_bytes, scope["bytes"]) if size_bytes else percent(units, scope["units"])


def _confidence(ledger: Ledger) -> Table:
    scopes = ledger["scopes"]
    parts = list(scopes[0]["confidence"]["chances"])
    levels = list(scopes[0]["confidence"]["least"])
    names = (
        "",
        "proven",
        "of",
        *(f"if {float(part) * 100:g} %" for part in parts),
        *(f"{float(level) * 100:g} % from" for level in levels),
    )
    rows = [
        (
            scope_name(ledger, scope),
            number(scope["proven"]),
            number(scope["units"]),
            *(_chance(scope["confidence"]["chances"][part]) for part in parts),
            *(_least(scope["confidence"]["least"][level]) for level in levels),
        )
        for scope in scopes
    ]
    title = "How likely damage would have been met, and from how many units on"
    return Table(title, (names, *rows), frozenset(range(1, len(names))))


def _chance(probability: float) -> str:
    return ">99.9 %" if 0.999 < probability < 1 else percent(probability, 1)


def _least(units: int | None) -> str:
    return "never" if units is None else number(units)


def _run(run: LedgerRun) -> Row:
    took = ""
    if run["finished"]:
        passed = datetime.fromisoformat(run["finished"]) - datetime.fromisoformat(run["begun"])
        took = span(passed.total_seconds())
    return (
        number(run["number"]),
        printable(moment(run["begun"])),
        took,
        printable(run["verdict"] or "not finished"),
        printable(run["repository"][:8]),
    )


@dataclass(frozen=True, slots=True)
class Bars:
    """The picture of a ledger with its legend: style and title of each band that is in it."""

    picture: str
    legend: tuple[Band, ...]
    more: int


def ledger_bars(ledger: Ledger) -> Bars | None:
    """Return the picture of what was proven how many runs ago: a bar a scope; None for nothing."""
    scopes = [scope for scope in ledger["scopes"] if scope["units"]]
    if not scopes:
        return None
    shown = bands(_within(ledger))
    drawn = scopes[:SCOPES_DRAWN]
    seen = [any(_parts(scope, [band])[0][0] for scope in drawn) for band in shown]
    svg = picture(
        "ledger",
        *(
            mark
            for place, scope in enumerate(drawn)
            for mark in _bar(ledger, scope, shown, top_px=place * _ROW_PX)
        ),
        title="Content by how many runs ago it was proven",
        description="; ".join(_told(ledger, scope, shown) for scope in drawn),
        height_px=len(drawn) * _ROW_PX,
    )
    legend = tuple(band for band, there in zip(shown, seen, strict=True) if there)
    return Bars(svg, legend, len(scopes) - len(drawn))


def _bar(
    ledger: Ledger, scope: LedgerScope, shown: Sequence[Band], *, top_px: float
) -> Iterator[str]:
    name = scope_name(ledger, scope)
    yield label(name, x=0, y=top_px + 14)
    told = f"{size(scope['bytes'])}, {number(scope['units'])} {scope['unit']}"
    yield label(told, class_="left", x="100%", y=top_px + 14)
    at = 0.0
    for band, part in zip(shown, _parts(scope, shown), strict=True):
        if part[0]:
            width = _width(part, scope)
            yield element(
                "rect",
                titled(f"{name}, {band.title}: {_share(*part, scope)}, {size(part[1])}"),
                class_=band.name,
                x=share(at),
                y=top_px + 21,
                width=share(width),
                height=_BAR_PX,
            )
            at += width


def _width(part: tuple[int, int], scope: LedgerScope) -> float:
    return part[1] / scope["bytes"] if scope["bytes"] else part[0] / scope["units"]


def _told(ledger: Ledger, scope: LedgerScope, shown: Sequence[Band]) -> str:
    parts = zip(shown, _parts(scope, shown), strict=True)
    told = [f"{band.title} {_share(*part, scope)}" for band, part in parts if part[0]]
    return f"{scope_name(ledger, scope)}: {', '.join(told)}"
