"""The search draws the same for the same seed, sees what is broken, and shrinks it to the least."""

from __future__ import annotations

import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.config.scenario import make_scenario, parse_scenario
from verifier.core.policy import Policy
from verifier.retention.checks import Promises
from verifier.simulate.explore import (
    Search,
    Table,
    digest_of,
    drawn_for_replay,
    look,
    look_at_all,
    suspicious,
    with_survivors,
)
from verifier.simulate.explore_cycle import drawn_for_cycle, for_cycle
from verifier.simulate.explore_draw import draw
from verifier.simulate.scenario import follow_scenario, plan
from verifier.simulate.scenario_text import render_scenario
from verifier.simulate.shrink import shrink, without_strays
from verifier.simulate.simulation import Result
from verifier.simulate.timeline import Following, follow

SMALL = Search(seed=7, count=12, days=40, hosts=2)


def nothing(_: int) -> None:
    pass


@given(seed=st.integers(0, 1 << 62), number=st.integers(0, 1 << 20), days=st.integers(1, 900))
def test_what_is_drawn_is_a_scenario_file(seed: int, number: int, days: int) -> None:
    table = draw(seed, number, days=days, hosts=3)
    text = render_scenario(table)

    assert table == draw(seed, number, days=days, hosts=3)
    assert make_scenario(table, "x") == make_scenario(tomllib.loads(text), "x")
    assert days == parse_scenario(text, "x").config.simulate.days


def test_timelines_differ_by_seed_and_by_number() -> None:
    drawn = [draw(seed, number, days=40, hosts=3) for seed in (1, 2) for number in range(20)]

    assert 40 == len({render_scenario(table) for table in drawn})


def test_one_seed_is_one_run_however_it_is_spread() -> None:
    with ThreadPoolExecutor(max_workers=3) as pool:
        spread = look_at_all(SMALL, pool, nothing)
    alone = look(SMALL, range(SMALL.count))

    assert alone == spread
    assert digest_of(alone) == digest_of(spread)
    assert digest_of(alone) != digest_of(look(replace(SMALL, seed=8), range(SMALL.count)))
    assert drawn_for_replay(SMALL, alone) == drawn_for_replay(SMALL, spread)


def test_a_share_is_replayed_and_only_where_there_is_a_restic() -> None:
    looked = look(SMALL, range(SMALL.count))
    drawn = drawn_for_replay(SMALL, looked)

    assert 1 == len(drawn)
    assert drawn[0].real
    assert () == drawn_for_replay(SMALL, [replace(one, real=False) for one in looked])


@pytest.mark.parametrize(
    ("count", "in_cycle"), [(12, 0), (199, 0), (200, 1), (3_999, 1), (4_000, 2)]
)
def test_a_small_share_is_run_in_a_cycle(count: int, in_cycle: int) -> None:
    search = replace(SMALL, count=count)
    looked = look(SMALL, range(SMALL.count))
    drawn = drawn_for_cycle(search, looked)

    assert in_cycle == len(drawn)
    assert drawn == drawn_for_cycle(search, looked)
    assert {} == drawn_for_cycle(search, [replace(one, real=False) for one in looked])


def test_timeline_for_a_cycle_is_short_and_holds_what_a_cycle_can_do() -> None:
    tagged = {"host": "host1", "tags": ["x"]}
    late = {**tagged, "from": date(2024, 3, 15), "to": date(2024, 3, 16)}
    short = for_cycle(table(faults={"tagged": [late]}))

    assert short is not None
    assert (14, {}) == (short["simulate"]["days"], short["faults"])
    assert "cycle" in short["scenario"]["fidelity"]
    assert for_cycle(table(faults={"tagged": [late | {"from": date(2024, 3, 14)}]})) is None


@pytest.mark.parametrize(("promised", "expected"), [(3, set()), (5, {"promise-broken"})])
def test_broken_promise_is_suspicious(promised: int, expected: set[str]) -> None:
    scenario = make_scenario(table(retention={"keep-daily": 3}), "x")
    simulation = plan(scenario)
    # What keeps three days is held to five: the model alone can not be seen to break a promise.
    promises, state = Promises(Policy(daily=promised), simulation.zone), Following()
    outcomes = map(simulation.model().run, simulation.steps)
    for state, _ in follow(outcomes, promises, simulation.group_by):  # noqa: B007
        pass

    assert expected == {f.kind for f in suspicious(Result(state, promises), scenario)}


def table(**changed: Any) -> Table:
    return {
        "schema": 1,
        "scenario": {"about": "A test.", "fidelity": ["model"], "restic": "0.19.1"},
        "schedule": {"times": ["04:00"], "timezone": "UTC"},
        "retention": {"keep-daily": 3},
        "hosts": [{"name": f"host{n}", "include": ["/etc"]} for n in (1, 2, 3)],
        "simulate": {"start": date(2024, 3, 1), "days": 20},
        "faults": {},
        "expect": {"verdict": "OK", "survivors": [{"host": "host1", "count": 1}]},
        **changed,
    }


MOVED = {"host": "host2", "from": date(2024, 3, 1), "timezone": "America/Los_Angeles"}


@pytest.mark.parametrize(("group_by", "broken"), [("paths", True), ("host,paths", False)])
def test_days_that_come_back_are_a_hazard_that_is_known(group_by: str, broken: bool) -> None:
    retention = {"keep-daily": 3, "group-by": group_by}
    scenario = make_scenario(table(retention=retention, faults={"zone-changed": [MOVED]}), "x")
    result = follow_scenario(scenario)

    assert broken is any(f.kind == "promise-broken" for f in result.followed.findings())
    assert () == suspicious(result, scenario)


@pytest.mark.parametrize("count", [{}, {"keep-last": 1}])
def test_policy_of_tags_alone_owes_nothing_to_the_newest(count: dict[str, int]) -> None:
    release = {"about": "A test.", "fidelity": ["model"], "restic": "0.14.0"}
    scenario = make_scenario(table(scenario=release, retention={"keep-tag": ["x"], **count}), "x")
    result = follow_scenario(scenario)

    assert (not count) is any(f.kind == "newest-removed" for f in result.followed.findings())
    assert () == suspicious(result, scenario)


def breaks(candidate: Table) -> bool:
    """Fail as the known hazard does, which the search itself passes over."""
    try:
        findings = follow_scenario(make_scenario(candidate, "x")).followed.findings()
    except ExceptionGroup:
        return False
    return any(finding.kind == "promise-broken" for finding in findings)


def test_what_fails_is_shrunk_to_what_it_cannot_do_without() -> None:
    down = [{"host": "host3", "from": date(2024, 3, 9), "to": date(2024, 3, 11)}]
    large = table(
        retention={"keep-daily": 30, "keep-weekly": 4, "keep-monthly": 7, "group-by": "paths"},
        simulate={"start": date(2024, 3, 1), "days": 90, "missed": ["2024-03-20"], "down": down},
        faults={
            "zone-changed": [MOVED],
            "tagged": [{**MOVED, "to": date(2024, 3, 9), "tags": ["x"]}],
        },
    )
    del large["faults"]["tagged"][0]["timezone"]
    small = shrink(large, breaks)

    assert breaks(large)
    assert breaks(small)
    assert {"zone-changed": [MOVED]} == small["faults"]
    assert {"start", "days"} == set(small["simulate"])
    # A day that comes back breaks any one rule; that of weeks takes longest, one week and a day.
    assert small["simulate"]["days"] <= 8
    assert 2 == len(small["retention"])
    assert 2 == len(small["hosts"])
    assert small == shrink(large, breaks) == shrink(small, breaks)


def test_what_never_happens_is_left_out() -> None:
    """Days that were cut off, and a day without a forget; seen red with the table as it came."""
    table = draw(1, 1, days=30, hosts=2)
    start = table["simulate"]["start"]
    host = table["hosts"][0]["name"]
    added = {"host": host, "on": start, "first": datetime(2019, 1, 1, tzinfo=UTC)}
    renamed = {"host": host, "from": start, "name": "other"}
    late = renamed | {"from": start + timedelta(days=30)}
    table["faults"] = {"snapshots-added": [added], "host-renamed": [late, renamed, late]}
    table["simulate"]["missed"] = [f"{start}..{start}"]

    assert {"host-renamed": [renamed]} == without_strays(table)["faults"]


def test_what_cannot_be_cut_stays_as_it_is() -> None:
    whole = table()

    assert whole == shrink(whole, lambda candidate: candidate == whole)


def test_shrinking_ends_after_so_many_attempts() -> None:
    asked = []
    shrink(table(), lambda candidate: asked.append(candidate) is None, attempts=5)

    assert 5 == len(asked)


def test_failure_is_kept_with_what_survives_as_its_expectation() -> None:
    kept = with_survivors(table())

    assert [3, 3, 3] == [group["count"] for group in kept["expect"]["survivors"]]
    assert kept == tomllib.loads(render_scenario(kept)) | {"faults": {}}
