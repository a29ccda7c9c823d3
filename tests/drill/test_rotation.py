"""The rotation keeps its promise, whatever comes and goes, or says that the budget does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.drill.rotation import (
    Chosen,
    Cut,
    Rotation,
    Shortfall,
    Survey,
    Tally,
    choose_packs,
)

Units = Mapping[str, int]
"""Pack ID -> size in bytes."""


def pack(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def packs(count: int, size_bytes: int = 10) -> dict[str, int]:
    return {pack(number): size_bytes for number in range(count)}


def choose(units: Units, history: Units, rotation: Rotation) -> Chosen:
    return choose_packs(units.items(), history, rotation)


def stream(units: Units, history: Units, rotation: Rotation) -> Chosen:
    """Choose the same way as files are: first a survey, and then one by one."""
    cut = surveyed(units, history, rotation)
    chosen = [
        name
        for name, size in sorted(units.items())
        if cut.chooses(history.get(name, 0), bytes.fromhex(name), size)
    ]
    return Chosen(tuple(chosen), sum(units[name] for name in chosen), cut.shortfall)


def surveyed(units: Units, history: Units, rotation: Rotation) -> Cut:
    survey = Survey(rotation)
    for name, size in units.items():
        survey.add(history.get(name, 0), bytes.fromhex(name), size)
    return survey.cut()


@pytest.fixture(params=[choose, stream])
def chosen_by(request: pytest.FixtureRequest) -> Callable[[Units, Units, Rotation], Chosen]:
    return request.param  # type: ignore[no-any-return]


# The laws.

SIZES = st.one_of(st.integers(0, 20), st.integers(0, 5_000))
CHURN = st.lists(st.tuples(st.sets(st.integers(0, 25)), st.sets(st.integers(0, 25))), max_size=30)
"""Round by round: which units come, and which of those that are there go."""


@given(
    within=st.integers(1, 5),
    sizes=st.lists(SIZES, min_size=26, max_size=26),
    churn=CHURN,
    budgets=st.lists(st.one_of(st.none(), st.integers(0, 20_000)), min_size=30, max_size=30),
    streamed=st.booleans(),
)
def test_everything_is_proven_within_the_promise(
    within: int,
    sizes: list[int],
    churn: list[tuple[set[int], set[int]]],
    budgets: list[int | None],
    streamed: bool,
) -> None:
    """Whatever was there in `within` rounds, none of them short, was proven in one of them."""
    units: dict[str, int] = {}
    history: dict[str, int] = {}
    there: dict[str, int] = {}
    good = 0
    for number, (coming, going) in enumerate(churn, start=1):
        units |= {pack(n): sizes[n] for n in coming}
        units = {name: size for name, size in units.items() if name not in map(pack, going)}
        there = {name: there.get(name, 0) + 1 for name in units}
        # A unit that went and came back may have been proven long ago, or be forgotten.
        rotation = Rotation(number, within, seed=number, budget_bytes=budgets[number - 1])
        chosen = (stream if streamed else choose)(units, history, rotation)
        good = 0 if chosen.shortfall else good + 1
        history |= dict.fromkeys(chosen.packs, number)
        for name in units:
            if min(there[name], good) >= within:
                assert number - history.get(name, 0) < within


@given(
    sizes=st.lists(SIZES, max_size=40),
    ages=st.lists(st.integers(0, 9), min_size=40, max_size=40),
    budget_bytes=st.one_of(st.none(), st.integers(0, 20_000)),
    within=st.integers(1, 12),
    streamed=st.booleans(),
)
def test_choice_keeps_budget_and_tells_the_truth(
    sizes: list[int], ages: list[int], budget_bytes: int | None, within: int, streamed: bool
) -> None:
    units = {pack(number): size for number, size in enumerate(sizes)}
    history = {name: age for name, age in zip(units, ages, strict=False) if age}
    rotation = Rotation(10, within, 3, budget_bytes)
    due = {n for n in units if rotation.is_due(history.get(n, 0), bytes.fromhex(n))}
    needed_bytes = sum(units[name] for name in due)
    chosen = (stream if streamed else choose)(units, history, rotation)

    assert sum(units[name] for name in chosen.packs) == chosen.size_bytes
    assert len(set(chosen.packs)) == len(chosen.packs)
    assert budget_bytes is None or chosen.size_bytes <= budget_bytes
    assert (chosen.shortfall is None) == (budget_bytes is None or needed_bytes <= budget_bytes)
    if chosen.shortfall is None:
        assert due <= set(chosen.packs)
        assert budget_bytes is not None or due == set(chosen.packs)
    else:
        assert (needed_bytes, budget_bytes) == (
            chosen.shortfall.needed_bytes,
            chosen.shortfall.allowed_bytes,
        )
    assert chosen == (stream if streamed else choose)(units, history, rotation)


@given(st.integers(1, 40), st.binary(min_size=8, max_size=32), st.integers(1, 10_000))
def test_never_proven_is_due_once_in_any_window(within: int, key: bytes, first: int) -> None:
    rounds = range(first, first + within)

    assert 1 == sum(Rotation(number, within, 1).is_due(0, key) for number in rounds)


@given(
    first=st.integers(0, 60),
    second=st.integers(0, 60),
    budget_bytes=st.integers(0, 600),
    seed=st.integers(0, (1 << 63) - 1),
)
def test_never_proven_comes_first_and_then_the_oldest(
    first: int, second: int, budget_bytes: int, seed: int
) -> None:
    """Of equal units that are not due, none is chosen before one that waits longer."""
    units = packs(60)
    history = {pack(n): 9 - (n > first) for n in range(60) if n > min(first, second)}
    rotation = Rotation(10, 1_000_000, seed, budget_bytes)
    chosen = set(choose(units, history, rotation).packs)
    taken = [history.get(name, 0) for name in chosen]
    left = [history.get(name, 0) for name in units if name not in chosen]

    assert not taken or not left or max(taken) <= min(left)


# What it does with budgets.


def test_without_a_budget_the_due_alone_are_chosen(
    chosen_by: Callable[[Units, Units, Rotation], Chosen],
) -> None:
    units = packs(1_200)
    chosen = chosen_by(units, {}, Rotation(1, 12, 1))

    assert 60 < len(chosen.packs) < 140


def test_within_one_round_is_everything(
    chosen_by: Callable[[Units, Units, Rotation], Chosen],
) -> None:
    units = packs(30)

    assert (
        tuple(sorted(units)) == chosen_by(units, dict.fromkeys(units, 4), Rotation(5, 1, 1)).packs
    )


def test_budget_is_used_up(chosen_by: Callable[[Units, Units, Rotation], Chosen]) -> None:
    chosen = chosen_by(packs(1_000), {}, Rotation(1, 12, 1, 5_000))

    assert 4_990 <= chosen.size_bytes <= 5_000


@pytest.mark.parametrize("seed", range(8))
def test_one_giant_keeps_nobody_else_waiting(
    chosen_by: Callable[[Units, Units, Rotation], Chosen], seed: int
) -> None:
    units = {**packs(20_000), pack(-1): 1 << 40}
    history = dict.fromkeys(units, 9)
    chosen = chosen_by(units, history, Rotation(10, 12, seed, 100_000))

    assert pack(-1) not in chosen.packs
    assert chosen.size_bytes > 99_000


def test_tiny_budget_of_a_huge_repository_is_used() -> None:
    """Where even a thousandth of the files is more than may be read, single ones are."""
    chosen = stream(packs(40_000), {}, Rotation(1, 1_000_000, 1, 100))

    assert 100 == chosen.size_bytes


def test_shortfall_says_when_all_is_done(
    chosen_by: Callable[[Units, Units, Rotation], Chosen],
) -> None:
    units = packs(100)
    chosen = chosen_by(units, {}, Rotation(1, 1, 1, 300))

    assert Shortfall(1_000, 300, 4) == chosen.shortfall
    assert 300 == chosen.size_bytes


def test_unit_above_the_budget_is_never_proven(
    chosen_by: Callable[[Units, Units, Rotation], Chosen],
) -> None:
    units = {**packs(3), pack(-1): 1_000}
    chosen = chosen_by(units, {}, Rotation(1, 1, 1, 300))

    assert Shortfall(1_030, 300, None) == chosen.shortfall
    assert tuple(sorted(packs(3))) == chosen.packs


def test_insufficient_budget_reaches_everything_in_the_end(
    chosen_by: Callable[[Units, Units, Rotation], Chosen],
) -> None:
    units, history = packs(90), dict[str, int]()
    for number in range(1, 12):
        chosen = chosen_by(units, history, Rotation(number, 2, number, 100))
        history |= dict.fromkeys(chosen.packs, number)

    assert units.keys() == history.keys()


def test_load_is_even_over_the_first_rounds() -> None:
    units, history = packs(1_200), dict[str, int]()
    loads = []
    for number in range(1, 37):
        chosen = choose(units, history, Rotation(number, 12, number))
        history |= dict.fromkeys(chosen.packs, number)
        loads.append(len(chosen.packs))

    assert max(loads) < 140
    assert loads[:12] == loads[12:24] == loads[24:]


def test_always_is_chosen_before_what_is_due() -> None:
    units = packs(30)
    wanted = pack(7)
    rotation = Rotation(5, 4, 1, 50)
    history = dict.fromkeys(units, 1) | {wanted: 4}
    chosen = choose_packs(units.items(), history, rotation, always={wanted})

    assert wanted in chosen.packs
    assert chosen.shortfall is not None
    assert 300 == chosen.shortfall.needed_bytes


def test_always_is_chosen_of_files_too() -> None:
    rotation, key = Rotation(5, 4, 1, 10), bytes.fromhex(pack(1))
    survey = Survey(rotation)
    survey.add(1, bytes.fromhex(pack(2)), 10)
    survey.add(4, key, 10, always=True)

    assert survey.cut().chooses(4, key, 10, always=True)


def test_seed_decides_among_equals(chosen_by: Callable[[Units, Units, Rotation], Chosen]) -> None:
    units, rotation = packs(100), Rotation(9, 12, 1, 200)
    history = dict.fromkeys(units, 8)
    choices = {chosen_by(units, history, replace(rotation, seed=n)).packs for n in range(5)}

    assert 5 == len(choices)


def test_tally_counts_what_is_held() -> None:
    tally = Tally()
    for last, size_bytes in ((0, 5), (0, 7), (3, 11)):
        tally.add(last, size_bytes)
    tally.prove(0, 4, 7)
    tally.prove(3, 4, 11)

    assert {0: (1, 5), 4: (2, 18)} == tally.held()
