"""The page and the alerts are of one mind at every hour, whatever happened before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.monitor.alerting import CONFIG
from tests.monitor.dashboard.ground import (
    DAY,
    NOW,
    OPEN,
    SCHEDULE,
    ZONE,
    FixedClock,
    application,
    ask,
    cycle,
    fill,
    measured,
    terms,
    verify,
)
from tests.monitor.test_notices import AWAY, report
from verifier.core.finding import Verdict
from verifier.monitor.dashboard.asking import present
from verifier.monitor.dashboard.parameters import Query
from verifier.monitor.dashboard.site import Asked, Site
from verifier.monitor.evaluation import evaluate
from verifier.monitor.heard import HistorySource
from verifier.monitor.history.memory import History, open_history

HOSTS = ("web1", "db1")
LEVELS = {None: Verdict.OK, "warning": Verdict.WARNING, "alarm": Verdict.CRITICAL}
HOUR = timedelta(hours=1)


def take_place(history: History, what: str, days_ago: int) -> None:
    """Record the cycle of a day: all well, one host failed, the key locked, or nothing at all."""
    day = NOW.astimezone(ZONE).date() - days_ago * DAY
    run, log = cycle(day, HOSTS, failed=("db1",) if what == "failed" else ())
    if what == "locked":
        run = replace(run, backups=(), stages=(), status=1, duration_s=2.0)
    if what != "missed":
        history.record_cycle(run, log)


@pytest.mark.parametrize(
    "days", [("well", "failed"), ("well", "locked"), ("well", "missed"), ("failed", "well")]
)
def test_page_says_what_the_alerts_say(tmp_path: Path, days: tuple[str, str]) -> None:
    file = tmp_path / "h.sqlite"
    site = Site(lambda: open_history(file), terms(HOSTS), OPEN, FixedClock())
    begin = NOW - 3 * DAY
    with open_history(file) as history:
        fill(history, days=5, hosts=HOSTS, last=4)
        seen = set()
        for hour in range(0, 70, 2):
            now = begin + hour * HOUR
            # A cycle is known as soon as it has ended.
            for days_ago, what in zip((2, 1), days, strict=True):
                if NOW - days_ago * DAY - 5 * HOUR < now:
                    take_place(history, what, days_ago)
            look = evaluate(CONFIG, history, HistorySource(history), SCHEDULE.fires, now).look
            history.save_look(look.watches, look.transitions, now)
            view = present(Asked(site, history, now, Query({})))[1]
            for row in view.hosts:
                incident = look.watches[f"backup {row.name}"].incident
                if incident is None or incident.well_at is None:
                    level = LEVELS[incident.level if incident else None]
                    assert (now, row.name, level) == (now, row.name, row.verdict)
                    seen.add(level)

    assert Verdict.OK in seen
    assert Verdict.CRITICAL in seen


@pytest.mark.parametrize("heard_days", [0, 1, 20])
def test_page_and_alerts_agree_where_a_look_came_before_the_first_collect(
    tmp_path: Path, heard_days: int
) -> None:
    """On a first installation the timers race: what is read afterwards may be weeks old."""
    file = tmp_path / "h.sqlite"
    site = Site(lambda: open_history(file), terms(HOSTS), OPEN, FixedClock())
    with open_history(file) as history:
        for hour in range(0, 40, 4):
            if hour == 4:
                take_place(history, "well", heard_days)
            now = NOW + hour * HOUR
            look = evaluate(CONFIG, history, HistorySource(history), SCHEDULE.fires, now).look
            history.save_look(look.watches, look.transitions, now)
            for row in present(Asked(site, history, now, Query({})))[1].hosts:
                incident = look.watches[f"backup {row.name}"].incident
                level = LEVELS[incident.level if incident else None]
                assert (now, row.name, level) == (now, row.name, row.verdict)


@pytest.mark.parametrize("whose", ["jill", "jak"])
def test_run_of_another_coordinator_is_no_failure_of_ours(tmp_path: Path, whose: str) -> None:
    """Half an hour past the age, a run that left our hosts out is known: ours is, hers is not."""
    file = tmp_path / "h.sqlite"
    site = Site(lambda: open_history(file), terms(HOSTS), OPEN, FixedClock())
    with open_history(file) as history:
        fill(history, days=2, hosts=HOSTS)
        first = history.last_backup("web1")
        assert first is not None
        other, _ = cycle(first.began_at.astimezone(ZONE).date() + DAY, ("mail9",))
        history.record_cycle(replace(other, coordinator=whose))
        now = first.began_at + DAY + HOUR / 2
        look = evaluate(CONFIG, history, HistorySource(history), SCHEDULE.fires, now).look
        (row,) = (
            row
            for row in present(Asked(site, history, now, Query({})))[1].hosts
            if row.name == "web1"
        )
    incident = look.watches["backup web1"].incident

    assert (whose == "jak") == (incident is not None)
    assert LEVELS[incident.level if incident else None] == row.verdict


@pytest.mark.parametrize("later", [True, False])
def test_page_holds_no_audit_against_a_later_monthly(tmp_path: Path, later: bool) -> None:
    file = tmp_path / "h.sqlite"
    site = Site(lambda: open_history(file), terms(HOSTS), OPEN, FixedClock())
    with open_history(file) as history:
        history.record_report(report("audit", NOW - 2 * HOUR, AWAY))
        if later:
            history.record_report(report("monthly", NOW - HOUR, ()))
        reasons = present(Asked(site, history, NOW, Query({})))[1].reasons

    assert later != any("audit report is UNKNOWN" in reason.sentence for reason in reasons)


def test_metrics_are_those_of_every_other_way(tmp_path: Path) -> None:
    file = tmp_path / "h.sqlite"
    with open_history(file) as history:
        fill(history, days=3, hosts=HOSTS)
        verify(history, days_ago=5)
    answer = ask(application(file, terms(HOSTS, state=measured(HOSTS))), "/metrics")

    assert 200 == answer.status_code
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'restic_backup_last_status{host="web1"} 0.0' in answer.text
    assert 'restic_verify_verdict{kind="monthly"} 0.0' in answer.text
