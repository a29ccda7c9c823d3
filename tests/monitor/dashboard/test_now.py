"""The first page says that all is well when it is, and never when it is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.monitor.dashboard.ground import (
    DAY,
    HOSTS,
    NOW,
    OPEN,
    ZONE,
    FixedClock,
    cycle,
    fill,
    incident,
    look,
    terms,
    verify,
)
from verifier.core.finding import Verdict
from verifier.monitor.dashboard.asking import present
from verifier.monitor.dashboard.parameters import Query
from verifier.monitor.dashboard.site import Asked, Site
from verifier.monitor.dashboard.terms import Terms
from verifier.monitor.dashboard.views.now import Now
from verifier.monitor.history.memory import History, open_history

Made = Callable[[History], object]


def well(history: History) -> None:
    """Record what all is well with."""
    fill(history, days=3)
    verify(history, days_ago=5, others=HOSTS[1:])
    look(history)


def shown(
    tmp_path: Path, *made: Made, held: Terms | None = None, after: timedelta = 0 * DAY
) -> Now:
    """Return the page over a history that was made so."""
    site = Site(lambda: open_history(tmp_path / "h.sqlite"), held or terms(), OPEN, FixedClock())
    with open_history(tmp_path / "h.sqlite") as history:
        for make in made:
            make(history)
        return present(Asked(site, history, NOW + after, Query({})))[1]


def words(view: Now) -> str:
    """Return all reasons as one text."""
    return "\n".join(f"{reason.verdict.name} {reason.sentence}" for reason in view.reasons)


def test_all_is_well_where_all_is_well(tmp_path: Path) -> None:
    view = shown(tmp_path, well)

    assert (Verdict.OK, "All is well", ()) == (view.verdict, view.heading, view.reasons)
    assert (3, 3, 3) == (view.well, view.expected, view.verified)
    assert "3 of 3 hosts backed up in time, the oldest backup 5 h 30 min old" in view.sentence
    assert {"backed up"} == {row.word for row in view.hosts}


def test_empty_history_is_never_well(tmp_path: Path) -> None:
    view = shown(tmp_path)

    assert Verdict.UNKNOWN is view.verdict
    assert {"never backed up"} == {row.word for row in view.hosts}


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        # The backups are of 04:00, 04:06 and 04:12, and nothing is heard of the next ones.
        (19.4, Verdict.OK),
        (19.6, Verdict.WARNING),
        (22.4, Verdict.WARNING),
        (22.6, Verdict.CRITICAL),
    ],
)
def test_age_speaks_as_the_alert_does(tmp_path: Path, hours: float, verdict: Verdict) -> None:
    after = timedelta(hours=hours)
    looked = lambda history: look(history, minutes_ago=-60 * hours)  # noqa: E731
    view = shown(tmp_path, well, looked, after=after)

    assert verdict is view.verdict
    if verdict is not Verdict.OK:
        assert "web1: the last good backup is" in words(view)


def test_failure_that_the_rule_forgives_is_told_and_no_alarm(tmp_path: Path) -> None:
    today = NOW.astimezone(ZONE).date()
    failed, log = cycle(today, failed=("db1",))
    view = shown(
        tmp_path,
        lambda history: fill(history, days=2, last=1),
        lambda history: history.record_cycle(failed, log),
        lambda history: verify(history, days_ago=5, others=HOSTS[1:]),
        look,
    )

    # A day old at 04:06, and failed after it: told at once.
    assert [("db1", Verdict.CRITICAL, "failed")] == [
        (row.name, row.verdict, row.word) for row in view.hosts if row.verdict is not Verdict.OK
    ]
    assert "the last run failed (status 1)" in words(view)


@pytest.mark.parametrize(
    ("days_ago", "corrupted", "verdict", "said"),
    [
        (5, 0, Verdict.OK, ""),
        (5, 3, Verdict.CRITICAL, "the last monthly report is CRITICAL: corrupted 3"),
        (34, 0, Verdict.OK, ""),
        (36, 0, Verdict.WARNING, "3 hosts: not verified for more than 35 days"),
        (46, 0, Verdict.CRITICAL, "3 hosts: not verified for more than 45 days"),
    ],
)
def test_state_knows_the_last_drill(
    tmp_path: Path, days_ago: int, corrupted: int, verdict: Verdict, said: str
) -> None:
    view = shown(
        tmp_path,
        lambda history: fill(history, days=3),
        lambda history: verify(history, days_ago=days_ago, corrupted=corrupted, others=HOSTS[1:]),
        look,
    )

    assert verdict is view.verdict
    assert said in words(view)


def test_host_that_was_never_verified_is_not_known_to_be_well(tmp_path: Path) -> None:
    view = shown(
        tmp_path,
        lambda history: fill(history, days=3),
        lambda history: verify(history, days_ago=5, others=HOSTS[1:2]),
        look,
    )

    assert Verdict.UNKNOWN is view.verdict
    assert "mail1: never verified" in words(view)


@pytest.mark.parametrize(
    ("minutes_ago", "verdict"),
    [(29, Verdict.OK), (31, Verdict.WARNING), (119, Verdict.WARNING), (121, Verdict.CRITICAL)],
)
def test_rules_that_nobody_looks_at_are_told(
    tmp_path: Path, minutes_ago: int, verdict: Verdict
) -> None:
    view = shown(tmp_path, well, lambda history: look(history, minutes_ago=minutes_ago))

    assert verdict is view.verdict


def test_rules_that_nobody_ever_looked_at_are_told(tmp_path: Path) -> None:
    view = shown(
        tmp_path,
        lambda history: fill(history, days=3),
        lambda history: verify(history, days_ago=5, others=HOSTS[1:]),
    )

    assert Verdict.WARNING is view.verdict
    assert "nobody looks at the alert rules" in words(view)


def test_worst_host_comes_first_and_what_is_left_out_last(tmp_path: Path) -> None:
    view = shown(
        tmp_path,
        lambda history: fill(history, days=3, hosts=("web1", "old1")),
        lambda history: fill(history, days=9, hosts=("mail1",), last=6),
        look,
    )

    assert ["db1", "mail1"] == sorted(row.name for row in view.hosts[:2])
    assert ("old1", False) == (view.hosts[-1].name, view.hosts[-1].expected)
    assert "old1" not in words(view)


def test_incident_stays_on_the_page_until_it_is_over(tmp_path: Path) -> None:
    watch, told = incident("db1", hours_ago=3)
    file = tmp_path / "h.sqlite"
    site = Site(lambda: open_history(file), terms(), OPEN, FixedClock())
    with open_history(file) as history:
        well(history)
        history.save_look({watch.subject: watch}, [told], NOW)
        facts, _ = present(Asked(site, history, NOW, Query({})))
        assert ["backup db1"] == [one.subject for one in facts.incidents]
        history.save_look({}, [], NOW)
        assert [] == present(Asked(site, history, NOW + DAY, Query({})))[0].incidents


def test_days_tell_what_happened_on_each(tmp_path: Path) -> None:
    failed = lambda back: ("db1",) if back == 2 else ()  # noqa: E731
    view = shown(
        tmp_path,
        lambda history: fill(history, days=10, last=6, failed=failed),
        lambda history: fill(history, days=5, failed=failed),
        look,
    )
    db1 = next(row for row in view.hosts if row.name == "db1")

    states = [cell.state for cell in db1.days]
    assert ["good"] * 4 + ["missed", "good", "good", "failed", "good", "good"] == states


def test_today_waits_until_its_hour_has_come(tmp_path: Path) -> None:
    view = shown(tmp_path, lambda history: fill(history, days=5, last=1), after=timedelta(hours=-6))

    assert ["good"] * 4 + ["waiting"] == [cell.state for cell in view.hosts[0].days]
