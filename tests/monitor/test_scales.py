"""Scales hold what they are made for, and labels keep out of each other's way."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.monitor.render.scales import age_marks, ages, date_marks, sizes, spans

DAYS = st.floats(min_value=0, max_value=40_000, allow_nan=False)


@given(oldest=DAYS, young=DAYS, more=DAYS)
def test_older_never_lies_before_younger(oldest: float, young: float, more: float) -> None:
    scale = ages(oldest)

    assert 0 <= scale.at(young) <= scale.at(young + more) <= 1


@given(oldest=DAYS)
def test_scale_of_ages_runs_from_end_to_end(oldest: float) -> None:
    scale = ages(oldest)

    assert scale.at(0) == 0
    assert scale.at(scale.knots[-1]) == pytest.approx(1)


@pytest.mark.parametrize("oldest", [1, 20, 44, 46, 100, 400, 460, 1000, 3650, 20_000])
def test_days_stay_legible_beside_years(oldest: float) -> None:
    scale = ages(oldest)

    assert scale.at(30) >= 0.25


@given(oldest=DAYS)
def test_labels_of_ages_keep_their_distance(oldest: float) -> None:
    marks = age_marks(ages(oldest), room=0.05, narrow_room=0.12)
    broad = [mark for mark in marks if not mark.minor]

    assert all(right.at - left.at >= 0.05 for left, right in pairwise(marks))
    assert all(right.at - left.at >= 0.12 for left, right in pairwise(broad))
    assert marks[0].label == "now"


def test_months_are_labelled_and_years_under_them() -> None:
    marks = date_marks(date(2024, 1, 1), 399)

    assert [mark.label for mark in marks[:3]] == ["Jan", "Feb", "Mar"]
    assert [(mark.label, mark.below) for mark in marks if mark.below] == [
        ("Jan", "2024"),
        ("Jan", "2025"),
    ]


def test_ten_years_are_labelled_by_years() -> None:
    marks = date_marks(date(2024, 3, 15), 3650)

    assert [mark.label for mark in marks] == [str(year) for year in range(2025, 2035)]


@given(
    days=st.floats(min_value=1, max_value=40_000),
    first=st.dates(date(2000, 1, 1), date(2050, 1, 1)),
)
def test_dates_lie_on_the_scale_and_are_few(days: float, first: date) -> None:
    marks = date_marks(first, days)

    assert all(0 <= mark.at <= 1 for mark in marks)
    assert len(marks) <= 15
    assert sum(not mark.minor for mark in marks) <= 5


@given(most=st.floats(min_value=0.001, max_value=1e15))
def test_straight_scales_reach_their_most(most: float) -> None:
    for scale in (spans(min(most, 1e9)), sizes(most)):
        assert scale.at(min(most, scale.top)) <= 1
        assert scale.top >= min(most, 1e9)
        assert 2 <= len(scale.marks) <= 7
        assert len({mark.label for mark in scale.marks}) == len(scale.marks)
