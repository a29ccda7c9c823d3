"""What is guessed of a policy and a schedule, held against those that made the snapshots."""

from __future__ import annotations

import random
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from verifier.core.policy import UNLIMITED, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.calendar import instant_of
from verifier.retention.decide import GROUP_BY, Forget, group_key, newest_first
from verifier.retention.guess.evidence import find_absent
from verifier.retention.guess.habit import Habit, find_habit, slots
from verifier.retention.guess.policy import PolicyGuess, guess_policy
from verifier.retention.guess.zone import ZoneGuess, by_offsets
from verifier.retention.rules import Rules, rules_for

DAY = timedelta(days=1)
PACIFIC = ZoneInfo("America/Los_Angeles")
START = date(2024, 1, 1)
OLD, NEW = rules_for("0.14.0"), rules_for("0.18.0")


@cache
def zones() -> dict[str, tzinfo]:
    """Return every zone of the tz database."""
    odd = {"Factory", "localtime", "posixrules"}
    return {name: ZoneInfo(name) for name in zoneinfo.available_timezones() - odd}


def made(
    days: int,
    times: Sequence[time] = (time(4),),
    *,
    start: date = START,
    zone: tzinfo = PACIFIC,
    stored: tzinfo | None = None,
    host: str = "web1",
    late_s: int = 20,
    missed: Iterable[int] = (),
    every: int = 1,
) -> list[Snapshot]:
    """Return the snapshots that a schedule makes, oldest first.

    Args:
        stored: the zone in whose offsets they are dated; the schedule's own where none is given.
        late_s: seconds after the schedule's time.
        missed: numbers of runs that did not take place.
    """
    due = [
        instant_of(datetime.combine(start + number * DAY, at), zone)
        for number in range(0, days, every)
        for at in times
    ]
    skipped = set(missed)
    return [
        Snapshot(
            f"{host}{n:05}",
            (at + timedelta(seconds=late_s)).astimezone(stored or zone),
            host,
            ("/etc", "/srv"),
        )
        for n, at in enumerate(due)
        if at is not None and n not in skipped
    ]


def survivors(snapshots: Sequence[Snapshot], policy: Policy, rules: Rules) -> list[Snapshot]:
    """Return what is left when `forget` runs after each backup, newest first."""
    forget, left = Forget(policy, rules), ()
    for snapshot in snapshots:
        left = newest_first((snapshot, *left))
        left = forget.decide(group_key(snapshot, GROUP_BY), left, snapshot.taken_at + DAY).keep
    return list(left)


def habit(times: Sequence[time] = (time(4),), zone: tzinfo = PACIFIC, every: int = 1) -> Habit:
    """Return a schedule as it would be found."""
    return Habit(tuple(times), ZoneGuess("x", zone), every, 1.0, timedelta(0), timedelta(0), 7)


def guessed(
    everything: Sequence[Snapshot], policy: Policy, rules: Rules, of: Habit | None = None
) -> tuple[list[Snapshot], PolicyGuess]:
    """Return what is left, and what is guessed from that alone."""
    left = survivors(everything, policy, rules)
    group = find_absent(left, of or habit(), PACIFIC, everything[0].taken_at)
    return left, guess_policy([group], GROUP_BY, rules)


EXAMPLE = Policy(daily=30, weekly=5, monthly=12, yearly=10)


@pytest.mark.parametrize("rules", [OLD, NEW], ids=["0.14.0", "0.18.0"])
@pytest.mark.parametrize(
    ("policy", "days"),
    [
        (Policy(daily=30, weekly=8, monthly=12), 500),
        (Policy(daily=30, weekly=8, monthly=12, yearly=10), 1_500),
        (Policy(daily=7, weekly=4, monthly=6), 400),
        (Policy(daily=14), 100),
        (Policy(daily=9, monthly=17), 700),
        (Policy(weekly=8), 200),
    ],
)
def test_the_policy_that_made_them_is_found(policy: Policy, days: int, rules: Rules) -> None:
    _, found = guessed(made(days), policy, rules)

    assert (policy, 0, True) == (found.policy, found.missed, found.exact)


@pytest.mark.parametrize(
    ("rules", "shown"),
    [(OLD, Policy(daily=30, monthly=12)), (NEW, Policy(daily=30, monthly=12, yearly=10))],
    ids=["0.14.0", "0.18.0"],
)
def test_a_rule_that_keeps_nothing_by_itself_is_not_seen(rules: Rules, shown: Policy) -> None:
    """Five weeks lie within thirty days; years show where the oldest snapshot is kept for them."""
    _, found = guessed(made(400), EXAMPLE, rules)

    assert (shown, 0, True) == (found.policy, found.missed, found.exact)


def test_runs_that_were_missed_do_not_mislead() -> None:
    gone = [*range(60, 70), 200, 371, 390, 391, 398]
    left, found = guessed(made(400, missed=gone), EXAMPLE, NEW)

    assert found.exact
    assert (30, 12) == (found.policy.daily, found.policy.monthly)
    assert 0 < found.missed <= len(gone)
    assert len(left) == found.snapshots


def test_hours_and_the_last_ones_are_found_beside_days() -> None:
    hours = [time(hour) for hour in range(24)]
    policy = Policy(hourly=24, daily=7, weekly=4)
    _, found = guessed(made(90, hours), policy, NEW, habit(hours))

    assert (policy, True) == (found.policy, found.exact)
    twice = [time(4), time(16)]
    policy = Policy(last=10, daily=14)
    _, found = guessed(made(90, twice), policy, NEW, habit(twice))
    assert (policy, True) == (found.policy, found.exact)


def test_where_nothing_was_removed_everything_is_kept() -> None:
    _, new = guessed(made(25), EXAMPLE, NEW)
    _, old = guessed(made(25), EXAMPLE, OLD)

    assert (Policy(last=UNLIMITED), ()) == (new.policy, new.ranges)
    assert Policy(last=100_000) == old.policy


def test_what_the_history_cannot_show_is_left_open() -> None:
    """Of yearly ones there is one year's end, so that any count above would do."""
    _, found = guessed(made(400), EXAMPLE, NEW)
    ranges = {one.rule: (one.least, one.most) for one in found.ranges}

    assert ranges["daily"] == (30, 30) or ranges["daily"][1] == 30
    assert ranges["yearly"][1] is None


def test_how_the_oldest_is_kept_is_found_out() -> None:
    """By the snapshots alone, where the release that is here is another one than forgot there."""
    left = survivors(made(300), Policy(daily=7, yearly=3), NEW)
    group = find_absent(left, habit(), PACIFIC)
    found = guess_policy([group], GROUP_BY, OLD)

    assert (True, True, 0) == (found.oldest_kept, found.exact, found.missed)


def test_hosts_share_one_policy() -> None:
    """One shows the days, and the other, which is older, the months."""
    groups = []
    for host, days in (("web1", 50), ("db1", 500)):
        everything = made(days, host=host, start=START + (500 - days) * DAY)
        left = survivors(everything, EXAMPLE, NEW)
        groups.append(find_absent(left, habit(), PACIFIC, everything[0].taken_at))
    found = guess_policy(groups, GROUP_BY, NEW)

    assert (30, 12, True) == (found.policy.daily, found.policy.monthly, found.exact)


counts = st.one_of(st.just(0), st.integers(1, 45))
policies = st.builds(
    Policy,
    last=st.one_of(st.just(0), st.just(0), st.integers(1, 20)),
    daily=counts,
    weekly=st.one_of(st.just(0), st.integers(1, 12)),
    monthly=st.one_of(st.just(0), st.integers(1, 15)),
    yearly=st.one_of(st.just(0), st.integers(1, 5)),
)


@given(
    policy=policies,
    days=st.integers(61, 420),
    twice=st.booleans(),
    old=st.booleans(),
    start=st.dates(date(2020, 1, 1), date(2024, 12, 31)),
)
def test_the_guess_leaves_what_is_there(
    policy: Policy, days: int, twice: bool, old: bool, start: date
) -> None:
    """Run from the first backup on, the guess ends with just the same snapshots.

    Not so where nothing shows that something was removed, and everything is kept.
    """
    assume(bool(policy))
    rules = OLD if old else NEW
    times = [time(4), time(16)] if twice else [time(4)]
    everything = made(days, times, start=start)
    left, found = guessed(everything, policy, rules, habit(times))
    again = survivors(everything, found.policy, replace(rules, oldest_kept=found.oldest_kept))

    assert found.exact
    if found.ranges:
        assert [s.id for s in left] == [s.id for s in again]
    else:
        assert found.removed == 0


@given(
    policy=policies,
    days=st.integers(61, 420),
    seed=st.integers(0, 1 << 16),
    share=st.floats(0.0, 0.2),
)
def test_the_guess_decides_alike_in_spite_of_missed_runs(
    policy: Policy, days: int, seed: int, share: float
) -> None:
    """Over what really took place, and again when the next backup has been made."""
    assume(bool(policy))
    drawn = random.Random(seed)
    gone = [number for number in range(days - 1) if drawn.random() < share]
    everything = made(days, missed=gone)
    left, found = guessed(everything, policy, NEW)
    by_truth, by_guess = Forget(policy, NEW), Forget(found.policy, NEW)
    key, now = group_key(left[0], GROUP_BY), left[0].taken_at + DAY

    assert (
        by_truth.decide(key, tuple(left), now).keep == by_guess.decide(key, tuple(left), now).keep
    )
    assert found.exact
    assert found.missed <= len(gone)


# Schedules.


@pytest.mark.parametrize(
    ("zone", "stored"),
    [
        ("America/Los_Angeles", None),
        ("Europe/Berlin", None),
        ("UTC", None),
        ("Asia/Kolkata", None),
        ("America/Los_Angeles", UTC),
        ("Europe/Berlin", UTC),
    ],
)
def test_the_schedule_is_found_by_its_times(zone: str, stored: tzinfo | None) -> None:
    """Also where the hosts store UTC, so that the schedule's zone shows in its times alone."""
    own = ZoneInfo(zone)
    hosts = {
        host: newest_first(made(330, zone=own, stored=stored, host=host, late_s=late))
        for host, late in (("web1", 15), ("db1", 400))
    }
    found = find_habit(hosts, zones(), ())

    expected = [s.taken_at for s in made(330, zone=own, late_s=0)]
    named = list(slots(found, expected[0] + timedelta(hours=1), expected[-1] + timedelta(hours=1)))

    assert (1, 1.0) == (found.every_days, found.regular)
    assert expected == named[-330:]
    assert timedelta(seconds=15) == found.earliest
    # Berlin's four o'clock is London's three, where only UTC is stored.
    assert stored is not None or zone in {found.zone.name, *found.zone.same}


def test_several_times_a_day_are_found() -> None:
    twice = [time(1, 30), time(13, 30)]
    hours = [time(hour, 10) for hour in range(0, 24, 2)]
    for times in (twice, hours):
        left = survivors(made(60, times), Policy(last=20, daily=30), NEW)

        assert tuple(times) == find_habit({"web1": left}, zones(), ()).times


def test_a_backup_by_hand_is_no_schedule() -> None:
    snapshots = made(60)
    extra = replace(snapshots[50], id="by hand", taken_at=snapshots[50].taken_at + DAY / 3)

    assert (time(4),) == find_habit({"web1": newest_first([*snapshots, extra])}, zones(), ()).times


@pytest.mark.parametrize("every", [2, 7])
def test_days_between_backups_are_found(every: int) -> None:
    found = find_habit({"web1": newest_first(made(200, every=every))}, zones(), ())

    assert (every, (time(4),)) == (found.every_days, found.times)


def test_zones_that_cannot_be_told_apart_are_named() -> None:
    winter = [s.taken_at for s in made(60)]
    whole = [s.taken_at for s in made(330)]
    short, long = by_offsets(winter, zones()), by_offsets(whole, zones())

    assert short is not None
    assert long is not None
    assert ("America/Los_Angeles", False, True) == (
        short.name,
        short.changed,
        "Etc/GMT+8" in short.same,
    )
    assert ("America/Los_Angeles", True, False) == (
        long.name,
        long.changed,
        "Etc/GMT+8" in long.same,
    )
    near = by_offsets(whole, zones(), ("America/Vancouver",))
    assert near is not None
    assert "America/Vancouver" == near.name


def test_offsets_that_no_zone_has_are_no_zone() -> None:
    odd = [
        s.taken_at.astimezone(ZoneInfo("Asia/Tokyo" if n % 2 else "UTC"))
        for n, s in enumerate(made(60))
    ]

    assert by_offsets(odd, zones()) is None
    assert find_habit(
        {
            "web1": [
                replace(s, taken_at=at)
                for s, at in zip(newest_first(made(60)), reversed(odd), strict=True)
            ]
        },
        zones(),
        (),
    ).times
