"""The model's world is `decide`, applied step by step to a plain list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.laws.histories import histories, policies
from verifier.core.decision import Decision, differences
from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import decide
from verifier.retention.rules import Rules, rules_for
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.model import ModelWorld

ZONE = ZoneInfo("America/Los_Angeles")
GROUPS = [("host", "paths"), ("host",), ("paths",), ("tags",), ("host", "paths", "tags"), ()]
RELEASES = ["0.11.0", "0.14.0", "0.16.0", "0.17.0", "0.18.0", "0.19.1"]
NEW, OLD = rules_for("0.18.0"), rules_for("0.14.0")


@st.composite
def timelines(draw: st.DrawFn) -> list[Step]:
    """Draw a history cut into steps, of which some do not run."""
    history = draw(histories(max_size=40))
    bounds = sorted({0, len(history), *draw(st.lists(st.integers(0, len(history))))})
    steps = [
        Step(history[first].taken_at, tuple(history[first:end]), ())
        for first, end in pairwise(bounds)
    ]
    return [
        step if draw(st.integers(0, 4)) else Step(step.at, (), ("a", "b"), ran=False)
        for step in steps
    ]


def run_plainly(
    steps: Sequence[Step], policy: Policy, rules: Rules, group_by: tuple[str, ...]
) -> tuple[list[Decision], set[str]]:
    there: list[Snapshot] = []
    decisions = []
    for step in steps:
        if not step.ran:
            continue
        there += step.due
        decision = decide(there, policy, rules, now=step.forget_at, zone=ZONE, group_by=group_by)
        gone = {snapshot.id for snapshot in decision.removed()}
        there = [snapshot for snapshot in there if snapshot.id not in gone]
        decisions.append(decision)
    return decisions, {snapshot.id for snapshot in there}


def kinds(outcome: Outcome) -> list[str]:
    return [finding.kind for finding in outcome.findings]


@pytest.mark.parametrize("group_by", GROUPS, ids=",".join)
@given(steps=timelines(), policy=policies, release=st.sampled_from(RELEASES))
@example(steps=[], policy=Policy(last=1), release="0.18.0")
def test_the_world_is_decide_step_by_step(
    group_by: tuple[str, ...], steps: list[Step], policy: Policy, release: str
) -> None:
    rules = rules_for(release)
    world = ModelWorld(policy, rules, ZONE, group_by)
    outcomes = [outcome for outcome in map(world.run, steps) if outcome.step.ran]
    decisions, left = run_plainly(steps, policy, rules, group_by)

    for outcome, decision in zip(outcomes, decisions, strict=True):
        refused = "forget-refused" in kinds(outcome)
        assert bool(decision.refused) == refused
        if refused:
            assert not any(group.remove for group in outcome.groups)
        else:
            assert () == differences(Decision(outcome.groups), decision)
    assert left == {snapshot.id for snapshot in world.snapshots()}


@pytest.mark.parametrize("group_by", GROUPS, ids=",".join)
@given(steps=timelines(), policy=policies, at=st.integers(0, 40))
def test_a_world_seeded_half_way_goes_on_as_the_one_before(
    group_by: tuple[str, ...], steps: list[Step], policy: Policy, at: int
) -> None:
    whole, half = (ModelWorld(policy, NEW, ZONE, group_by) for _ in range(2))
    for step in steps[:at]:
        whole.run(step)
    half.seed(whole.snapshots())

    assert [whole.run(step) for step in steps[at:]] == [half.run(step) for step in steps[at:]]


START = datetime(2024, 1, 1, 4, tzinfo=UTC)


def steps(count: int, host: str = "web1") -> list[Step]:
    times = [START + timedelta(days=number) for number in range(count)]
    return [Step(at, (Snapshot(at.isoformat(), at, host, ("/srv",)),), ()) for at in times]


def world(policy: Policy, rules: Rules = NEW) -> ModelWorld:
    return ModelWorld(policy, rules, UTC, ("host", "paths"))


def test_where_forget_refuses_everything_stays_and_says_so() -> None:
    refusing = world(Policy(tags=(("keep",),)))
    outcomes = [refusing.run(step) for step in steps(3)]

    assert [["forget-refused"]] * 3 == [kinds(outcome) for outcome in outcomes]
    assert [1, 2, 3] == [len(outcome.groups[0].keep) for outcome in outcomes]
    assert 3 == len(refusing.snapshots())


def test_before_refusals_a_policy_of_tags_wipes_a_group() -> None:
    wiping = world(Policy(tags=(("keep",),)), OLD)
    (outcome,) = [wiping.run(step) for step in steps(1)]

    assert ["group-wiped"] == kinds(outcome)
    assert outcome.created == outcome.groups[0].remove
    assert () == wiping.snapshots()


def test_a_group_that_receives_no_more_stays_as_it_is() -> None:
    keeping = world(Policy(daily=2))
    for step in [*steps(5, "gone"), *steps(9)[5:]]:
        last = keeping.run(step)

    assert {"gone": 2, "web1": 2} == {group.key.host: len(group.keep) for group in last.groups}


@pytest.mark.parametrize(
    ("policy", "count"),
    [
        (Policy(daily=UNLIMITED), 30),
        (Policy(within=Duration(days=5)), 5),
        (Policy(last=3), 3),
    ],
    ids=str,
)
def test_thirty_days_leave_what_the_policy_says(policy: Policy, count: int) -> None:
    keeping = world(policy)
    for step in steps(30):
        keeping.run(step)

    assert count == len(keeping.snapshots())


def test_rules_of_another_release_hold_from_the_step_on_which_they_come() -> None:
    policy = Policy(daily=3, yearly=10)
    upgraded = world(policy, OLD)
    for number, step in enumerate(steps(8)):
        if number == 4:
            upgraded.obey(NEW)
        upgraded.run(step)
    left = sorted(snapshot.taken_at.day for snapshot in upgraded.snapshots())

    # Of the first four days three were left, and from then on the oldest stays.
    assert [2, 6, 7, 8] == left


def test_a_step_that_does_not_run_changes_nothing() -> None:
    keeping = world(Policy(last=1))
    keeping.run(steps(1)[0])
    outcome = keeping.run(Step(START + timedelta(days=1), (), ("web1",), ran=False))

    assert ((), (), ()) == (outcome.created, outcome.groups, outcome.findings)
    assert 1 == len(keeping.snapshots())
