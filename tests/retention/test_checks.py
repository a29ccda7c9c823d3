"""Each invariant's tally goes red for what it promises, for nothing else, and counts every look.

`test_promises` holds the findings; here are the tallies, unlimited counts, ties, and arrivals out
of order.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.histories import count_policies, histories
from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.finding import Finding
from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.checks import Promises, Tally, policy_bound
from verifier.retention.decide import decide, newest_first
from verifier.retention.rules import rules_for

KEY = GroupKey("web1", ("/srv",))
ZONE = ZoneInfo("America/Los_Angeles")
PST = timezone(timedelta(hours=-8))
START = datetime(2023, 1, 1, 4, tzinfo=PST)


def taken(at: datetime, name: str = "") -> Snapshot:
    return Snapshot(name or at.isoformat(), at, "web1", ("/srv",))


DAILY = [taken(START + timedelta(days=day)) for day in range(500)]
HOURLY = [taken(START + timedelta(hours=hour)) for hour in range(100)]


def judged(
    policy: Policy, received: list[Snapshot], gone: set[Snapshot]
) -> tuple[dict[str, Tally], list[Finding]]:
    """Check once, with everything alive that is not gone."""
    promises = Promises(policy, ZONE)
    for snapshot in received:
        promises.record(KEY, snapshot)
    keep = newest_first(s for s in received if s not in gone)
    decision = GroupDecision(KEY, keep, (("",),) * len(keep), ())
    newest = max(received, key=lambda snapshot: snapshot.taken_at)
    found = list(promises.check(newest, decision))
    return {tally.name: tally for tally in promises.tallies()}, found


def red(policy: Policy, received: list[Snapshot], gone: set[Snapshot]) -> set[str]:
    """Return the invariants that are violated, bounds aside."""
    tallies, _ = judged(policy, received, gone)
    assert {1} == {tally.checked for tally in tallies.values()}
    return {name for name, tally in tallies.items() if tally.violated} - {"bounded"}


def on(history: list[Snapshot], *instants: str) -> set[Snapshot]:
    """Return the snapshots whose time begins with one of these."""
    found = {s for s in history if any(s.taken_at.isoformat().startswith(at) for at in instants)}
    assert found
    return found


CASES: dict[str, tuple[Policy, list[Snapshot], str, str]] = {
    # Rule -> policy, history, a snapshot that is owed, and its neighbour that is not.
    "last": (Policy(last=3), DAILY, "2024-05-12", "2024-05-11"),
    "hourly": (Policy(hourly=3), HOURLY, "2023-01-05T05", "2023-01-05T04"),
    "daily": (Policy(daily=30), DAILY, "2024-04-15", "2024-04-14"),
    # 2024-05-12 is a Sunday, the last day of its ISO week.
    "weekly": (Policy(weekly=2), DAILY, "2024-05-12", "2024-05-11"),
    "monthly": (Policy(monthly=3), DAILY, "2024-03-31", "2024-03-30"),
    "yearly": (Policy(yearly=2), DAILY, "2023-12-31", "2023-12-30"),
    "within": (Policy(within=Duration(days=9)), DAILY, "2024-05-06", "2024-05-05"),
    "within-hourly": (
        Policy(within_hourly=Duration(hours=9)),
        HOURLY,
        "2023-01-04T23",
        "2023-01-04T22",
    ),
    "within-daily": (Policy(within_daily=Duration(days=9)), DAILY, "2024-05-06", "2024-05-05"),
    "within-weekly": (Policy(within_weekly=Duration(days=30)), DAILY, "2024-04-28", "2024-04-27"),
    "within-monthly": (
        Policy(within_monthly=Duration(months=3)),
        DAILY,
        "2024-02-29",
        "2024-02-28",
    ),
    "within-yearly": (Policy(within_yearly=Duration(years=1)), DAILY, "2023-12-31", "2023-12-30"),
}


@pytest.mark.parametrize("rule", CASES)
def test_each_tally_goes_red_for_what_its_rule_owes(rule: str) -> None:
    policy, history, owed, spare = CASES[rule]

    assert {f"{rule}-kept"} == red(policy, history, on(history, owed))
    assert set() == red(policy, history, on(history, spare))
    assert set() == red(policy, history, set())


@pytest.mark.parametrize("rule", CASES)
def test_only_the_newest_is_everybodys(rule: str) -> None:
    policy, history, _, _ = CASES[rule]
    violated = red(policy, history, {history[-1]})

    # A window ends at the newest survivor, so it goes red where something else is owed then.
    assert violated >= {"newest-kept"}
    assert violated - {"newest-kept"} <= {f"{rule}-kept"}


def test_every_rule_has_a_case() -> None:
    rules = {rule.name.replace("_", "-") for rule in fields(Policy)} - {"tags"}

    assert rules == CASES.keys()


@pytest.mark.parametrize("rule", ["last", "hourly", "daily", "weekly", "monthly", "yearly"])
def test_an_unlimited_count_owes_from_the_very_first(rule: str) -> None:
    policy = Policy(**{rule: UNLIMITED})
    first_of_its_bucket = {"weekly": "2023-01-01", "monthly": "2023-01-31", "yearly": "2023-12-31"}
    owed = on(DAILY, first_of_its_bucket.get(rule, "2023-01-01"))

    assert {f"{rule}-kept"} == red(policy, DAILY, owed)
    assert set() == red(policy, DAILY, set())
    assert policy_bound(policy) is None


def test_the_bound_goes_red_one_above() -> None:
    policy = Policy(daily=3, weekly=2)
    for count, violated in ((5, 0), (6, 1)):
        tallies, found = judged(policy, DAILY, set(DAILY[:-count]))

        assert violated == tallies["bounded"].violated
        assert violated == sum(finding.kind == "over-bound" for finding in found)


@pytest.mark.parametrize(
    ("policy", "bound"),
    [
        (Policy(daily=30, weekly=5, monthly=12, yearly=10), 57),
        (Policy(last=1, hourly=2), 3),
        (Policy(daily=UNLIMITED, weekly=5), None),
        (Policy(daily=3, within=Duration(days=1)), None),
        (Policy(daily=3, within_yearly=Duration(days=1)), None),
        (Policy(daily=3, tags=(("keep",),)), None),
        (Policy(), None),
    ],
    ids=str,
)
def test_the_bound_is_the_sum_of_the_counts_where_nothing_else_keeps(
    policy: Policy, bound: int | None
) -> None:
    assert bound == policy_bound(policy)


@given(st.permutations(range(20)), st.sampled_from([Policy(daily=5), Policy(weekly=2)]))
def test_the_order_of_arrival_changes_nothing(order: list[int], policy: Policy) -> None:
    history = DAILY[-20:]
    shuffled = [history[number] for number in order]
    for snapshot in history:
        assert red(policy, history, {snapshot}) == red(policy, shuffled, {snapshot})


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_snapshots_of_one_instant_either_may_go(turned: bool) -> None:
    """It is chance which of the two restic keeps; that both go is no chance."""
    twin = taken(DAILY[-1].taken_at, "twin")
    pair = [twin, DAILY[-1]] if turned else [DAILY[-1], twin]
    received = [*DAILY[-9:-1], *pair]

    for policy in (Policy(daily=3), Policy(last=1), Policy(within_daily=Duration(days=3))):
        assert set() == red(policy, received, {twin})
        assert set() == red(policy, received, {DAILY[-1]})
        assert "newest-kept" in red(policy, received, {DAILY[-1], twin})


def test_a_day_that_comes_back_by_its_offset_stays_among_the_last() -> None:
    """A traveller crosses the date line: his 2 January comes, then the 1st, then the 2nd again."""
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-11))
    noon = datetime(2024, 1, 2, 1, tzinfo=east)
    came = [noon, noon.astimezone(west) + timedelta(hours=1)]
    came += [datetime(2024, 1, day, 23, tzinfo=west) for day in (2, 3)]
    received = [taken(at) for at in came]

    assert ["02", "01", "02", "03"] == [f"{s.taken_at:%d}" for s in received]
    assert {"daily-kept"} == red(Policy(daily=2), received, {received[2]})
    assert set() == red(Policy(daily=2), received, set(received[:2]))


@given(histories(mixed_zones=False, hosts=("web1",)), count_policies)
def test_what_decide_keeps_breaks_no_promise(history: list[Snapshot], policy: Policy) -> None:
    """Followed snapshot by snapshot; and each single one taken away that is owed is missed."""
    rules, there = rules_for("0.18.0"), list[Snapshot]()
    promises = Promises(policy, UTC)
    for snapshot in history:
        there.append(snapshot)
        promises.record(KEY, snapshot)
        decision = decide(there, policy, rules, now=snapshot.taken_at, group_by=())
        (group,) = decision.groups
        there = list(group.keep)
        kept = GroupDecision(KEY, group.keep, group.reasons, group.remove)

        assert [] == list(promises.check(snapshot, kept))

    for snapshot, why in zip(group.keep, group.reasons, strict=True):
        keep = tuple(other for other in group.keep if other is not snapshot)
        taken_away = GroupDecision(KEY, keep, (("",),) * len(keep), ())
        owed = any(not reason.startswith("oldest ") for reason in why)

        assert owed == bool(list(promises.check(history[-1], taken_away)))


def test_a_group_that_never_received_anything_owes_nothing() -> None:
    promises = Promises(Policy(daily=3), UTC)

    assert [] == list(promises.check(None, GroupDecision(KEY, (), (), ())))
    assert {"newest-kept": 0, "bounded": 1, "daily-kept": 0} == {
        tally.name: tally.checked for tally in promises.tallies()
    }
