"""Rows of what people were told: watches, transitions, silences, and what is still owed to a sink.

An incident is what its transitions say of it, and its watch as long as it is open: one that a
silence has kept from everybody has no transition yet.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import Transition
from verifier.monitor.alerts.watch import Level, Watch, parse_watch, render_watch
from verifier.monitor.delivery import Delivery
from verifier.monitor.history.tables import written


@dataclass(frozen=True, slots=True)
class PastIncident:
    """An incident from its opening on. Instants are in UTC.

    Attributes:
        level: the highest that it reached.
        alarmed_at: when it was told to be an alarm; where it is open, when it became one.
        resolved_at: none while it is open.
        told: what people were told of it, in order.
    """

    subject: str
    opened_at: datetime
    level: Level
    alarmed_at: datetime | None
    resolved_at: datetime | None
    told: tuple[Transition, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet."""
        return self.resolved_at is None

    def lasted(self, now: datetime) -> timedelta:
        """Return how long it lasted, up to now where it is open."""
        return (self.resolved_at or now) - self.opened_at


@dataclass(frozen=True, slots=True)
class PastSilence:
    """A silence that was made on the command line, under its number."""

    number: int
    silence: Silence
    reason: str


def read_watches(connection: sqlite3.Connection) -> dict[str, Watch]:
    """Return every watch by its subject."""
    rows = connection.execute("SELECT subject, body FROM watches ORDER BY subject")
    return {subject: parse_watch(json.loads(body)) for subject, body in rows}


def save_watches(connection: sqlite3.Connection, watches: Mapping[str, Watch]) -> None:
    """Put these watches in the place of all those before."""
    connection.execute("DELETE FROM watches")
    rows = ((subject, json.dumps(render_watch(watch))) for subject, watch in watches.items())
    connection.executemany("INSERT INTO watches VALUES (?, ?)", rows)


def save_transitions(connection: sqlite3.Connection, transitions: Iterable[Transition]) -> None:
    """Write down what is told; what is written down already stays as it is."""
    rows = (
        (t.subject, written(t.opened_at), written(t.at), t.kind, t.level, written(t.good_at))
        for t in transitions
    )
    connection.executemany("INSERT OR IGNORE INTO transitions VALUES (?, ?, ?, ?, ?, ?)", rows)


def read_incidents(connection: sqlite3.Connection, since: datetime) -> Iterator[PastIncident]:
    """Yield the incidents that were open at some time since then, the newest first."""
    watches = read_watches(connection)
    still = {
        (watch.subject, watch.incident.opened_at): watch.incident
        for watch in watches.values()
        if watch.incident
    }
    found = dict(_told(connection, since, {subject for subject, _ in still}))
    for subject, opened_at in sorted({*found, *still}, key=lambda key: (key[1], key[0]))[::-1]:
        told = found.get((subject, opened_at), ())
        incident = still.get((subject, opened_at))
        ended = next((t.at for t in told if t.kind == "resolved"), None)
        alarmed = next((t.at for t in told if t.level == "alarm"), None)
        if incident is None and ended is None:
            # Its subject is watched no more, so nobody will say that it is over.
            ended = told[-1].at
        if ended is not None and ended < since:
            continue
        level: Level = "alarm" if alarmed or (incident and incident.alarmed_at) else "warning"
        alarmed = incident.alarmed_at if incident else alarmed
        yield PastIncident(subject, opened_at, level, alarmed, ended, told)


def _told(
    connection: sqlite3.Connection, since: datetime, open_subjects: set[str]
) -> Iterator[tuple[tuple[str, datetime], tuple[Transition, ...]]]:
    marks = ", ".join("?" * len(open_subjects))
    rows = connection.execute(
        "SELECT kind, subject, level, at, opened_at, good_at FROM transitions "  # noqa: S608
        "WHERE (subject, opened_at) IN (SELECT subject, opened_at FROM transitions WHERE at >= ?) "
        f"OR subject IN ({marks}) ORDER BY subject, opened_at, at",
        (written(since), *sorted(open_subjects)),
    )
    transitions = (
        Transition(kind, subject, level, *map(_instant, instants))
        for kind, subject, level, *instants in rows
    )
    for key, group in groupby(transitions, lambda t: (t.subject, t.opened_at)):
        yield key, tuple(group)


def add_silence(connection: sqlite3.Connection, silence: Silence, reason: str) -> bool:
    """Write a silence down; say whether it was new."""
    row = silence.subject, written(silence.from_at), written(silence.until_at), reason
    query = (
        "INSERT INTO silences (subject, from_at, until_at, reason) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET until_at = excluded.until_at, reason = excluded.reason "
        "WHERE until_at <> excluded.until_at OR reason <> excluded.reason"
    )
    return connection.execute(query, row).rowcount > 0


def read_silences(connection: sqlite3.Connection) -> tuple[PastSilence, ...]:
    """Return every silence, also those that are over, in the order of their beginnings."""
    query = (
        "SELECT number, subject, from_at, until_at, reason FROM silences ORDER BY from_at, number"
    )
    return tuple(
        PastSilence(number, Silence(subject, _instant(begin), _instant(end)), reason)
        for number, subject, begin, end, reason in connection.execute(query)
    )


def owe(connection: sqlite3.Connection, deliveries: Iterable[Delivery]) -> None:
    """Write down what is to be sent, in order; what is written down already stays as it is."""
    rows = ((d.id, d.kind, d.at.isoformat(), json.dumps(d.body)) for d in deliveries)
    query = "INSERT OR IGNORE INTO owed (id, kind, at, body) VALUES (?, ?, ?, ?)"
    connection.executemany(query, rows)


def read_owed(connection: sqlite3.Connection) -> tuple[Delivery, ...]:
    """Return what is still to be sent, in order."""
    rows = connection.execute("SELECT kind, at, body FROM owed ORDER BY place")
    return tuple(
        Delivery(kind, datetime.fromisoformat(at), json.loads(body)) for kind, at, body in rows
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
