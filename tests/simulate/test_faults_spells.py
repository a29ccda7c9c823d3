"""What is wrong for some days is so on each of them and on no other, however it is listed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.config.scenario_faults import Faults, LinkSlow
from verifier.config.table import Spell
from verifier.simulate.faults_fleet import slowest_on
from verifier.simulate.faults_offsite import store_on
from verifier.simulate.faults_spells import Condition, during, for_good

DAYS = [date(2024, 1, number) for number in range(1, 13)]

numbers = st.integers(0, len(DAYS) - 1)
spells = st.lists(st.tuples(numbers, numbers).map(sorted), max_size=5)


def spell(first: int, last: int) -> Spell:
    return Spell.model_validate({"from": DAYS[first], "to": DAYS[last]})


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (1, 3, ["", "begin", "", "", "end", ""]),
        (2, 2, ["", "", "begin", "end", "", ""]),
        (0, 5, ["begin", "", "", "", "", ""]),
    ],
)
def test_spell_lasts_from_its_first_day_to_its_last(first: int, last: int, told: list[str]) -> None:
    said: list[str] = []
    condition = during(
        [spell(first, last)], lambda: said.append("begin"), lambda: said.append("end")
    )
    found = []
    for day in DAYS[:6]:
        said.clear()
        condition.turn(day)
        found.append(" ".join(said))

    assert told == found


@given(listed=spells, with_cycle=st.sets(numbers), started=st.sets(numbers))
def test_spells_that_meet_or_overlap_are_one(
    listed: list[list[int]], with_cycle: set[int], started: set[int]
) -> None:
    """Goal: it is wrong on the days of any of them, in whatever order they stand.

    Method: cycles on some days only; on some a start of the machine undoes it. It is never begun
    twice and never put right twice. Seen red with one condition a spell.
    """
    state = [False]

    def become(wrong: bool) -> None:
        assert [not wrong] == state
        state[0] = wrong

    condition = during(
        [spell(*days) for days in listed],
        lambda: become(True),
        lambda: become(False),
        "web1",
        lapses=True,
    )
    for number in sorted(with_cycle):
        condition.turn(DAYS[number])
        if number in started:
            state[0] = False
            condition.turn_started(DAYS[number])

        assert [any(first <= number <= last for first, last in listed)] == state


def test_what_a_start_does_not_undo_is_not_done_again() -> None:
    said: list[str] = []
    condition = during([spell(0, 3)], lambda: said.append("begin"), lambda: None, "web1")
    condition.turn(DAYS[1])
    condition.turn_started(DAYS[1])

    assert ["begin"] == said


def test_condition_becomes_what_it_is_on_the_day() -> None:
    said: list[int] = []
    condition = Condition(lambda day: day.day // 4, said.append, 0)
    for day in DAYS:
        condition.turn(day)

    assert [1, 2, 3] == said


def test_what_is_for_good_is_never_put_right() -> None:
    said: list[str] = []
    condition = for_good(DAYS[2], lambda: said.append("begin"))
    for day in DAYS:
        condition.turn(day)

    assert ["begin"] == said


def slow(first: int, last: int, kbit: int) -> LinkSlow:
    table = {"host": "web1", "from": DAYS[first], "to": DAYS[last], "kbit": kbit}
    return LinkSlow.model_validate(table)


def test_line_that_is_slow_twice_carries_the_less() -> None:
    faults = [slow(3, 5, 64), slow(1, 3, 32)]

    assert [None, 32, 32, 32, 64, 64, None] == [slowest_on(faults, day) for day in DAYS[:7]]


def test_store_that_cannot_be_reached_refuses_nobody() -> None:
    first, last, days = DAYS[1], DAYS[2], timedelta(days=1)
    faults = Faults.model_validate(
        {
            "offsite-unreachable": [{"from": first, "to": last}],
            "offsite-refused": [{"from": last, "to": last + days}],
        }
    )
    states = ["there", "unreachable", "unreachable", "refusing", "there"]

    assert states == [store_on(day, faults) for day in DAYS[:5]]
