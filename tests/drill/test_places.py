"""Where a snapshot's files live on the host, and which snapshots are drilled at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from verifier.core.errors import CannotVerify
from verifier.core.snapshot import Snapshot
from verifier.drill.choose import CURRENT, choose
from verifier.drill.places import covers, find_places, uncovered

NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("paths", "tree", "pairs"),
    [
        (["/a/b"], ["/a", "/a/b", "/a/b/c"], [("/a/b", "/a/b")]),
        (["/"], ["/etc", "/etc/x"], [("/", "/")]),
        (["/a/b"], ["/b", "/b/c"], [("/b", "/a/b")]),
        (["/x/a/b"], ["/a", "/a/b"], [("/a/b", "/x/a/b")]),
        (["/x"], ["/a", "/b"], [("/", "/x")]),
        # `backup .` in /x, which holds a folder of that name too.
        (["/x"], ["/x", "/y"], [("/", "/x")]),
        (["/x"], [], [("/", "/x")]),
        (["/etc", "/x/a"], ["/a", "/etc"], [("/etc", "/etc"), ("/a", "/x/a")]),
        (["/etc", "/x"], ["/a", "/etc"], [("/etc", "/etc"), ("/", "/x")]),
        (["/a/b", "/a/b"], ["/a", "/a/b"], [("/a/b", "/a/b")]),
    ],
)
def test_a_tree_is_found_on_the_host(
    paths: list[str], tree: list[str], pairs: list[tuple[str, str]]
) -> None:
    found = find_places(paths, tree, subject="s")

    assert sorted(found.pairs) == sorted(pairs)


@pytest.mark.parametrize(
    ("paths", "tree"),
    [(["/1/x", "/2/x"], ["/x", "/x-0"]), (["/1", "/2"], ["/a", "/b"])],
)
def test_a_tree_that_may_lie_in_two_places_is_not_guessed(
    paths: list[str], tree: list[str]
) -> None:
    with pytest.raises(CannotVerify, match="does not show where"):
        find_places(paths, tree, subject="s")


def test_paths_above_the_roots_live_nowhere() -> None:
    places = find_places(["/a/b", "/x/c"], ["/a", "/a/b", "/a/b/d", "/c"], subject="s")

    assert [places.live(p) for p in ("/a", "/a/b/d", "/c", "/c/e")] == [
        None,
        "/a/b/d",
        "/x/c",
        "/x/c/e",
    ]


def test_a_folder_covers_what_lies_in_it_and_not_its_neighbours() -> None:
    assert [covers("/a", path) for path in ("/a", "/a/b", "/ab", "/")] == [True, True, False, False]
    assert covers("/", "/a")
    assert uncovered(["/a/x", "/b"], ["/a"]) == ("/b",)


def snapshot(name: str, *paths: str, age: timedelta = timedelta(), host: str = "web1") -> Snapshot:
    return Snapshot(name, NOW - age, host, paths)


def test_the_newest_of_every_current_group_is_chosen() -> None:
    day = timedelta(days=1)
    choice = choose(
        [
            snapshot("a-old", "/a", age=day),
            snapshot("a", "/a"),
            snapshot("b", "/b", age=CURRENT),
            snapshot("frozen", "/c", age=CURRENT + day),
            snapshot("covered", "/a/x", age=day),
            snapshot("other", "/a", host="db1"),
        ],
        "web1",
    )

    assert [s.id for s in choice.snapshots] == ["a", "b"]
    assert choice.frozen_groups == 2


def test_a_date_that_was_given_hides_no_other_group() -> None:
    """One snapshot dated years ahead must not make all others look as if they had ended."""
    made = replace(snapshot("b", "/b", age=timedelta(days=-2_000)), made_at=NOW - CURRENT)
    given = snapshot("c", "/c", age=timedelta(days=-2_000))
    every = [snapshot("a", "/a"), snapshot("old", "/b", age=2 * CURRENT), made]

    assert ["a", "b"] == [s.id for s in choose(every, "web1", NOW).snapshots]
    assert ["a", "b"] == [s.id for s in choose([*every, given], "web1", NOW).snapshots]
    assert ["c"] == [s.id for s in choose([given], "web1", NOW).snapshots]


def test_a_clock_that_is_ahead_is_believed() -> None:
    ahead = snapshot("new", "/a", age=timedelta(hours=-3))

    assert ["new"] == [s.id for s in choose([snapshot("a", "/a"), ahead], "web1", NOW).snapshots]


def test_the_order_of_paths_makes_no_group() -> None:
    choice = choose([snapshot("1", "/a", "/b"), snapshot("2", "/b", "/a")], "web1")

    assert (len(choice.snapshots), choice.frozen_groups) == (1, 0)


def test_a_host_without_snapshots_has_nothing_to_choose() -> None:
    assert choose([snapshot("1", "/a")], "db1").snapshots == ()
