"""Unusual changes are told, ordinary ones are not, and what is ordinary a group's history says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.core.snapshot import Snapshot
from verifier.retention.anomalies import Change, check_changes, is_scrambled

START = datetime(2024, 3, 1, 4, tzinfo=UTC)
LONG_AGO = START - timedelta(days=1)


def at(day: int) -> Snapshot:
    return Snapshot(f"{day:064x}", START + timedelta(days=day), "web1", ("/srv",))


def change(day: int = 1, since: int | None = None, **counts: int) -> Change:
    """A change of 1,000 files of 10 kB each, none of them touched, but for what is given."""
    usual = {
        "files_before": 1_000,
        "files_after": 1_000,
        "bytes_before": 10_000_000,
        "bytes_after": 10_000_000,
    }
    return Change(at(day - 1 if since is None else since), at(day), **(usual | counts))


def kinds(*changes: Change) -> list[str]:
    return [finding.kind for finding in check_changes(changes, "web1", since=LONG_AGO)]


def test_nothing_changed_is_nothing_told() -> None:
    assert [] == kinds(change(1), change(2), change(3))


@pytest.mark.parametrize(("files", "told"), [(800, []), (790, ["shrunk"]), (0, ["shrunk"])])
def test_set_that_loses_files_has_shrunk(files: int, told: list[str]) -> None:
    assert told == kinds(change(files_after=files, bytes_after=files * 10_000))


@pytest.mark.parametrize(("size", "told"), [(5_000_000, []), (4_000_000, ["shrunk"])])
def test_set_that_loses_bytes_has_shrunk(size: int, told: list[str]) -> None:
    assert told == kinds(change(bytes_after=size))


def test_few_files_are_no_share() -> None:
    few = {"files_before": 10, "files_after": 1, "bytes_before": 1_000, "bytes_after": 100}

    assert [] == kinds(change(**few))


def test_growth_is_not_told() -> None:
    assert [] == kinds(change(files_after=90_000, bytes_after=1 << 40, added=89_000))


@pytest.mark.parametrize(("changed", "told"), [(400, []), (410, ["mass-change"])])
def test_many_changed_files_are_a_mass_change(changed: int, told: list[str]) -> None:
    assert told == kinds(change(changed=changed))


def test_files_under_new_names_are_a_mass_change() -> None:
    assert ["mass-change"] == kinds(change(added=900, removed=900))


def test_group_that_always_changes_is_left_alone() -> None:
    usual = [change(day, changed=600 + 20 * (day % 3)) for day in range(1, 10)]

    assert ["mass-change"] == kinds(*usual)[:1]
    assert [] == [f for f in check_changes(usual, "web1", since=START + timedelta(days=5))]


def test_one_odd_night_does_not_move_the_limit() -> None:
    quiet = [change(day, changed=10) for day in range(1, 10)]
    odd = change(10, changed=900)

    assert ["mass-change"] * 2 == kinds(*quiet, odd, change(11, changed=900))


def test_longer_time_may_change_more() -> None:
    busy = [change(day, changed=100 + day) for day in range(1, 10)]

    assert [] == kinds(*busy, change(16, since=9, changed=650))


def test_history_is_not_judged_again() -> None:
    shrunk = change(1, files_after=10)
    found = check_changes([shrunk, change(2)], "web1", since=START + timedelta(days=2))

    assert [] == list(found)


def test_tree_that_could_not_be_read_is_no_history() -> None:
    torn = [change(day, files_after=1, whole=False) for day in range(1, 6)]

    assert "shrunk" in kinds(*torn, change(7, files_after=500))


@pytest.mark.parametrize(
    ("judged", "scrambled", "back", "told"),
    [
        (10, 10, 0, True),
        (10, 7, 0, False),
        (100, 49, 0, False),
        (100, 50, 0, True),
        (5_000, 100, 0, True),
        (60, 50, 13, False),
        (60, 50, 12, True),
    ],
)
def test_scrambled_is_judged_by_number_share_and_the_other_way(
    judged: int, scrambled: int, back: int, told: bool
) -> None:
    found = change(judged=judged, scrambled=scrambled, reversed=back, changed=judged)

    assert told == is_scrambled(found)
    assert told == ("scrambled" in kinds(found))


@pytest.mark.parametrize(
    ("judged", "scrambled", "changed", "told"),
    [(3, 3, 12, True), (2, 2, 11, True), (1, 1, 12, False), (3, 2, 12, False), (3, 3, 10, False)],
)
def test_small_set_is_scrambled_as_a_whole(
    judged: int, scrambled: int, changed: int, told: bool
) -> None:
    small = {"files_before": 12, "files_after": 12}
    found = change(judged=judged, scrambled=scrambled, changed=changed, **small)

    assert told == is_scrambled(found)


@given(
    st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)), min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_a_copy_of_an_unusual_history_is_never_worse(
    counts: list[tuple[int, int]], times: int
) -> None:
    """What a group has always done is never told because it did it more often."""
    usual = [
        change(day, changed=changed, added=added, removed=added // 2)
        for day, (changed, added) in enumerate(counts * times, start=1)
    ]
    same = change(len(usual) + 1)

    assert [] == [f.kind for f in check_changes([*usual, same], "x", since=same.after.taken_at)]
