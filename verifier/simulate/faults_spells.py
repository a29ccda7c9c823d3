"""What is wrong for some days: how it begins and is over, however many spells of it there are.

What something is to be on a day follows from all that is said of it, never from what was done the
day before: spells that meet or overlap are one, in whatever order they are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, TypeVar

from verifier.config.table import Spell

_State = TypeVar("_State")


@dataclass(slots=True)
class Condition(Generic[_State]):
    """One thing that goes wrong by the day; days come in order.

    Attributes:
        wanted: what it is to be on a day.
        become: make it so.
        first: what it is before anything is done.
        machine: on which it is; empty where it is on none.
        lapses: a start of the machine makes it what it was at first.
    """

    wanted: Callable[[date], _State]
    become: Callable[[_State], object]
    first: _State
    machine: str = ""
    lapses: bool = False
    _now: _State = field(init=False)

    def __post_init__(self) -> None:
        """Be as at first."""
        self._now = self.first

    def turn(self, day: date) -> None:
        """Be as it is on this day."""
        wanted = self.wanted(day)
        if wanted != self._now:
            self.become(wanted)
            self._now = wanted

    def turn_started(self, day: date) -> None:
        """Be as it is on this day; the machine has just been started."""
        if self.lapses:
            self._now = self.first
        self.turn(day)


def is_on(day: date, spells: Iterable[Spell]) -> bool:
    """Say whether a day is one of some spells."""
    return any(spell.from_ <= day <= spell.to for spell in spells)


def during(
    spells: Iterable[Spell],
    begin: Callable[[], object],
    end: Callable[[], object],
    machine: str = "",
    *,
    lapses: bool = False,
) -> Condition[bool]:
    """Return what is so on the days of all of these spells, and on no others.

    Args:
        begin, end: make it so, and put it right again.
    """
    known = tuple(spells)
    return Condition(
        lambda day: is_on(day, known),
        lambda wrong: begin() if wrong else end(),
        False,
        machine,
        lapses,
    )


def for_good(first: date, begin: Callable[[], object], machine: str = "") -> Condition[bool]:
    """Return what begins on a day and is not put right."""
    return Condition(lambda day: first <= day, lambda _: begin(), False, machine)
