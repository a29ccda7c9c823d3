"""Laws of forget that hold for every history and policy, under the rules of every release."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.histories import count_policies, histories, policies
from verifier.core.decision import Decision, GroupKey
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.checks import Promises, policy_bound
from verifier.retention.decide import Forget, decide, group_key, newest_first
from verifier.retention.rules import rules_for

NOW = datetime(2040, 1, 1, tzinfo=UTC)
RELEASES = ["0.11.0", "0.12.1", "0.14.0", "0.16.0", "0.17.0", "0.18.0", "0.19.1"]
ZONE = ZoneInfo("America/Los_Angeles")

every_release = pytest.mark.parametrize("release", RELEASES)


def forget(snapshots: list[Snapshot], policy: Policy, release: str) -> Decision:
    return decide(snapshots, policy, rules_for(release), now=NOW, zone=ZONE)


def kept(snapshots: list[Snapshot], policy: Policy, release: str) -> set[str]:
    return {snapshot.id for snapshot, _ in forget(snapshots, policy, release).kept()}


@every_release
@given(history=histories(), policy=policies)
def test_forgetting_twice_removes_nothing_more(
    release: str, history: list[Snapshot], policy: Policy
) -> None:
    once = [snapshot for snapshot, _ in forget(history, policy, release).kept()]

    assert {s.id for s in once} == kept(once, policy, release)


@every_release
@given(
    history=histories(max_size=30, hosts=("a",)),
    policy=policies,
    late=st.lists(st.sampled_from([0, 0, 0, 1, 400]), min_size=30, max_size=30),
    refused=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_what_is_remembered_of_a_group_changes_no_decision(
    release: str, history: list[Snapshot], policy: Policy, late: list[int], refused: list[bool]
) -> None:
    """Goal: day by day, with snapshots that come out of order and days on which nothing goes."""
    rules = rules_for(release)
    present: tuple[Snapshot, ...] = ()
    again = Forget(policy, rules, ZONE)
    days = dict(zip((s.id for s in history), late, strict=False))
    arriving = sorted(history, key=lambda s: s.taken_at + timedelta(days=days[s.id]))
    for snapshot, stays in zip(arriving, refused, strict=False):
        present = newest_first((snapshot, *present))
        decided = again.decide(GroupKey("a"), present, NOW)

        assert Forget(policy, rules, ZONE).decide(GroupKey("a"), present, NOW) == decided
        if not stays:
            present = decided.keep


@every_release
@given(history=histories(), policy=policies)
def test_nothing_is_lost_between_keep_and_remove(
    release: str, history: list[Snapshot], policy: Policy
) -> None:
    decision = forget(history, policy, release)
    sorted_ids = sorted(s.id for g in decision.groups for s in (*g.keep, *g.remove))

    assert sorted(s.id for s in history) == sorted_ids
    assert all(why for g in decision.groups for why in g.reasons)


@every_release
@given(history=histories(), policy=policies)
def test_newest_is_kept_by_any_count(release: str, history: list[Snapshot], policy: Policy) -> None:
    policy = replace(policy, daily=max(policy.daily, 1), last=max(policy.last, 0))

    for group in forget(history, policy, release).groups:
        everything = (*group.keep, *group.remove)
        assert group.keep[0] == max(everything, key=lambda s: s.taken_at)


@every_release
@given(history=histories(), policy=count_policies)
def test_a_group_stays_within_its_bound(
    release: str, history: list[Snapshot], policy: Policy
) -> None:
    bound = policy_bound(policy)
    assert bound is not None

    assert all(len(group.keep) <= bound for group in forget(history, policy, release).groups)


@every_release
@given(history=histories(), policy=count_policies, more=st.data())
def test_a_higher_count_keeps_no_less(
    release: str, history: list[Snapshot], policy: Policy, more: st.DataObject
) -> None:
    rule = more.draw(st.sampled_from(["last", "hourly", "daily", "weekly", "monthly", "yearly"]))
    higher = replace(policy, **{rule: getattr(policy, rule) + more.draw(st.integers(1, 10))})

    assert kept(history, policy, release) <= kept(history, higher, release)


@every_release
@given(history=histories(), policy=count_policies, days=st.integers(1, 9))
def test_daily_forget_keeps_what_one_forget_keeps(
    release: str, history: list[Snapshot], policy: Policy, days: int
) -> None:
    """For count rules and arrival in time order, whatever the offsets."""
    alive: list[Snapshot] = []
    for start in range(0, len(history), days):
        alive += history[start : start + days]
        alive = [snapshot for snapshot, _ in forget(alive, policy, release).kept()]

    assert kept(history, policy, release) == {s.id for s in alive}


def test_windows_break_that_law() -> None:
    """Recorded from real restic: a window whose start goes back at a month's end."""
    history = [
        Snapshot(str(day), datetime(*day, 4, tzinfo=UTC), "a", ("/srv",))
        for day in ((2021, 3, 2), (2021, 3, 31), (2021, 4, 1))
    ]
    policy = Policy(within=replace(Policy().within, months=1))
    first = [snapshot for snapshot, _ in forget(history[:2], policy, "0.18.0").kept()]

    assert len(kept([*first, history[2]], policy, "0.18.0")) == 2
    assert len(kept(history, policy, "0.18.0")) == 3


@every_release
@given(history=histories(mixed_zones=False), policy=count_policies)
def test_promises_hold_day_by_day(release: str, history: list[Snapshot], policy: Policy) -> None:
    """The promises are stated apart from `decide`; with one offset a group neither breaks."""
    promises = Promises(policy, ZONE)
    alive: list[Snapshot] = []
    broken = []
    for snapshot in history:
        promises.record(group_key(snapshot, ("host", "paths")), snapshot)
        alive.append(snapshot)
        decision = forget(alive, policy, release)
        newest = {group_key(s, ("host", "paths")): s for s in alive}
        broken += [f for group in decision.groups for f in promises.check(newest[group.key], group)]
        alive = [s for s, _ in decision.kept()]

    assert [] == broken
    assert all(tally.checked for tally in promises.tallies())


@given(history=histories(mixed_zones=False, hosts=("a",)), policy=count_policies, choice=st.data())
@settings(max_examples=50)
def test_a_snapshot_taken_away_breaks_a_promise(
    history: list[Snapshot], policy: Policy, choice: st.DataObject
) -> None:
    """Seen red: whatever a count rule kept before 0.16 is owed, and its loss is noticed."""
    promises = Promises(policy, ZONE)
    for snapshot in history:
        promises.record(group_key(snapshot, ("host", "paths")), snapshot)
    group = choice.draw(st.sampled_from(forget(history, policy, "0.14.0").groups))
    gone = choice.draw(st.integers(0, len(group.keep) - 1))
    keep = group.keep[:gone] + group.keep[gone + 1 :]
    short = replace(group, keep=keep, reasons=group.reasons[: len(keep)])

    assert list(promises.check(None, short))
    assert not list(promises.check(None, group))


def test_policy_of_every_rule_is_drawn() -> None:
    """The strategies cover every field of a policy, so no rule escapes the laws."""
    drawn = {"last", "hourly", "daily", "weekly", "monthly", "yearly", "tags"}
    drawn |= {
        f"within{rule}" for rule in ("", "_hourly", "_daily", "_weekly", "_monthly", "_yearly")
    }

    assert drawn == {f.name for f in fields(Policy)}
