"""Every surprise is found where it is, and not where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import decide
from verifier.retention.rules import rules_for
from verifier.retention.surprises import surprises

LA = ZoneInfo("America/Los_Angeles")
PRODUCTION = Policy(daily=30, weekly=5, monthly=12, yearly=10)
START = datetime(2024, 1, 1, 4, tzinfo=LA)


def daily(
    days: Iterable[int],
    host: str = "web1",
    paths: tuple[str, ...] = ("/srv",),
    zone: ZoneInfo | timezone | None = None,
    hour: int = 4,
) -> list[Snapshot]:
    """Make one snapshot on each of these days since START, with the offset that a zone has then."""
    found = []
    for day in days:
        wall = (START.replace(hour=hour) + timedelta(days=day)).astimezone(zone or LA)
        taken_at = wall.astimezone(timezone(wall.utcoffset() or timedelta()))
        found.append(Snapshot(f"{host}{paths}{day}", taken_at, host, paths))
    return found


def found_in(
    snapshots: list[Snapshot], policy: Policy = PRODUCTION, release: str = "0.18.0", days: int = 100
) -> list[Finding]:
    now = START + timedelta(days=days)
    rules = rules_for(release)
    decision = decide(snapshots, policy, rules, now=now, zone=LA)
    return list(surprises(decision, policy, rules, now=now, reader_zone=LA))


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


HEALTHY = daily(range(400))


def test_a_healthy_history_of_old_restic_surprises_nobody() -> None:
    assert [] == found_in(HEALTHY, release="0.14.0", days=400)


def test_the_oldest_snapshot_is_explained_from_0_16_on() -> None:
    for release in ("0.16.0", "0.17.0", "0.18.0", "0.19.1"):
        findings = found_in(HEALTHY, release=release, days=400)

        assert {"oldest-kept"} == kinds(findings)
        assert "oldest yearly" in findings[0].detail


def test_a_changed_path_freezes_the_old_group() -> None:
    changed = daily(range(50)) + daily(range(50, 100), paths=("/srv", "/etc"))
    frozen = [f for f in found_in(changed) if f.kind == "frozen-group"]

    assert ["web1 /srv"] == [f.subject for f in frozen]
    assert "/etc" in frozen[0].detail
    assert "frozen-group" not in kinds(found_in(daily(range(100))))


def test_a_host_that_stopped_freezes_its_group() -> None:
    both = daily(range(100)) + daily(range(40), host="old1")

    assert ["old1 /srv"] == [f.subject for f in found_in(both) if f.kind == "frozen-group"]
    assert "frozen-group" not in kinds(found_in(daily(range(100)) + daily(range(99), host="old1")))


def test_a_weekly_host_beside_daily_ones_is_not_frozen() -> None:
    assert "frozen-group" not in kinds(
        found_in(daily(range(100)) + daily(range(0, 95, 7), host="nas"))
    )


def test_a_future_snapshot_is_told() -> None:
    future = [
        f for f in found_in([*daily(range(100)), *daily([2_000])]) if f.kind == "future-snapshot"
    ]

    assert 1 == len(future)
    assert "future-snapshot" not in kinds(found_in(daily(range(100))))


def test_a_back_dated_snapshot_is_told() -> None:
    honest = [replace(s, made_at=s.taken_at) for s in daily(range(100))]
    attack = replace(honest[50], id="attack", made_at=honest[99].taken_at)

    assert "back-dated" in kinds(found_in([*honest, attack]))
    assert "back-dated" not in kinds(found_in(honest))


def test_another_day_boundary_is_told() -> None:
    container = daily(range(60), zone=timezone.utc, hour=20)  # noqa: UP017 - a fixed offset as restic stores it
    told = [f for f in found_in(container, days=61) if f.kind == "day-boundary"]

    assert 1 == len(told)
    assert "20:00" in told[0].detail
    assert "day-boundary" not in kinds(found_in(daily(range(60), hour=20), days=61))


def test_daylight_saving_alone_is_no_mixture_of_offsets() -> None:
    assert "mixed-offsets" not in kinds(found_in(HEALTHY, days=400))
    moved = daily(range(50)) + daily(range(50, 100), zone=ZoneInfo("Asia/Kolkata"))
    assert "mixed-offsets" in kinds(found_in(moved))


def test_daily_counts_days_that_have_snapshots() -> None:
    outage = daily([*range(60), *range(80, 100)])
    stretched = [f for f in found_in(outage) if f.kind == "stretched-days"]

    assert {"reach_days": 50, "days_without": 20} == stretched[0].evidence
    assert "stretched-days" not in kinds(found_in(daily(range(100))))


@pytest.mark.parametrize(
    ("release", "kind"), [("0.14.0", "group-wiped"), ("0.18.0", "forget-refused")]
)
def test_a_policy_that_empties_a_group_is_told(release: str, kind: str) -> None:
    policy = Policy(tags=(("keep",),))
    tagged = [replace(s, tags=("keep",)) for s in daily(range(100))]

    assert kind in kinds(found_in(daily(range(100)), policy, release))
    assert kind not in kinds(found_in(tagged, policy, release))


def test_now_in_utc_changes_nothing() -> None:
    now = (START + timedelta(days=400)).astimezone(UTC)
    rules = rules_for("0.14.0")
    decision = decide(HEALTHY, PRODUCTION, rules, now=now, zone=LA)

    assert () == surprises(decision, PRODUCTION, rules, now=now, reader_zone=LA)
