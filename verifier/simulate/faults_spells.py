"""Spells of trouble: how something that is wrong for some days begins, and how it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date


@dataclass(slots=True)
class Spell:
    """Something that is wrong from one day to another, both included.

    Attributes:
        begin, end: make it so, and put it right again.
    """

    first: date
    last: date
    begin: Callable[[], object]
    end: Callable[[], object]
    _is_on: bool = False

    def turn(self, day: date) -> None:
        """Be as it is on this day; days come in order."""
        wanted = self.first <= day <= self.last
        if wanted and not self._is_on:
            self.begin()
        elif self._is_on and not wanted:
            self.end()
        self._is_on = wanted


def for_good(first: date, begin: Callable[[], object]) -> Spell:
    """Return what begins on a day and is not put right."""
    return Spell(first, date.max, begin, lambda: None)
