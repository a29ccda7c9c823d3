"""Each fault of a timeline does to the steps what its name says, and nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from verifier.config.scenario import make_scenario
from verifier.core.snapshot import Snapshot
from verifier.simulate.faults import is_added, machine_of
from verifier.simulate.scenario import as_seen_at, plan
from verifier.simulate.timeline import Step

DAYS = 6


def tables(**faults: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": 1,
        "scenario": {"about": "A test.", "fidelity": ["model"]},
        "schedule": {"times": ["04:00"], "timezone": "America/Los_Angeles"},
        "hosts": [{"name": "web1", "include": ["/srv"]}, {"name": "db1", "include": ["/etc"]}],
        "simulate": {"start": date(2024, 3, 4), "days": DAYS},
        "faults": {kind.replace("_", "-"): listed for kind, listed in faults.items()},
        "expect": {"verdict": "OK", "survivors": [{"host": "web1", "count": 1}]},
    }


def steps(**faults: list[dict[str, Any]]) -> tuple[Step, ...]:
    return plan(make_scenario(tables(**faults), "test")).steps


def of(host: str, planned: tuple[Step, ...]) -> list[Snapshot]:
    return [s for step in planned for s in step.due if s.id.startswith(f"{host}@")]


def times(snapshots: list[Snapshot]) -> list[str]:
    return [snapshot.taken_at.isoformat() for snapshot in snapshots]


SPELL = {"host": "web1", "from": date(2024, 3, 6), "to": date(2024, 3, 7)}


def test_no_fault_leaves_the_plan_alone() -> None:
    assert {Step} == {type(step) for step in steps()}


def test_wrong_clock_misdates_its_days_and_its_host() -> None:
    clean, wrong = steps(), steps(clock_wrong=[{**SPELL, "by": "-3h"}])

    assert "2024-03-06T01:00:00-08:00" == times(of("web1", wrong))[2]
    assert [2, 3] == [
        n
        for n, pair in enumerate(zip(of("web1", clean), of("web1", wrong), strict=True))
        if pair[0] != pair[1]
    ]
    assert of("db1", clean) == of("db1", wrong)
    assert [step.forget_at for step in clean] == [step.forget_at for step in wrong]


def test_wrong_clock_stores_the_offset_of_the_day_it_believes_in() -> None:
    (shifted,) = [
        s
        for s in of("web1", steps(clock_wrong=[{**SPELL, "to": SPELL["from"], "by": "+10d"}]))
        if s.taken_at.date() > date(2024, 3, 10)
    ]

    # Summer time began on the tenth.
    assert "2024-03-16T05:00:00-07:00" == shifted.taken_at.isoformat()


def test_changed_zone_stores_another_offset_of_the_same_instants() -> None:
    clean = steps()
    moved = steps(zone_changed=[{"host": "web1", "from": date(2024, 3, 6), "timezone": "UTC"}])

    assert [s.taken_at for s in of("web1", clean)] == [s.taken_at for s in of("web1", moved)]
    assert ["-08:00"] * 2 + ["+00:00"] * 4 == [at[-6:] for at in times(of("web1", moved))]


def test_renamed_host_goes_on_under_the_new_name() -> None:
    renamed = steps(host_renamed=[{"host": "web1", "from": date(2024, 3, 8), "name": "new"}])

    assert ["web1"] * 4 + ["new"] * 2 == [s.host for s in of("web1", renamed)]
    assert {"db1"} == {s.host for s in of("db1", renamed)}


def test_machine_keeps_its_name_whatever_its_snapshots_carry() -> None:
    renamed = steps(
        host_renamed=[{"host": "web1", "from": date(2024, 3, 4), "name": "db1"}],
        snapshots_added=[
            {"host": "db1", "on": date(2024, 3, 4), "first": steps()[0].due[0].taken_at}
        ],
    )[0].due

    assert ["db1", "web1", "db1"] == list(map(machine_of, renamed))
    assert {"db1"} == {snapshot.host for snapshot in renamed}


def test_wrong_clock_stays_with_the_host_that_is_renamed() -> None:
    both = steps(
        clock_wrong=[{**SPELL, "by": "-3h"}],
        host_renamed=[{"host": "web1", "from": date(2024, 3, 4), "name": "new"}],
    )

    assert "2024-03-06T01:00:00-08:00" == times(of("web1", both))[2]


def test_tags_are_put_on_the_days_named() -> None:
    tagged = steps(tagged=[{**SPELL, "tags": ["keep"]}])

    assert [(), (), ("keep",), ("keep",), (), ()] == [s.tags for s in of("web1", tagged)]


def test_added_snapshots_come_before_the_days_own_and_leave_forget_its_hour() -> None:
    attack = {"host": "web1", "on": date(2024, 3, 6), "count": 3, "every": "2d"}
    clean = steps()
    with_them = steps(snapshots_added=[{**attack, "first": clean[0].due[0].taken_at}])
    added = [s for s in with_them[2].due if is_added(s)]

    assert [0, 0, 3, 0, 0, 0] == [sum(map(is_added, step.due)) for step in with_them]
    assert added == list(with_them[2].due[:3])
    assert [0, 2, 4] == [(s.taken_at - added[0].taken_at).days for s in added]
    assert {("/srv",)} == {s.paths for s in added}
    assert [step.forget_at for step in clean] == [step.forget_at for step in with_them]


def test_snapshots_are_added_once_on_a_day_of_two_cycles() -> None:
    """The search found it: as many again at the second, of the same names and dates."""
    first = steps()[0].due[0].taken_at
    wanted = tables(snapshots_added=[{"host": "web1", "on": date(2024, 3, 6), "first": first}])
    wanted["schedule"]["times"] = ["04:00", "16:00"]
    planned = plan(make_scenario(wanted, "test")).steps

    assert [0, 0, 1, 0, 0, 0] == [sum(map(is_added, step.due)) for step in planned[::2]]
    assert not any(is_added(s) for step in planned[1::2] for s in step.due)


def test_nothing_is_added_where_the_coordinator_does_not_run() -> None:
    first = steps()[0].due[0].taken_at
    wanted = tables(snapshots_added=[{"host": "web1", "on": date(2024, 3, 6), "first": first}])
    wanted["simulate"]["missed"] = ["2024-03-06"]

    assert [] == [
        s for step in plan(make_scenario(wanted, "test")).steps for s in step.due if is_added(s)
    ]


@pytest.mark.parametrize("day", [0, 5])
def test_every_step_may_be_seen_by_another_clock(day: int) -> None:
    simulation = plan(make_scenario(tables(), "test"))
    now = simulation.steps[-1].forget_at
    seen = as_seen_at(simulation, now)

    assert now == seen.steps[day].forget_at
    assert simulation.steps[day].due == seen.steps[day].due
