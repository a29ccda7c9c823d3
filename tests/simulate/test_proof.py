"""What the proof says of survivors, ages and gaps is what is there."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.simulate.lab import run, timeline
from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.snapshot import Snapshot
from verifier.simulate.proof import AGES_DAYS, group_section, recovery
from verifier.simulate.timeline import History

NOW = datetime(2024, 6, 1, 4, 3, tzinfo=UTC)
DAY_S = 86_400


def taken(*days_ago: float) -> list[Snapshot]:
    times = [NOW - timedelta(days=days) for days in days_ago]
    return [Snapshot(at.isoformat(), at, "web1", ("/srv",)) for at in times]


def losses(*days_ago: float, first_days_ago: float = 40) -> dict[int, float | None]:
    first_at = NOW - timedelta(days=first_days_ago)
    points: Any = recovery(taken(*days_ago), first_at, NOW)
    return {point["age_days"]: point["loss_s"] for point in points}


def test_a_restore_point_of_that_very_age_loses_nothing() -> None:
    found = losses(*range(41))

    assert [1, 2, 3, 5, 7, 10, 14, 21, 30] == list(found)
    assert {0} == set(found.values())


def test_the_loss_goes_back_to_the_newest_point_not_younger() -> None:
    assert {1: 0.5 * DAY_S, 2: 2 * DAY_S, 3: DAY_S} == losses(0.5, 1.5, 4, first_days_ago=4)


def test_where_all_of_that_age_is_gone_there_is_no_point() -> None:
    assert {1: 0, 2: 0, 3: None} == losses(0, 1, 2, first_days_ago=4)


def test_no_age_is_promised_before_the_first_snapshot() -> None:
    assert {} == losses(0, first_days_ago=0)
    assert max(AGES_DAYS) == max(losses(5_000, first_days_ago=5_000))
    assert [] == recovery([], None, NOW)


def groups(line: str) -> dict[str, dict[str, Any]]:
    report = timeline(run(f"--fidelity model --days 60 --restic 0.18.0 {line}"))
    return {f"{group['host']}:{','.join(group['paths'])}": group for group in report["groups"]}


def gaps(line: str) -> dict[str, float]:
    return {name.split(":")[0]: group["worst_gap_s"] for name, group in groups(line).items()}


def test_the_worst_gap_is_an_outage() -> None:
    assert {"web1": DAY_S, "db1": 5 * DAY_S, "mail1": DAY_S} == gaps(
        "--down db1@2024-01-10..2024-01-13"
    )


def test_an_outage_that_never_ends_is_a_gap_too() -> None:
    found = gaps("--down db1@2024-01-10..2024-12-31")

    assert 51 * DAY_S <= found["db1"] < 52 * DAY_S
    assert DAY_S == found["web1"]


def test_a_group_that_its_host_left_has_no_gap_after_it() -> None:
    found = groups("--change-paths db1@2024-01-20=/srv")

    assert DAY_S == found["db1:/srv"]["worst_gap_s"]
    assert DAY_S == found["db1:/etc,/var/backups/postgresql"]["worst_gap_s"]


@pytest.mark.parametrize(
    ("release", "count", "note"),
    [
        ("0.14.0", 40, "before 0.16 the very first snapshot of a group is not kept"),
        ("0.17.0", 41, "since 0.16 the very first snapshot of a group stays as `oldest yearly"),
        ("0.18.0", 41, "since 0.16 the very first snapshot of a group stays as `oldest yearly"),
    ],
)
def test_the_oldest_snapshot_is_noted_as_the_release_has_it(
    release: str, count: int, note: str
) -> None:
    section = timeline(run(f"--fidelity model --restic {release}"))
    oldest = [s for s in section["survivors"] if s["time"].startswith("2024-01-01")]

    assert {count} == {group["survivors"] for group in section["groups"]}
    assert any(f"{count} snapshots a group" in told and note in told for told in section["notes"])
    assert bool(oldest) == (release != "0.14.0")


def test_where_the_oldest_has_a_reason_of_its_own_nothing_is_noted() -> None:
    section = timeline(run("--fidelity model --restic 0.18.0 --days 5 --keep-daily 30"))

    assert not [note for note in section["notes"] if "oldest" in note]


@pytest.mark.parametrize(("monthly", "noted"), [(2, False), (12, True)])
def test_where_every_count_is_used_up_releases_do_not_differ(monthly: int, noted: bool) -> None:
    line = f"--fidelity model --days 90 --keep-daily 7 --keep-monthly {monthly} --restic"
    old, new = (timeline(run(f"{line} {release}")) for release in ("0.14.0", "0.18.0"))

    assert noted is any("the very first snapshot" in note for note in old["notes"])
    assert noted is (len(old["survivors"]) < len(new["survivors"]))


def test_invariants_count_what_was_checked() -> None:
    section = timeline(run("--fidelity model --days 10 --restic 0.18.0 --keep-last 2"))
    tallies = {t["name"]: (t["checked"], t["violated"]) for t in section["invariants"]}

    assert {"newest-kept": (30, 0), "last-kept": (30, 0), "bounded": (30, 0)} == tallies


def test_steps_add_up() -> None:
    section = timeline(run("--fidelity model --days 50 --restic 0.18.0 --keep-daily 3"))
    made = sum(len(step["created"]) for step in section["steps"])
    gone = sum(len(step["removed"]) for step in section["steps"])

    assert (150, 9) == (made, section["steps"][-1]["kept"])
    assert len(section["survivors"]) == made - gone
    assert date(2024, 1, 1).isoformat() == section["first"][:10]


def test_group_that_nobody_expected_has_no_gap() -> None:
    """A snapshot that the model knows nothing of is a finding, and no reason to stop."""
    found = GroupDecision(GroupKey("web1", ("/srv",)), tuple(taken(1)), (("last snapshot",),), ())
    section = group_section(found, {found.key: History()}, None, NOW)

    assert (1, None, []) == (section["survivors"], section["worst_gap_s"], section["recovery"])
