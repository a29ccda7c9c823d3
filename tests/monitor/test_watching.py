"""A look at many subjects: what each knows, what is told of it, and what those who hear it knew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.monitor.alerting import CONFIG, configured
from verifier.cycle.coordinator import fire_times
from verifier.monitor.alerts.rule import Dues, Rule
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import News
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.subjects import (
    VERIFIER,
    backup_dues,
    backup_rule,
    host_of,
    verification_dues,
    verification_rule,
    verifier_dues,
    verifier_rule,
)
from verifier.monitor.watching import Look, Told, Watched, look, next_at

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
MONDAY = datetime(2024, 3, 4, 4, tzinfo=UTC)
DUES = Dues([MONDAY + n * DAY for n in range(30)])
SUBJECT = "backup web1"


def good(at: datetime) -> News:
    return News(at, at + 20 * MINUTE, succeeded=True)


def failed(at: datetime) -> News:
    return News(at, at, succeeded=False)


def looked(
    before: dict[str, Watch], news: Sequence[News], now: datetime, *silences: Silence
) -> Look:
    return look(before, [Watched(SUBJECT, Rule(), DUES, tuple(news))], silences, now)


def begun() -> dict[str, Watch]:
    """A watch that has seen one good backup."""
    return dict(looked({}, [good(MONDAY)], MONDAY + HOUR).watches)


def kinds(told: Sequence[Told]) -> list[tuple[str, str | None, str | None, bool]]:
    return [(one.transition.kind, one.heard, one.known, one.goes_on) for one in told]


def test_each_look_tells_what_was_heard_before() -> None:
    news = [good(MONDAY), failed(MONDAY + DAY)]
    first = looked(begun(), news, MONDAY + DAY + HOUR)
    second = looked(dict(first.watches), news, MONDAY + DAY + 5 * HOUR)
    third = looked(dict(second.watches), [*news, good(MONDAY + 2 * DAY)], MONDAY + 2 * DAY + HOUR)

    assert [("opened", None, "warning", False)] == kinds(first.told)
    assert [("escalated", "warning", "alarm", False)] == kinds(second.told)
    assert [("resolved", "alarm", "alarm", False)] == kinds(third.told)
    assert MONDAY == third.told[0].before_at


def test_of_one_look_the_last_word_says_all() -> None:
    news = [good(MONDAY), failed(MONDAY + DAY), good(MONDAY + 2 * DAY)]
    one = looked(begun(), news, MONDAY + 3 * DAY - HOUR)

    assert [
        ("opened", None, "warning", True),
        ("escalated", None, "alarm", True),
        ("resolved", None, "alarm", False),
    ] == kinds(one.told)


def test_alarm_that_a_silence_hid_is_not_known() -> None:
    news = [good(MONDAY), failed(MONDAY + DAY)]
    silence = Silence("backup *", MONDAY + DAY + 2 * HOUR, MONDAY + 3 * DAY)
    opened = looked(begun(), news, MONDAY + DAY + HOUR, silence)
    hidden = looked(dict(opened.watches), news, MONDAY + DAY + 6 * HOUR, silence)
    late = [*news, good(MONDAY + 2 * DAY)]
    over = looked(dict(hidden.watches), late, MONDAY + 2 * DAY + HOUR, silence)

    assert [] == kinds(hidden.told)
    assert [("resolved", "warning", "warning", False)] == kinds(over.told)
    assert "alarm" == over.told[0].transition.level


def test_past_of_a_new_subject_counts_and_is_not_told() -> None:
    news = [good(MONDAY), failed(MONDAY + DAY), good(MONDAY + 2 * DAY)]
    first = looked({}, news, MONDAY + 2 * DAY + HOUR)

    assert ((), MONDAY + 2 * DAY) == (first.told, first.watches[SUBJECT].good_at)


def test_first_success_that_is_heard_of_counts_however_old_it_is() -> None:
    """Whoever looks before anything was collected must not take that for a fresh backup."""
    first = looked({}, [], MONDAY + 20 * DAY)
    second = looked(dict(first.watches), [good(MONDAY)], MONDAY + 20 * DAY + HOUR)
    third = looked(dict(second.watches), [good(MONDAY - DAY)], MONDAY + 20 * DAY + 2 * HOUR)

    assert first.watches[SUBJECT].never
    assert MONDAY == second.watches[SUBJECT].good_at == third.watches[SUBJECT].good_at
    assert [("opened", "alarm")] == [(one.kind, one.level) for one in second.transitions]
    assert () == third.told


def test_subject_of_which_nothing_is_ever_heard_is_late_a_day_after() -> None:
    first = looked({}, [], MONDAY + MINUTE)
    second = looked(dict(first.watches), [], MONDAY + 2 * DAY)

    assert [("opened", MONDAY + 25 * HOUR + MINUTE)] == [
        (one.transition.kind, one.transition.at) for one in second.told[:1]
    ]


def test_subject_that_is_late_when_its_watch_begins_is_told_then() -> None:
    now = MONDAY + 5 * DAY + HOUR
    first = looked({}, [good(MONDAY)], now)

    assert [("opened", "alarm", now, 5 * DAY + HOUR)] == [
        (one.kind, one.level, one.at, one.age) for one in first.transitions
    ]


def test_subject_that_is_watched_no_more_is_let_go_and_that_is_told() -> None:
    news = [good(MONDAY), failed(MONDAY + DAY)]
    opened = looked(begun(), news, MONDAY + DAY + HOUR)
    gone = look(opened.watches, [], (), MONDAY + DAY + 2 * HOUR)

    assert ({}, [("resolved", "warning", "warning", False)]) == (gone.watches, kinds(gone.told))
    assert ((), {}) == (look(begun(), [], (), MONDAY + HOUR).told, gone.watches)


def test_next_instant_is_the_opening_and_then_the_alarm() -> None:
    one = Watched(SUBJECT, Rule(), DUES)
    quiet = begun()[SUBJECT]
    late = looked(begun(), [good(MONDAY)], MONDAY + DAY + 2 * HOUR).watches[SUBJECT]
    worst = looked(begun(), [good(MONDAY)], MONDAY + 3 * DAY).watches[SUBJECT]

    assert MONDAY + 25 * HOUR == next_at(quiet, one)
    assert MONDAY + 28 * HOUR == next_at(late, one)
    assert next_at(worst, one) is None


def verifier(before: dict[str, Watch], now: datetime) -> Look:
    since = before[VERIFIER].good_at if before else now
    news = (News(now, now, succeeded=True),)
    one = Watched(VERIFIER, verifier_rule(CONFIG), verifier_dues(CONFIG, since, now), news)
    return look(before, [one], (), now)


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (5 * MINUTE, []),
        (39 * MINUTE, []),
        (40 * MINUTE, []),
        (41 * MINUTE, ["opened", "resolved"]),
        (3 * HOUR, ["opened", "escalated", "resolved"]),
    ],
)
def test_gap_between_looks_is_told_by_the_next(gap: timedelta, expected: list[str]) -> None:
    first = verifier({}, MONDAY)
    second = verifier(dict(first.watches), MONDAY + gap)

    assert expected == [one.kind for one in second.transitions]
    assert [MONDAY] * len(expected) == [one.before_at for one in second.told]
    assert all(one.at >= MONDAY + 40 * MINUTE for one in second.transitions)


def test_rare_looks_are_not_late_before_they_are_due() -> None:
    rare = configured("[jobs]\nalert-every = '6h'\n")
    dues = verifier_dues(rare, MONDAY, MONDAY + 6 * HOUR)

    assert MONDAY + 6 * HOUR == dues.last_chance(MONDAY, MONDAY + 30 * MINUTE)


def test_rules_come_from_the_configuration() -> None:
    own = configured(
        "[audit]\nwarn-age = '30h'\nalarm-age = '40h'\n[alerts]\nremind-every = '6h'\n"
        "damping = '1d'\n[alerts.verification]\nwarn-age = '8d'\nalarm-age = '9d'\nallow = '2h'\n"
    )
    other = configured("[alerts.backup]\nwarn-age = '2d'\nalarm-age = '3d'\n")

    assert Rule() == backup_rule(CONFIG)
    assert Rule(30 * HOUR, 40 * HOUR, HOUR, 6 * HOUR, DAY) == backup_rule(own)
    assert (2 * DAY, 3 * DAY) == (backup_rule(other).warn_age, backup_rule(other).alarm_age)
    assert (8 * DAY, 2 * HOUR) == (verification_rule(own).warn_age, verification_rule(own).allow)
    assert (35 * DAY, 45 * DAY) == (
        verification_rule(CONFIG).warn_age,
        verification_rule(CONFIG).alarm_age,
    )


def test_dues_of_backups_reach_beyond_both_ends() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    dues = backup_dues(
        CONFIG, lambda first, days: fire_times(("04:00",), zone, first, days), MONDAY, MONDAY
    )
    before = MONDAY - DAY

    assert datetime(2024, 3, 3, 4, tzinfo=zone) == dues.last_chance(before, MONDAY)
    assert dues.last_chance(MONDAY + DAY, MONDAY + DAY) is not None


def test_verification_is_due_on_the_day_of_the_month_in_the_schedules_zone() -> None:
    since = datetime(2024, 1, 15, tzinfo=UTC)
    dues = verification_dues(CONFIG, since, since + 60 * DAY)
    zone = ZoneInfo("America/Los_Angeles")

    assert datetime(2024, 2, 1, 12, tzinfo=zone) == dues.last_chance(since, since + 35 * DAY)
    assert datetime(2024, 4, 1, 12, tzinfo=zone) == dues.last_chance(
        datetime(2024, 3, 2, tzinfo=UTC), datetime(2024, 4, 2, tzinfo=UTC)
    )


def test_hour_that_the_clocks_skip_is_no_due_of_the_month() -> None:
    skipped = configured("[jobs]\nmonthly-day = 10\nmonthly-time = '02:30'\n")
    since = datetime(2024, 3, 1, tzinfo=UTC)
    dues = verification_dues(skipped, since, since)

    assert date(2024, 4, 10) == (dues.last_chance(since, since + DAY) or since).date()


@pytest.mark.parametrize(
    ("subject", "host"), [(SUBJECT, "web1"), ("verification web1", "web1"), (VERIFIER, "")]
)
def test_subject_names_its_host(subject: str, host: str) -> None:
    assert host == host_of(subject)


def test_look_of_a_clock_that_was_ahead_is_taken_back() -> None:
    ahead = looked(begun(), [good(MONDAY)], MONDAY + 400 * DAY)
    right = looked(dict(ahead.watches), [good(MONDAY)], MONDAY + 2 * HOUR)
    later = looked(dict(right.watches), [good(MONDAY), good(MONDAY + DAY)], MONDAY + 30 * HOUR)
    missed = looked(dict(right.watches), [good(MONDAY)], MONDAY + 30 * HOUR)

    assert ["resolved"] == [one.transition.kind for one in right.told]
    assert timedelta(0) == right.told[0].transition.lasted
    assert begun()[SUBJECT] == replace(right.watches[SUBJECT], looked_at=MONDAY + HOUR)
    assert () == later.told
    assert ["opened", "escalated"] == [one.transition.kind for one in missed.told]


def test_incident_that_was_open_before_a_clock_ran_ahead_stays() -> None:
    opened = looked(begun(), [good(MONDAY)], MONDAY + 26 * HOUR)
    ahead = looked(dict(opened.watches), [good(MONDAY)], MONDAY + 9 * DAY)
    right = looked(dict(ahead.watches), [good(MONDAY)], MONDAY + 27 * HOUR)
    later = looked(dict(right.watches), [good(MONDAY)], MONDAY + 29 * HOUR)

    assert () == right.told
    assert ["escalated"] == [one.transition.kind for one in later.told]


@pytest.mark.parametrize("back", [MINUTE, HOUR, 3 * DAY, 19000 * DAY])
def test_clock_that_is_behind_takes_nothing_back(back: timedelta) -> None:
    """Neither a small correction, nor a clock that shows a time before the last word."""
    news = [good(MONDAY)]
    opened = looked(begun(), news, MONDAY + 26 * HOUR)
    behind = looked(dict(opened.watches), news, MONDAY + 26 * HOUR - back)

    assert opened.watches == behind.watches
    assert () == behind.told


def test_no_clock_is_believed_by_its_own_word() -> None:
    """The verifier's success is that it looks: that says nothing of whose clock is right."""
    own = Watched(VERIFIER, Rule(), DUES, (News(MONDAY, MONDAY, succeeded=True),))
    first = look({}, [own], (), MONDAY + DAY)
    alone = look(first.watches, [own], (), MONDAY)
    heard = Watched(SUBJECT, Rule(), DUES, (good(MONDAY - HOUR),))
    beside = look(first.watches, [own, heard], (), MONDAY)

    assert first.watches == alone.watches
    assert MONDAY == beside.watches[VERIFIER].looked_at
