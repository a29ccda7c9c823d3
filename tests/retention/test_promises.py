"""Promises go red: whatever a policy owes and forget took is a finding; health is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.finding import Finding
from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.checks import Promises

KEY = GroupKey("web1", ("/srv",))
ZONE = ZoneInfo("America/Los_Angeles")
START = datetime(2024, 1, 1, 4, tzinfo=timezone(timedelta(hours=-8)))
HISTORY = [Snapshot(str(day), START + timedelta(days=day), "web1", ("/srv",)) for day in range(100)]


def findings(
    policy: Policy, gone: set[str], history: list[Snapshot] | None = None
) -> list[Finding]:
    """Check the policy's promises on a history from which some snapshots were taken."""
    promises = Promises(policy, ZONE)
    received = HISTORY if history is None else history
    for snapshot in received:
        promises.record(KEY, snapshot)
    newest = max(received, key=lambda s: s.taken_at)
    keep = tuple(s for s in sorted(received, key=lambda s: s.taken_at)[::-1] if s.id not in gone)
    decision = GroupDecision(KEY, keep, (("last snapshot",),) * len(keep), ())
    return list(promises.check(newest, decision))


def kinds(found: list[Finding]) -> set[str]:
    return {finding.kind for finding in found}


def test_newest_gone_is_seen() -> None:
    assert {"newest-removed"} == kinds(findings(Policy(), {"99"}))
    assert [] == findings(Policy(), set())


@pytest.mark.parametrize(
    ("policy", "owed"),
    [
        (Policy(last=3), "97"),
        (Policy(hourly=3), "97"),
        (Policy(daily=30), "70"),
        (Policy(weekly=2), "97"),
        (Policy(monthly=2), "90"),
        (Policy(yearly=2), "99"),
        (Policy(daily=UNLIMITED), "0"),
        (Policy(within=Duration(days=10)), "90"),
        (Policy(within_daily=Duration(days=10)), "90"),
        (Policy(within_monthly=Duration(months=2)), "59"),
    ],
)
def test_each_rule_owes_its_keepers(policy: Policy, owed: str) -> None:
    assert "promise-broken" in kinds(findings(policy, {owed}))
    assert "promise-broken" not in kinds(findings(policy, set()))


def test_what_is_not_owed_may_go() -> None:
    assert [] == [f for f in findings(Policy(daily=30), {"69"}) if f.kind != "over-bound"]


def test_more_than_the_bound_is_seen() -> None:
    assert "over-bound" in kinds(findings(Policy(daily=30), set()))
    assert "over-bound" not in kinds(findings(Policy(daily=30), {str(day) for day in range(70)}))


def test_an_import_out_of_order_owes_what_it_should() -> None:
    shuffled = [HISTORY[day] for day in (50, 10, 99, 98, 3, 97, 60)]

    assert "promise-broken" in kinds(findings(Policy(daily=3), {"97"}, shuffled))
    assert "promise-broken" not in kinds(findings(Policy(daily=3), {"60", "3"}, shuffled))


def test_the_newest_of_a_day_is_owed_and_not_the_first() -> None:
    later = replace(HISTORY[99], id="later", taken_at=HISTORY[99].taken_at + timedelta(hours=3))

    assert "promise-broken" in kinds(findings(Policy(daily=3), {"later"}, [*HISTORY, later]))
    assert "promise-broken" not in kinds(findings(Policy(daily=3), {"99"}, [*HISTORY, later]))
