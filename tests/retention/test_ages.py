"""A host that is late, stopped, empty or unknown is told; one that is on time is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from verifier.core.snapshot import Snapshot
from verifier.retention.ages import check_ages, host_ages

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


def kinds(*hours: float, hosts: tuple[str, ...] = ("web1",), name: str = "web1") -> dict[str, str]:
    snapshots = [Snapshot(f"{h}", NOW - timedelta(hours=h), name, ("/srv",)) for h in hours]
    ages = host_ages(snapshots, now=NOW, hosts=hosts)
    found = check_ages(ages, warn_age=timedelta(hours=24), alarm_age=timedelta(hours=28))
    return {finding.subject: finding.kind for finding in found}


@pytest.mark.parametrize(
    ("hours", "kind"), [(0, None), (24, None), (24.1, "late"), (28, "late"), (28.1, "stopped")]
)
def test_age_of_the_newest_decides(hours: float, kind: str | None) -> None:
    assert ({"web1": kind} if kind else {}) == kinds(hours, 100, 200)


def test_future_snapshot_hides_no_stopped_host() -> None:
    assert {"web1": "stopped"} == kinds(-5, 100)


def test_expected_host_without_a_snapshot_is_empty() -> None:
    assert {"db1": "empty"} == kinds(1, hosts=("web1", "db1"))


def test_snapshots_that_are_not_believed_are_told() -> None:
    forged = [Snapshot(f"{n}", NOW - timedelta(days=n), "web1", ("/srv",)) for n in range(12)]
    ages = host_ages([], now=NOW, hosts=("web1", "db1"), doubted=forged)
    told = check_ages(ages, warn_age=timedelta(hours=24), alarm_age=timedelta(hours=28))
    web1, db1 = told

    assert "the repository holds no snapshot of it whose date is believed, and 12" in web1.detail
    assert {"doubted": 12} == web1.evidence
    assert db1.detail.endswith("the repository holds no snapshot of it")


def test_snapshot_from_the_future_alone_is_one_that_is_not_believed() -> None:
    ahead = Snapshot("a", NOW + timedelta(hours=5), "web1", ("/srv",))
    (age,) = host_ages([ahead], now=NOW, hosts=("web1",))

    assert (None, 1) == (age.newest, age.doubted)


def test_host_that_nobody_expects_is_frozen() -> None:
    assert {"old": "frozen-group", "web1": "empty"} == kinds(1, name="old")
