"""An incident's life, minute by minute: when it opens, escalates, is told again, and is over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import freezegun
import pytest

from verifier.clock.system import SystemClock
from verifier.cycle.coordinator import fire_times
from verifier.monitor.alerts.advance import Terms, advance
from verifier.monitor.alerts.rule import Dues, Rule, overdue_at
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import News, Transition
from verifier.monitor.alerts.watch import begin_watch, parse_watch, render_watch

ZONE = ZoneInfo("America/Los_Angeles")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONDAY = date(2024, 3, 4)
TAKES = timedelta(minutes=20)


def daily(first: date, days: int) -> tuple[datetime, ...]:
    return fire_times(("04:00",), ZONE, first, days)


def good(at: datetime, takes: timedelta = TAKES) -> News:
    return News(at, at.astimezone(UTC) + takes, succeeded=True)


def failed(at: datetime, takes: timedelta = timedelta()) -> News:
    return News(at, at.astimezone(UTC) + takes, succeeded=False)


def looks(begin: datetime, end: datetime, every: timedelta) -> Iterable[datetime]:
    at, end = begin.astimezone(UTC), end.astimezone(UTC)
    while at <= end:
        yield at
        at += every


def told(
    dues: Sequence[datetime],
    news: Sequence[News],
    *,
    rule: Rule | None = None,
    silences: Sequence[Silence] = (),
    hours: int = 0,
    every: timedelta = MINUTE,
) -> list[tuple[str, str, timedelta]]:
    """Return what is told until the last news, or for some hours after it, minute by minute.

    It is told at the very minute of its instant. Between two looks the state is JSON, and whoever
    looks asks for all that is known by then.
    """
    terms = Terms(rule or Rule(), Dues(dues), silences)
    end = max(one.known_at for one in news) + hours * HOUR
    watch, found = begin_watch("web1", dues[0]), []
    for now in looks(dues[0], end, every):
        heard = [one for one in news if one.known_at <= now]
        kept = parse_watch(json.loads(json.dumps(render_watch(watch))))
        watch, spoken = advance(kept, terms, heard, now)
        assert all(one.at == now for one in spoken)
        found += [(one.kind, one.level, _span(one)) for one in spoken]
    return found


def _span(one: Transition) -> timedelta:
    return one.lasted if one.kind == "resolved" else one.age


def test_daily_backup_that_ends_later_each_day_is_no_incident() -> None:
    dues = daily(MONDAY, 4)

    assert [] == told(dues, [good(due, MINUTE * (5 + 15 * n)) for n, due in enumerate(dues)])


@pytest.mark.parametrize("sunday", [date(2024, 3, 10), date(2024, 11, 3)])
def test_day_on_which_clocks_change_is_no_incident(sunday: date) -> None:
    dues = daily(sunday - DAY, 3)
    spans = {b.astimezone(UTC) - a.astimezone(UTC) for a, b in pairwise(dues)}

    assert spans & {23 * HOUR, 25 * HOUR}
    assert [] == told(dues, [good(due) for due in dues])


def test_locked_key_warns_at_24_hours_and_alarms_at_28() -> None:
    dues = daily(MONDAY, 3)
    news = [good(dues[0]), failed(dues[1]), good(dues[2])]

    assert [
        ("opened", "warning", 24 * HOUR),
        ("escalated", "alarm", 28 * HOUR),
        ("resolved", "alarm", 24 * HOUR + TAKES),
    ] == told(dues, news)


def test_run_that_fails_late_opens_when_it_fails() -> None:
    dues = daily(MONDAY, 2)
    news = [good(dues[0]), failed(dues[1], 10 * MINUTE)]

    assert [("opened", "warning", 24 * HOUR + 10 * MINUTE)] == told(dues, news, hours=3)


def test_silent_coordinator_warns_an_hour_later_and_alarms_at_28() -> None:
    dues = daily(MONDAY, 3)

    assert [
        ("opened", "warning", 25 * HOUR),
        ("escalated", "alarm", 28 * HOUR),
        ("resolved", "alarm", 23 * HOUR + TAKES),
    ] == told(dues, [good(dues[0]), good(dues[2])])


@pytest.mark.parametrize(
    ("sunday", "fails", "expected"),
    [
        # 23 hours old when it fails, and 25: the limit, and then the run, is what is waited for.
        (date(2024, 3, 10), True, 24 * HOUR),
        (date(2024, 11, 3), True, 25 * HOUR),
        (date(2024, 3, 10), False, 25 * HOUR),
        (date(2024, 11, 3), False, 26 * HOUR),
    ],
)
def test_change_of_clocks_moves_only_what_is_waited_for(
    sunday: date, fails: bool, expected: timedelta
) -> None:
    dues = daily(sunday - DAY, 3)
    news = [good(dues[0]), *([failed(dues[1])] if fails else [])]
    opened, escalated, *_ = told(dues, [*news, good(dues[2])])

    assert ("opened", "warning", expected) == opened
    assert ("escalated", "alarm", 28 * HOUR) == escalated


def test_backup_of_six_hours_is_an_alarm_until_it_is_done() -> None:
    dues = daily(MONDAY, 2)
    news = [good(dues[0]), good(dues[1], 6 * HOUR)]

    assert [
        ("opened", "warning", 25 * HOUR),
        ("escalated", "alarm", 28 * HOUR),
        ("resolved", "alarm", 5 * HOUR),
    ] == told(dues, news)


def test_backup_that_is_done_within_the_allowance_is_no_incident() -> None:
    dues = daily(MONDAY, 2)

    assert [] == told(dues, [good(dues[0]), good(dues[1], HOUR)], hours=3)
    assert [] != told(dues, [good(dues[0]), good(dues[1], HOUR + MINUTE)], hours=3)


def test_backup_that_is_too_old_when_it_is_done_mends_nothing() -> None:
    dues = daily(MONDAY, 4)
    slow = good(dues[1], 26 * HOUR)
    kinds = [kind for kind, _, _ in told(dues, [good(dues[0]), slow, good(dues[3])])]

    assert ["opened", "escalated", "reminded", "resolved"] == kinds


def test_host_that_never_had_a_backup_is_watched_from_the_first_due() -> None:
    dues = daily(MONDAY, 3)

    assert [("opened", "warning", 24 * HOUR)] == told(dues, [failed(dues[0]), failed(dues[1])])


def test_day_that_lacks_the_hour_of_the_backup_has_none_due() -> None:
    dues = fire_times(("02:30",), ZONE, date(2024, 3, 9), 3)

    assert 2 == len(dues)
    assert [] == told(dues, [good(due) for due in dues])


def test_late_word_of_a_success_ends_the_incident_when_it_is_heard() -> None:
    dues = daily(MONDAY, 3)
    terms = Terms(Rule(), Dues(dues))
    watch, _ = advance(begin_watch("web1", dues[0]), terms, [good(dues[0])], dues[1] + 2 * HOUR)
    watch, spoken = advance(watch, terms, [good(dues[1])], dues[1] + 9 * HOUR)

    assert [("resolved", HOUR)] == [(one.kind, one.lasted) for one in spoken]
    assert None is watch.incident


def test_late_word_of_an_older_run_is_no_news() -> None:
    dues = daily(MONDAY, 3)
    terms, now = Terms(Rule(), Dues(dues)), dues[2]
    watch, _ = advance(begin_watch("web1", dues[0]), terms, [good(dues[1]), failed(dues[2])], now)

    assert (watch, ()) == advance(watch, terms, [good(dues[0]), failed(dues[0])], now)


def test_rule_that_is_made_stricter_rewrites_nothing() -> None:
    dues = daily(MONDAY, 3)
    watch, news = begin_watch("web1", dues[0]), [good(dues[0])]
    watch, _ = advance(watch, Terms(Rule(), Dues(dues)), news, dues[0] + 20 * HOUR)
    strict = Rule(warn_age=HOUR, alarm_age=2 * HOUR, allow=MINUTE)
    early = Terms(strict, Dues([dues[0] + MINUTE, *dues]))
    _, spoken = advance(watch, early, news, dues[0] + 20 * HOUR)

    assert [("opened", 20 * HOUR)] == [(one.kind, one.age) for one in spoken]


def test_weekly_backup_waits_for_its_week_and_opens_as_an_alarm() -> None:
    dues = daily(MONDAY, 22)[::7]
    news = [good(dues[0]), good(dues[1]), failed(dues[2])]

    assert [("opened", "alarm", 7 * DAY)] == told(dues, news, every=HOUR)


def test_hourly_backup_may_fail_23_times() -> None:
    dues = [daily(MONDAY, 1)[0] + hour * HOUR for hour in range(30)]
    news = [good(dues[0], MINUTE), *map(failed, dues[1:24])]

    assert [] == told(dues, news)
    assert [("opened", "warning", 24 * HOUR)] == told(dues, [*news, failed(dues[24])])
    assert [("opened", "warning", 25 * HOUR)] == told(dues, news, hours=3)


def test_hour_that_comes_twice_is_allowed_for_as_a_real_hour() -> None:
    due = datetime(2024, 11, 3, 1, 30, tzinfo=ZONE)
    good_at = due.astimezone(UTC) - 25 * HOUR

    assert due.astimezone(UTC) + HOUR == overdue_at(Rule(), Dues([due]), good_at, None)


def test_backup_in_the_second_of_two_equal_hours_is_the_later_one() -> None:
    first = datetime(2024, 11, 3, 1, 50, tzinfo=ZONE)
    second = datetime(2024, 11, 3, 1, 10, tzinfo=ZONE, fold=1)
    terms, now = Terms(Rule(), Dues([])), second.astimezone(UTC) + HOUR
    watch, _ = advance(begin_watch("web1", first), terms, [good(second), good(first)], now)

    assert second.astimezone(UTC) == watch.good_at


def test_failure_after_the_allowance_changes_nothing() -> None:
    dues = daily(MONDAY, 2)
    late = dues[1].astimezone(UTC) + 3 * HOUR

    assert dues[1].astimezone(UTC) + HOUR == overdue_at(
        Rule(), Dues(dues), dues[0].astimezone(UTC), late
    )


def test_incident_that_goes_on_is_told_again_at_intervals() -> None:
    dues = daily(MONDAY, 4)
    found = told(dues, [good(dues[0]), *map(failed, dues[1:])], rule=Rule(remind_every=10 * HOUR))

    assert [
        ("opened", 24 * HOUR),
        ("escalated", 28 * HOUR),
        ("reminded", 38 * HOUR),
        ("reminded", 48 * HOUR),
        ("reminded", 58 * HOUR),
        ("reminded", 68 * HOUR),
    ] == [(kind, age) for kind, _, age in found]


def test_nothing_is_told_in_a_silence_and_all_of_it_when_it_ends() -> None:
    dues = daily(MONDAY, 3)
    silence = Silence("web*", dues[1] - HOUR, dues[1] + 12 * HOUR)
    news = [good(dues[0]), failed(dues[1]), good(dues[2])]

    assert [
        ("opened", "alarm", 36 * HOUR),
        ("resolved", "alarm", 24 * HOUR + TAKES),
    ] == told(dues, news, silences=(silence,))


def test_silences_that_follow_one_another_are_one_in_any_order() -> None:
    dues = daily(MONDAY, 3)
    first = Silence("*", dues[1] - HOUR, dues[1] + HOUR)
    second = Silence("*", dues[1] + HOUR, dues[1] + 3 * HOUR)
    news = [good(dues[0]), failed(dues[1])]

    for silences in ((first, second), (second, first)):
        assert [27 * HOUR] == [age for _, _, age in told(dues, news, silences=silences, hours=3)]


def test_silence_of_others_is_none() -> None:
    dues = daily(MONDAY, 3)
    news = [good(dues[0]), failed(dues[1]), good(dues[2])]
    others = Silence("db1", dues[0], dues[2])

    assert told(dues, news) == told(dues, news, silences=(others,))


def test_incident_within_a_silence_is_never_told() -> None:
    dues = daily(MONDAY, 3)
    news = [good(dues[0]), failed(dues[1]), good(dues[2])]

    assert [] == told(dues, news, silences=(Silence("web1", dues[1], dues[2] + HOUR),), hours=3)


def test_end_of_what_was_told_is_told_in_a_silence_too() -> None:
    dues = daily(MONDAY, 3)
    news = [good(dues[0]), failed(dues[1]), good(dues[2])]
    later = Silence("web1", dues[1] + 2 * HOUR, dues[2] + 9 * HOUR)

    assert ["opened", "resolved"] == [kind for kind, _, _ in told(dues, news, silences=(later,))]


def test_host_that_fails_every_second_day_is_one_incident_until_it_is_well_for_long() -> None:
    dues = daily(MONDAY, 12)
    news = [failed(due) if n in {1, 3, 5} else good(due) for n, due in enumerate(dues)]
    found = told(dues, news, rule=Rule(remind_every=9 * DAY), every=TAKES)

    assert [
        ("opened", "warning", 24 * HOUR),
        ("escalated", "alarm", 28 * HOUR),
        ("resolved", "alarm", 24 * HOUR + TAKES),
        # From here on it flaps: one incident over two failures, and three good days after them.
        ("opened", "warning", 24 * HOUR),
        ("escalated", "alarm", 28 * HOUR),
    ] == found[:5]
    # It opened on the fourth day, is well from the seventh on, and a night between has 23 hours.
    assert [("resolved", "alarm", 6 * DAY - HOUR + TAKES)] == found[5:]


def test_what_happens_is_told_at_its_minute_by_a_real_clock() -> None:
    dues = daily(MONDAY, 2)
    terms = Terms(Rule(), Dues(dues))
    watch, seen = begin_watch("web1", dues[0]), []
    with freezegun.freeze_time(dues[0].astimezone(UTC), auto_tick_seconds=0) as clock:
        for _ in range(29 * 60):
            now = SystemClock().now()
            watch, spoken = advance(watch, terms, [good(dues[0]), failed(dues[1])], now)
            seen += [(one.kind, now) for one in spoken]
            clock.tick(MINUTE)
    first = dues[0].astimezone(UTC)

    assert [("opened", first + 24 * HOUR), ("escalated", first + 28 * HOUR)] == seen
