"""The timer's instants, held against systemd's own calendar."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from verifier.cycle.coordinator import fire_times

PACIFIC = ZoneInfo("America/Los_Angeles")
START = date(2024, 1, 1)
DAYS = 400

MACHINES = ("UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Apia")


@contextmanager
def machine_zone(monkeypatch: pytest.MonkeyPatch, zone: str) -> Iterator[None]:
    """Let the machine live in a zone."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        yield
    time.tzset()


def systemd_times(at: str, zone: str, start: date, days: int) -> list[datetime]:
    """Ask systemd for the instants of one time of day."""
    midnight = datetime(start.year, start.month, start.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    base = midnight - timedelta(seconds=1)
    printed = subprocess.run(
        [
            "systemd-analyze",
            "calendar",
            f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC",
            f"--iterations={days}",
            f"*-*-* {at}:00 {zone}",
        ],
        check=True,
        capture_output=True,
        text=True,
        env={"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    ).stdout
    found = [
        datetime.strptime(line.rsplit(": ", 1)[1], "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        for line in printed.splitlines()
        if "Next elapse:" in line or "Iter. #" in line
    ]
    end = start + timedelta(days=days)
    return [instant for instant in found if instant.astimezone(ZoneInfo(zone)).date() < end]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize(
    ("at", "zone", "start", "days"),
    [
        ("04:00", "America/Los_Angeles", START, DAYS),
        ("02:30", "America/Los_Angeles", START, DAYS),
        ("01:30", "America/Los_Angeles", START, DAYS),
        ("00:00", "America/Los_Angeles", START, DAYS),
        ("23:59", "Asia/Kolkata", START, 100),
        ("00:00", "America/Sao_Paulo", date(2018, 10, 1), 60),
        ("00:30", "America/Sao_Paulo", date(2018, 1, 1), 60),
        ("00:30", "Asia/Beirut", date(2023, 3, 1), 60),
        ("02:15", "Australia/Lord_Howe", date(2024, 9, 1), 60),
        ("12:00", "Pacific/Apia", date(2011, 12, 1), 60),
    ],
)
def test_the_timer_fires_when_systemd_does(at: str, zone: str, start: date, days: int) -> None:
    ours = fire_times([at], ZoneInfo(zone), start, days)

    assert systemd_times(at, zone, start, days) == [instant.astimezone(UTC) for instant in ours]


@pytest.mark.parametrize(
    ("at", "day", "expected"),
    [
        ("04:00", date(2024, 3, 10), ["2024-03-10T04:00:00-07:00"]),
        ("04:00", date(2024, 11, 3), ["2024-11-03T04:00:00-08:00"]),
        ("02:30", date(2024, 3, 10), []),
        ("01:30", date(2024, 11, 3), ["2024-11-03T01:30:00-07:00"]),
    ],
)
def test_daylight_saving_skips_and_never_repeats(at: str, day: date, expected: list[str]) -> None:
    assert expected == [instant.isoformat() for instant in fire_times([at], PACIFIC, day, 1)]


@pytest.mark.parametrize("zone", MACHINES)
@pytest.mark.parametrize("at", ["04:00", "01:30", "02:30", "00:00"])
def test_the_machines_own_zone_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, zone: str, at: str
) -> None:
    expected = fire_times([at], PACIFIC, START, DAYS)

    with machine_zone(monkeypatch, zone):
        found = fire_times([at], PACIFIC, START, DAYS)

    assert expected == found


def test_several_times_a_day_are_in_order() -> None:
    found = fire_times(["16:00", "04:00", "04:00"], PACIFIC, START, 2)

    assert ["04:00", "16:00", "04:00", "16:00"] == [f"{at:%H:%M}" for at in found]
    assert sorted(found) == list(found)


def test_every_day_is_fired_on_but_the_skipped() -> None:
    days = {at.date() for at in fire_times(["02:30"], PACIFIC, START, DAYS)}

    expected = {START + timedelta(days=n) for n in range(DAYS)}
    assert {date(2024, 3, 10)} == expected - days


def test_no_days_are_no_instants() -> None:
    assert () == fire_times(["04:00"], PACIFIC, START, 0)


def test_the_clock_goes_on_afterwards() -> None:
    before = datetime.now(UTC)  # noqa: TID251 - it is this that must not stay frozen
    fire_times(["04:00"], PACIFIC, START, 3)

    assert datetime.now(UTC) >= before  # noqa: TID251
    assert datetime.__module__ == "datetime"


def test_instants_are_plain_and_carry_their_zone() -> None:
    (found,) = fire_times(["04:00"], PACIFIC, START, 1)

    assert (datetime, PACIFIC) == (type(found), found.tzinfo)
