"""Dates that something contradicts, and what forget would do for them: restic #22057 acted out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.dating import (
    Forgetting,
    Suspect,
    Trace,
    check_dates,
    suspects,
    victims,
)
from verifier.retention.rules import rules_for

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(daily=7)
BY = Forgetting(POLICY, rules_for("0.18.0"), UTC, ("host", "paths"))
HONEST = [
    Snapshot(f"{day:064x}", NOW - timedelta(days=day, hours=8), "web1", ("/srv",), tree=f"{day}")
    for day in range(7)
]


def dated(at: datetime, made_at: datetime | None = None, name: str = "f") -> Snapshot:
    return Snapshot(name * 64, at, "web1", ("/srv",), tree="other", made_at=made_at)


def found(snapshots: list[Snapshot], traces: dict[str, Trace] | None = None) -> list[Suspect]:
    return list(suspects(snapshots, traces or {}, now=NOW))


def told(snapshots: list[Snapshot], traces: dict[str, Trace] | None = None) -> list[Finding]:
    suspected = found(snapshots, traces)
    lost = victims(snapshots, suspected, BY, now=NOW)
    return list(check_dates(suspected, lost, BY.group_by))


def test_honest_history_has_no_suspect() -> None:
    traces = {s.id: Trace(s.taken_at + timedelta(hours=5), HONEST[-1].id) for s in HONEST}

    assert [] == found(HONEST, traces)


@pytest.mark.parametrize(("minutes", "kinds"), [(5, []), (60, ["future-snapshot"])])
def test_clocks_may_differ_by_minutes(minutes: int, kinds: list[str]) -> None:
    ahead = dated(NOW + timedelta(minutes=minutes))

    assert kinds == [suspect.kind for suspect in found([*HONEST, ahead])]


OLD = NOW - timedelta(days=3)


@pytest.mark.parametrize(
    ("made_at", "trace", "why"),
    [
        (OLD + timedelta(days=2), Trace(), "its backup ran on"),
        (None, Trace(parent=HONEST[0].id), "it builds on the snapshot"),
        (None, Trace(changed_at=NOW - timedelta(hours=1)), "it holds a file that changed on"),
    ],
    ids=["backup_start", "parent", "ctime"],
)
def test_each_trace_gives_a_back_dated_snapshot_away(
    made_at: datetime | None, trace: Trace, why: str
) -> None:
    [suspect] = found([*HONEST, dated(OLD, made_at)], {"f" * 64: trace})

    assert "back-dated" == suspect.kind
    assert why in suspect.why


@pytest.mark.parametrize(
    ("made_at", "trace"),
    [
        (OLD + timedelta(minutes=50), Trace()),
        (None, Trace(parent="0" * 63 + "5")),
        (None, Trace(changed_at=OLD + timedelta(hours=20))),
        (None, Trace(changed_at=NOW + timedelta(days=900))),
        (None, Trace()),
    ],
    ids=["slow start", "older parent", "long backup", "wrong clock", "unknown"],
)
def test_ordinary_snapshots_are_believed(made_at: datetime | None, trace: Trace) -> None:
    assert [] == found([*HONEST, dated(OLD, made_at)], {"f" * 64: trace})


def test_other_content_at_the_same_instant_is_suspect() -> None:
    [suspect] = found([*HONEST, dated(HONEST[2].taken_at)])

    assert "back-dated" == suspect.kind


def test_same_content_at_the_same_instant_is_a_copy() -> None:
    assert [] == found([*HONEST, replace(HONEST[2], id="e" * 64)])


def test_future_snapshots_that_push_real_ones_out_are_told() -> None:
    ahead = [dated(NOW + timedelta(days=day), name=f"{day}") for day in (1, 2, 3)]
    [finding] = told([*HONEST, *ahead])

    assert "future-snapshot" == finding.kind
    assert {s.id for s in HONEST[4:]} == set(finding.evidence["forget_would_remove"])  # type: ignore[call-overload]


def test_back_dated_snapshot_that_replaces_the_newest_of_a_day_is_told() -> None:
    at = HONEST[2].taken_at + timedelta(hours=1)
    [finding] = told([*HONEST, dated(at, made_at=NOW)])

    assert "back-dated" == finding.kind
    assert [HONEST[2].id] == finding.evidence["forget_would_remove"]
    assert "run none before" in finding.detail


def test_what_forget_removes_anyway_is_nobodys_fault() -> None:
    old = replace(HONEST[-1], id="d" * 64, taken_at=NOW - timedelta(days=9))
    [finding] = told([*HONEST, old, dated(NOW - timedelta(days=400), made_at=NOW)])

    assert [] == finding.evidence["forget_would_remove"]


def test_harmless_wrong_date_is_still_told() -> None:
    [finding] = told([*HONEST[:3], dated(NOW - timedelta(days=400), made_at=NOW)])

    assert [] == finding.evidence["forget_would_remove"]
    assert "removes nothing for it" in finding.detail


def test_healthy_history_is_told_nothing() -> None:
    assert [] == told(HONEST)
