"""Timelines: what is planned is what a coordinator would do, and what is followed is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from verifier.core.decision import GroupDecision
from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.checks import Promises
from verifier.retention.decide import group_key
from verifier.simulate.timeline import (
    Days,
    Deviations,
    Following,
    Outcome,
    PathChange,
    Source,
    Step,
    follow,
    plan_steps,
)

ZONE = ZoneInfo("America/Los_Angeles")
GROUP_BY = ("host", "paths")
WEB, DB = Source("web1", ("/srv",)), Source("db1", ("/etc", "/srv"))
MONDAY = date(2024, 1, 1)


def fired(
    days: int, at: time = time(4), zone: ZoneInfo = ZONE, first: date = MONDAY
) -> list[datetime]:
    return [
        datetime.combine(first + timedelta(days=number), at, zone).astimezone(UTC).astimezone(zone)
        for number in range(days)
    ]


def days(first: int, last: int) -> Days:
    return Days(date(2024, 1, first), date(2024, 1, last))


def times(step: Step) -> list[str]:
    return [snapshot.taken_at.isoformat() for snapshot in step.due]


# What is planned.


def test_hosts_take_turns_a_minute_apart() -> None:
    (step,) = plan_steps([WEB, DB], fired(1), Deviations())

    assert ["2024-01-01T04:00:00-08:00", "2024-01-01T04:01:00-08:00"] == times(step)
    assert ["web1", "db1"] == [snapshot.host for snapshot in step.due]
    assert timedelta(minutes=1) == step.forget_at - step.due[-1].taken_at


@pytest.mark.parametrize("count", [61, 70, 1_000, 3_601])
def test_many_hosts_share_the_hour_in_whole_seconds(count: int) -> None:
    hosts = [Source(f"host{number}", ("/srv",)) for number in range(count)]
    (step,) = plan_steps(hosts, fired(1), Deviations())

    assert {0} == {snapshot.taken_at.microsecond for snapshot in step.due}
    assert count == len({snapshot.taken_at for snapshot in step.due})
    assert step.forget_at - step.at <= max(timedelta(seconds=count + 60), timedelta(hours=1))


def test_a_step_waits_for_the_one_before() -> None:
    begin = fired(1)[0]
    steps = plan_steps([WEB, DB], [begin, begin + timedelta(minutes=1)], Deviations())

    assert steps[0].forget_at == steps[1].at == steps[1].due[0].taken_at
    assert 4 == len({s.taken_at for step in steps for s in step.due})


def test_a_missed_day_makes_no_backup_and_no_forget() -> None:
    steps = plan_steps([WEB, DB], fired(4), Deviations(missed=(days(2, 3),)))

    assert [True, False, False, True] == [step.ran for step in steps]
    assert ("web1", "db1") == steps[1].missed
    assert [2, 0, 0, 2] == [len(step.due) for step in steps]


def test_a_host_that_is_down_loses_its_turn_only() -> None:
    steps = plan_steps([WEB, DB], fired(3), Deviations(down=(("web1", days(2, 2)),)))

    assert [(), ("web1",), ()] == [step.missed for step in steps]
    assert ["db1"] == [snapshot.host for snapshot in steps[1].due]
    # Its turn passes all the same: the others' times do not move.
    assert ["2024-01-02T04:01:00-08:00"] == times(steps[1])
    assert steps[1].ran


@pytest.mark.parametrize("turned", [False, True], ids=["in-order", "out-of-order"])
def test_paths_change_and_change_back(turned: bool) -> None:
    changes = [
        PathChange("web1", date(2024, 1, 3), ("/opt",)),
        PathChange("web1", date(2024, 1, 5), ("/srv",)),
    ]
    given = tuple(reversed(changes)) if turned else tuple(changes)
    steps = plan_steps([WEB, DB], fired(6), Deviations(changes=given))
    paths = [step.due[0].paths for step in steps]

    assert [("/srv",)] * 2 + [("/opt",)] * 2 + [("/srv",)] * 2 == paths
    assert {DB.paths} == {step.due[1].paths for step in steps}


def test_paths_are_as_restic_stores_them() -> None:
    (step,) = plan_steps([Source("a", ("/srv/", "//etc/./ssh", "/"))], fired(1), Deviations())

    assert ("/srv", "/etc/ssh", "/") == step.due[0].paths


@pytest.mark.parametrize(
    ("first", "offsets"),
    [(date(2024, 3, 9), [-8, -7, -7]), (date(2024, 11, 2), [-7, -8, -8])],
    ids=["summer-begins", "summer-ends"],
)
def test_times_carry_the_offset_of_their_day(first: date, offsets: list[int]) -> None:
    steps = plan_steps([WEB], fired(3, first=first), Deviations())

    assert offsets == [s.taken_at.utcoffset() // timedelta(hours=1) for (s,) in due(steps)]
    assert {4} == {s.taken_at.hour for (s,) in due(steps)}


def due(steps: Sequence[Step]) -> list[tuple[Snapshot, ...]]:
    return [step.due for step in steps]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2024, 3, 10), ["01:59:00-08:00", "03:00:00-07:00"]),
        (date(2024, 11, 3), ["01:59:00-07:00", "01:00:00-08:00"]),
    ],
    ids=["gap", "fold"],
)
def test_turns_across_a_change_of_the_clocks_are_a_minute_apart(
    day: date, expected: list[str]
) -> None:
    (step,) = plan_steps([WEB, DB], fired(1, time(1, 59), first=day), Deviations())

    assert expected == [at[11:] for at in times(step)]
    assert timedelta(minutes=1) == step.due[1].taken_at - step.due[0].taken_at


def test_a_step_without_backups_forgets_at_a_real_instant() -> None:
    at = fired(1, time(1, 59), first=date(2024, 3, 10))[0]
    (step,) = plan_steps([WEB], [at], Deviations(down=(("web1", Days(date.min, date.max)),)))

    assert timedelta(minutes=1) == step.forget_at - at.astimezone(UTC)


# What is followed.


def snapshot(number: int, host: str = "web1", paths: tuple[str, ...] = ("/srv",)) -> Snapshot:
    taken_at = datetime(2024, 1, 1, 4, tzinfo=UTC) + timedelta(days=number)
    return Snapshot(f"{host}@{number}", taken_at, host, paths)


def outcome(
    created: Sequence[Snapshot], *groups: GroupDecision, ran: bool = True, **more: object
) -> Outcome:
    at = created[-1].taken_at if created else datetime(2024, 6, 1, tzinfo=UTC)
    return replace(Outcome(Step(at, tuple(created), (), ran), tuple(created), groups), **more)


def decided(keep: Sequence[Snapshot], remove: Sequence[Snapshot] = ()) -> GroupDecision:
    """Decide that these stay, each with its id for a reason."""
    key = group_key((*keep, *remove)[0], GROUP_BY)
    return GroupDecision(key, tuple(keep), tuple((s.id,) for s in keep), tuple(remove))


def followed(*outcomes: Outcome, policy: Policy | None = None) -> Following:
    state = Following()
    for state, _ in follow(outcomes, Promises(policy or Policy(last=1), UTC), GROUP_BY):  # noqa: B007
        pass
    return state


def kinds(state: Following) -> list[str]:
    return [finding.kind for finding in state.findings()]


def test_each_step_is_recorded_with_what_came_and_went() -> None:
    first, second = snapshot(0), snapshot(1)
    state = followed(
        outcome([first], decided([first])), outcome([second], decided([second], [first]))
    )

    assert [(first,), (second,)] == [record.created for record in state.records]
    assert [1, 1] == [record.kept for record in state.records]
    assert ((first, ("web1@0",)),) == state.records[1].removed
    assert [] == kinds(state)


def test_a_removed_snapshot_is_told_with_why_it_had_stayed_last() -> None:
    old, newer, newest = snapshot(0), snapshot(1), snapshot(2)
    state = followed(
        outcome([old], decided([old])),
        outcome([newer], replace(decided([newer, old]), reasons=(("daily",), ("oldest",)))),
        outcome([newest], decided([newest, newer], [old])),
        policy=Policy(last=2),
    )

    assert ((old, ("oldest",)),) == state.records[2].removed


def test_a_snapshot_made_and_removed_by_one_step_counts_as_both() -> None:
    only = snapshot(0)
    state = followed(outcome([only], decided([], [only])))

    assert 0 == state.records[0].kept
    assert ((only, ()),) == state.records[0].removed
    assert "newest-removed" in kinds(state)


def test_the_worst_gap_is_the_longest_between_two_arrivals() -> None:
    came = [snapshot(0), snapshot(1), snapshot(5), snapshot(6)]
    state = followed(*(outcome([s], decided([s])) for s in came))

    (history,) = state.groups.values()
    assert timedelta(days=4) == history.worst_gap
    assert (came[0].taken_at, came[-1].taken_at) == (history.first_at, history.last_at)


def test_a_group_that_vanishes_is_no_survivor_and_a_loss() -> None:
    web, db = snapshot(0), snapshot(0, "db1")
    both = outcome([web, db], decided([web]), decided([db]))
    vanished = followed(both, outcome([], decided([db])))
    healthy = followed(both, outcome([], decided([web]), decided([db])))

    assert ["db1"] == [group.key.host for group in vanished.survivors()]
    assert {"newest-removed", "promise-broken"} == set(kinds(vanished))
    assert ["db1", "web1"] == [group.key.host for group in healthy.survivors()]
    assert [] == kinds(healthy)


def test_a_snapshot_in_no_group_is_a_loss() -> None:
    assert "newest-removed" in kinds(followed(outcome([snapshot(0)])))


def test_where_the_coordinator_did_not_run_nothing_vanished() -> None:
    web = snapshot(0)
    state = followed(outcome([web], decided([web])), outcome([], ran=False))

    assert ["web1"] == [group.key.host for group in state.survivors()]
    assert [] == kinds(state)


def test_findings_counts_and_soundness_add_up() -> None:
    web = snapshot(0)
    told = Finding("step-failed", "web1", "no route")
    state = followed(
        outcome([web], decided([web]), findings=(told,), compared=3, agreed=2, sound=True),
        outcome([], decided([web]), compared=1, agreed=1, sound=False),
        outcome([], decided([web])),
    )

    assert (told,) == state.findings()
    assert (4, 3, 2, 1) == (state.compared, state.agreed, state.read, state.unsound)
