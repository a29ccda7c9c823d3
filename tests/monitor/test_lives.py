"""From steps to lives: every snapshot is followed exactly once, into its own group."""

from __future__ import annotations

from typing import Any

import pytest

from tests.monitor import envelopes
from verifier.monitor.render.lives import follow, held_by, members


@pytest.mark.parametrize(
    ("reasons", "rule"),
    [
        (["yearly snapshot", "daily snapshot"], "daily"),
        (["monthly snapshot", "oldest yearly snapshot"], "monthly"),
        (["oldest yearly snapshot"], "oldest"),
        (["hourly within 2d", "weekly snapshot"], "recent"),
        (["within 30d"], "recent"),
        (["weekly within 1y"], "weekly"),
        (["has tags [a, b]"], "tag"),
        (["yearly snapshot", "has tags [a]"], "yearly"),
        (["a reason of a later release"], "none"),
        ([], "none"),
    ],
)
def test_snapshot_is_held_by_the_rule_that_lets_go_first(reasons: list[str], rule: str) -> None:
    assert held_by(reasons) == rule


def test_every_snapshot_lives_once() -> None:
    groups = follow(envelopes.timeline(days=100), limit=3)

    assert [len(group.lives) for group in groups] == [100, 100, 100]
    for group in groups:
        assert sum(life.survives for life in group.lives) == group.record["survivors"]


def test_only_as_many_groups_as_asked_are_followed() -> None:
    assert [group.record["host"] for group in follow(envelopes.timeline(days=5), limit=2)] == [
        "web1",
        "web2",
    ]


def test_life_ends_at_the_age_of_its_removal() -> None:
    lives = follow(envelopes.timeline(days=60), limit=1)[0].lives
    second = lives[1]

    # Made on day 1, one of 30 dailies: day 31 removes it.
    assert (second.start_day, second.end_day, second.end_age, second.rule) == (1, 31, 30, "daily")


def test_outage_of_a_host_is_one_run_of_missed_steps() -> None:
    web, _, db = follow(envelopes.timeline(days=300), limit=3)

    assert (db.missed, db.unmade) == (((200.0, 206.0),), 7)
    assert (web.missed, web.unmade) == ((), 0)


def test_snapshot_older_than_the_timeline_enters_at_its_left_edge() -> None:
    timeline = envelopes.timeline(days=3, hosts=["web1"])
    timeline["survivors"].append(
        {
            "id": "before",
            "host": "web1",
            "paths": ["/etc", "/srv/web1"],
            "time": "2023-12-22T04:00:00-08:00",
            "reasons": ["monthly snapshot"],
        }
    )

    old = follow(timeline, limit=1)[0].lives[0]
    assert (old.start_day, old.start_age, old.end_age) == (0, 10, 12)


def _regrouped(host: str, paths: list[str]) -> Any:
    timeline = envelopes.timeline(days=3, hosts=["web1"])
    timeline["groups"][0] |= {"host": host, "paths": paths}
    return timeline


@pytest.mark.parametrize(
    ("host", "paths"),
    [("web1", ["/srv/web1", "/etc"]), ("web1", []), ("", ["/etc", "/srv/web1"]), ("", [])],
    ids=["host-paths-in-any-order", "host", "paths", "one-group"],
)
def test_survivors_are_found_however_groups_are_cut(host: str, paths: list[str]) -> None:
    assert [len(group) for group in members(_regrouped(host, paths))] == [3]


def test_survivor_of_no_group_is_in_none() -> None:
    assert members(_regrouped("other", [])) == ((),)
