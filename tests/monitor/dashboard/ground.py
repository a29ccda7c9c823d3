"""A history of some weeks, terms that fit it, and a dashboard that is asked without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from tests.monitor import envelopes
from tests.monitor.alerting import TEXT
from verifier.config.load import parse
from verifier.core.policy import Policy
from verifier.monitor.alerts.rule import Dues, Rule
from verifier.monitor.alerts.transition import Transition
from verifier.monitor.alerts.watch import Incident, Watch
from verifier.monitor.dashboard.app import dashboard
from verifier.monitor.dashboard.doors import Doors, doors
from verifier.monitor.dashboard.guard import Guard
from verifier.monitor.dashboard.site import Site
from verifier.monitor.dashboard.terms import Forgetting, Held, Reading, Schedule, Terms
from verifier.monitor.evaluation import evaluate
from verifier.monitor.heard import HistorySource
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.state import State, read_state
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine, StageRun
from verifier.retention.rules import rules_for

ZONE = ZoneInfo("America/Los_Angeles")
NOW = datetime(2026, 11, 28, 9, 30, tzinfo=ZONE).astimezone(UTC)
HOSTS = ("web1", "db1", "mail1")
SCHEDULE = Schedule((time(4),), ZONE)
DAY = timedelta(days=1)
TOKEN = "a-token-of-some-length"
WEEK = 7 * DAY


def monthly(since: datetime, until: datetime) -> Dues:
    """Return the first of every month, noon, around two instants."""
    days = range((until - since).days + 70)
    return Dues(
        datetime.combine(day, time(12), ZONE)
        for n in days
        for day in (since.date() + (n - 35) * DAY,)
        if day.day == 1
    )


def terms(hosts: Iterable[str] = HOSTS, **changed: Any) -> Terms:
    """Return terms as the example's configuration has them."""
    held = Terms(
        tuple(hosts),
        "jak",
        SCHEDULE,
        Held(Rule(), lambda a, b: Dues(SCHEDULE.fired(a - WEEK, b + WEEK))),
        Held(Rule(35 * DAY, 45 * DAY), monthly),
        Rule(timedelta(minutes=30), timedelta(hours=2)),
        Forgetting(
            Policy(daily=30, weekly=5, monthly=12, yearly=10),
            rules_for("0.18.0"),
            ("host", "paths"),
            {host: ("/etc", "/srv") for host in hosts},
        ),
        ahead=lambda now: [("the next backup", SCHEDULE.fired(now, now + 2 * DAY)[0])],
    )
    return replace(held, **changed)


def measured(hosts: Iterable[str]) -> Callable[[History, datetime], State]:
    """Return what metrics are made of, where these hosts are watched."""
    tables = "".join(f'[[hosts]]\nname = "{host}"\ninclude = ["/srv"]\n' for host in hosts)
    config = parse(TEXT.partition("[[hosts]]")[0] + tables, "verify.toml", {})

    def state(history: History, now: datetime) -> State:
        looked = evaluate(config, history, HistorySource(history), SCHEDULE.fires, now)
        return read_state(history, looked.watched, looked.look.watches)

    return state


def at_four(day: date) -> datetime:
    """Return the hour at which backups begin on a day."""
    return datetime.combine(day, time(4), ZONE).astimezone(UTC)


def backup(host: str, began_at: datetime, *, status: int = 0, **more: Any) -> BackupRun:
    """Return a plausible backup."""
    number = began_at.toordinal()
    values = {
        "snapshot": f"{number:x}{sum(host.encode(errors='replace')):04x}".ljust(64, "0"),
        "restic": "0.17.3" if began_at < NOW - 20 * DAY else "0.18.0",
        "files_new": number % 13,
        "files_changed": number % 29,
        "files_unmodified": 15_000,
        "processed_bytes": 60_000_000_000,
        "added_bytes": 40_000_000 + number % 11 * 9_000_000,
    }
    if status:
        values |= {"snapshot": "", "added_bytes": 0}
    return BackupRun(host, began_at, 240.0 + number % 7 * 17, status, **{**values, **more})


def cycle(
    day: date, hosts: Iterable[str] = HOSTS, *, failed: Iterable[str] = (), lines: int = 3
) -> tuple[CycleRun, list[LogLine]]:
    """Return a cycle of a day with its log."""
    began_at, failed = at_four(day), tuple(failed)
    runs = tuple(
        backup(host, began_at + n * timedelta(minutes=6), status=1 if host in failed else 0)
        for n, host in enumerate(hosts)
    )
    stage_at = began_at + timedelta(minutes=6 * len(runs))
    stages = tuple(
        StageRun(name, stage_at + n * timedelta(minutes=2), 90.0, 0)
        for n, name in enumerate(("forget", "prune", "offsite"))
    )
    took = timedelta(minutes=6 * len(runs) + 6)
    ended = CycleRun(
        "jak", "run-backups", began_at, took.total_seconds(), 1 if failed else 0, runs, stages
    )
    said = [
        LogLine(
            began_at + n * timedelta(milliseconds=700), "jak", "run-backups", f"line {n} of the log"
        )
        for n in range(lines - 1)
    ]
    return ended, [*said, LogLine(ended.ended_at, "jak", "systemd", "Finished run backups.")]


def fill(
    history: History,
    *,
    days: int = 40,
    hosts: Iterable[str] = HOSTS,
    failed: Callable[[int], Iterable[str]] = lambda _: (),
    lines: int = 3,
    last: int = 0,
) -> None:
    """Record a cycle a day, the last one so many days ago.

    Args:
        failed: from how many days ago to the hosts that failed then.
    """
    today = NOW.astimezone(ZONE).date()
    with history.together():
        for back in reversed(range(last, days)):
            history.record_cycle(
                *cycle(today - back * DAY, hosts, failed=failed(back), lines=lines)
            )


def verify(history: History, *, days_ago: float, corrupted: int = 0, **more: Any) -> int:
    """Record a monthly report that ended so many days ago; return its number."""
    at = (NOW - days_ago * DAY).replace(microsecond=0)
    envelope = {
        **envelopes.drilled(corrupted=corrupted, **more),
        "started": (at - timedelta(hours=2)).isoformat(),
        "finished": at.isoformat(),
    }
    number = history.record_report(envelope)
    assert number is not None
    return number


def look(history: History, *, minutes_ago: float = 1, **watches: Watch) -> None:
    """Record that the alert rules were looked at."""
    history.save_look(watches, (), NOW - timedelta(minutes=minutes_ago))


def incident(host: str, *, hours_ago: float) -> tuple[Watch, Transition]:
    """Return the watch on a host with an incident that opened so long ago, and the last word on it.

    After four hours it is an alarm.
    """
    opened_at = NOW - timedelta(hours=hours_ago)
    good_at = opened_at - DAY
    subject = f"backup {host}"
    at = opened_at + timedelta(hours=4)
    if at <= NOW:
        alarm = Incident(opened_at, alarmed_at=at, told="alarm", told_at=at)
        said = Transition("escalated", subject, "alarm", at, opened_at, good_at)
        return Watch(subject, NOW, good_at, incident=alarm), said
    warning = Incident(opened_at, told="warning", told_at=opened_at)
    said = Transition("opened", subject, "warning", opened_at, opened_at, good_at)
    return Watch(subject, NOW, good_at, incident=warning), said


@dataclass(frozen=True)
class FixedClock:
    """It is always the same time."""

    at: datetime = NOW

    def now(self) -> datetime:
        """Return it."""
        return self.at


OPEN = doors("127.0.0.1", (), None)


def application(
    file: Path, held: Terms | None = None, opens: Doors = OPEN, now: datetime = NOW
) -> Guard:
    """Return a dashboard over a history."""
    site = Site(lambda: open_history(file, read_only=True), held or terms(), opens, FixedClock(now))
    return dashboard(site)


def ask(
    app: Guard,
    path: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    host: str = "127.0.0.1:8642",
) -> httpx.Response:
    """Return what a dashboard answers, without a network."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, headers=headers, content=content or None)

    return asyncio.run(send())


def no_reading() -> Reading | None:
    """Return that nobody wants the repository to be read."""
    return None
