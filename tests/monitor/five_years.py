"""A history of five years: a hundred hosts that are backed up every day, verified every month.

`fill(history)` makes it in seconds, and `fill_ledger(path)` the ledger of its drills in a minute.
They are the same whenever they are made with the same seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from verifier.drill.ledger import open_ledger
from verifier.monitor.alerts.transition import Transition
from verifier.monitor.alerts.watch import Incident, begin_watch
from verifier.monitor.history.memory import History
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine, StageRun

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When the last cycle has begun."""

DAYS = 1_826
HOSTS = tuple(f"host{number:03}" for number in range(100))
RELEASES = ("0.14.0", "0.16.4", "0.17.3", "0.18.0", "0.18.1")
LINES_DAYS = 60
"""Of how many last days the lines are there, too: they are most of the work."""


def fill(
    history: History, *, days: int = DAYS, hosts: tuple[str, ...] = HOSTS, seed: int = 1
) -> None:
    """Fill an empty history; nothing of it is safe against a power cut until it is done."""
    drawn = random.Random(seed)
    history.store.connection.execute("PRAGMA synchronous = OFF")
    with history.together():
        for day in range(days):
            ago = days - 1 - day
            cycle = _cycle(drawn, END - timedelta(days=ago), day / days, hosts)
            lines = tuple(_lines(cycle)) if ago < LINES_DAYS else ()
            history.record_cycle(cycle, lines)
            if day % 30 == 0:
                history.record_report(_monthly(drawn, cycle.ended_at, hosts))
            if day % 60 == 17:
                _incident(history, cycle, hosts[day % len(hosts)])
    history.store.connection.execute("PRAGMA synchronous = FULL")


def fill_ledger(
    path: Path, *, months: int = 61, hosts: tuple[str, ...] = HOSTS, files: int = 20_000
) -> None:
    """Make the ledger of as many drills, in which all files of every host were proven once.

    Only the last drill proves them: that there are so many is what costs whoever reads it.
    """
    with open_ledger(path) as ledger:
        for month in range(1, months + 1):
            at = END - timedelta(days=30 * (months - month))
            run = ledger.begin(repository="R", inputs="", at=at, seed=1)
            for number, host in enumerate(hosts):
                keys = range(number * files, (number + 1) * files) if month == months else ()
                sizes = ((key.to_bytes(16, "big"), key * 7_919 % (1 << 30)) for key in keys)
                run.prove_files(host, sizes)
                run.hold_files(host, {last: (files // month, 1 << 34) for last in range(month)})
            run.finish(at + timedelta(hours=2), "OK", {})


def _cycle(
    drawn: random.Random, began_at: datetime, grown: float, hosts: tuple[str, ...]
) -> CycleRun:
    at, backups, chance = began_at, [], drawn.random
    restic = RELEASES[int(grown * len(RELEASES))]
    for number, host in enumerate(hosts):
        status = drawn.choice((1, 3, 255)) if chance() < 0.005 else 0
        took_s = float(3 + int(chance() * 22))
        made = status in (0, 3)
        backups.append(
            BackupRun(
                host,
                at,
                took_s,
                status,
                f"{drawn.getrandbits(256):064x}" if made else "",
                restic if made else "",
                files_new=int(chance() * 90) * made,
                files_changed=int(chance() * 400) * made,
                files_unmodified=(100_000 + 1_000 * number) * made,
                processed_bytes=int((1 + number) * 1e9 * (1 + grown)) * made,
                added_bytes=int(chance() * (1 << 30)) * made,
                errors=int(status == 3),
                message="" if made else "connection refused",
            )
        )
        at += timedelta(seconds=took_s)
    stages = []
    for name, took_s in (("forget", 5.0), ("prune", 300.0), ("offsite", 900.0)):
        stages.append(StageRun(name, at, took_s, 0))
        at += timedelta(seconds=took_s)
    status = int(any(not backup.succeeded for backup in backups))
    passed_s = (at - began_at).total_seconds()
    return CycleRun("jak", "run-backups", began_at, passed_s, status, tuple(backups), tuple(stages))


def _lines(cycle: CycleRun) -> Iterator[LogLine]:
    def line(at: datetime, text: str) -> LogLine:
        return LogLine(at, cycle.coordinator, cycle.service, text)

    yield line(cycle.began_at, "Started run backups.")
    for backup in cycle.backups:
        if backup.snapshot:
            summary = {"message_type": "summary", "snapshot_id": backup.snapshot}
            yield line(backup.ended_at, json.dumps(summary))
        yield line(
            backup.ended_at,
            f"backup host={backup.host} status={backup.status} duration_s={backup.duration_s:.0f}",
        )
    for stage in cycle.stages:
        at = stage.began_at + timedelta(seconds=stage.duration_s)
        yield line(at, f"{stage.name} status={stage.status} duration_s={stage.duration_s:.0f}")
    yield line(cycle.ended_at, f"run status={cycle.status} duration_s={cycle.duration_s:.0f}")
    yield line(cycle.ended_at, ("Failed" if cycle.status else "Finished") + " run backups.")


def _monthly(drawn: random.Random, at: datetime, hosts: tuple[str, ...]) -> dict[str, object]:
    corrupted = drawn.random() < 0.1
    finding = {
        "kind": "corrupted",
        "severity": "CRITICAL",
        "subject": f"{hosts[0]}:/srv/data",
        "detail": "content differs",
        "evidence": {},
    }
    looked = [
        {
            "host": host,
            "snapshot": f"{drawn.getrandbits(256):064x}",
            "taken": at.isoformat(),
            "files": 100_000,
            "bytes": 10**9,
            "counts": {"identical": 99_990, "changed": 10},
        }
        for host in hosts
    ]
    packs = {"packs": 9, "packs_read": 9, "bytes": 9, "read_bytes": 9, "finished": True}
    drill = {"repository": packs, "hosts": looked, "excluded": [], "rehearsals": []}
    return {
        "schema": 1,
        "kind": "monthly",
        "verdict": "CRITICAL" if corrupted else "OK",
        "started": at.isoformat(),
        "finished": (at + timedelta(hours=2)).isoformat(),
        "tool": {"restic-verify": "0.1.0"},
        "inputs": {"hosts": list(hosts)},
        "findings": [finding] if corrupted else [],
        "measurements": {},
        "coverage": {"unit": "paths", "checked": 9, "total": 9, "skipped": {}},
        "drill": drill,
    }


def _incident(history: History, cycle: CycleRun, host: str) -> None:
    """Record an incident that was opened a day after a cycle, and is over two hours later."""
    subject, good_at = f"backup {host}", cycle.began_at
    opened_at = good_at + timedelta(hours=24)
    over_at = opened_at + timedelta(hours=2)
    told = (
        Transition("opened", subject, "warning", opened_at, opened_at, good_at),
        Transition("resolved", subject, "warning", over_at, opened_at, good_at),
    )
    history.save_look(history.watches(), told, over_at)


def open_incident(history: History, host: str = HOSTS[3]) -> None:
    """Let the backup of a host be late: an incident that is open at the end."""
    subject, opened_at = f"backup {host}", END + timedelta(hours=24)
    watch = begin_watch(subject, END)
    opened = Transition("opened", subject, "warning", opened_at, opened_at, END)
    incident = Incident(opened_at, told="warning", told_at=opened_at)
    late = type(watch)(subject, opened_at, END, incident=incident)
    history.save_look({**history.watches(), subject: late}, (opened,), opened_at)
