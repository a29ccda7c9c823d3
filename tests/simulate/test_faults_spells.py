"""A spell of trouble begins once, is over once, and only on its days."""

from __future__ import annotations

from datetime import date

import pytest

from verifier.simulate.faults_spells import Spell, for_good

DAYS = [date(2024, 1, number) for number in range(1, 7)]


def turned(first: int, last: int) -> list[str]:
    """Return what happens on each of six days to a spell of some of them."""
    said: list[str] = []
    spell = Spell(DAYS[first], DAYS[last], lambda: said.append("begin"), lambda: said.append("end"))
    told = []
    for day in DAYS:
        said.clear()
        spell.turn(day)
        told.append(" ".join(said))
    return told


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (1, 3, ["", "begin", "", "", "end", ""]),
        (2, 2, ["", "", "begin", "end", "", ""]),
        (0, 5, ["begin", "", "", "", "", ""]),
    ],
)
def test_spell_lasts_from_its_first_day_to_its_last(first: int, last: int, told: list[str]) -> None:
    assert told == turned(first, last)


def test_what_is_for_good_is_never_put_right() -> None:
    said: list[str] = []
    spell = for_good(DAYS[2], lambda: said.append("begin"))
    for day in DAYS:
        spell.turn(day)

    assert ["begin"] == said
