"""What the history forgets: what is old, unless it is open or the newest of its kind.

A host that was switched off three years ago still has a last backup and a last verification.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.monitor.history.incidents import read_watches
from verifier.monitor.history.tables import written


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows went."""

    cycles: int
    backups: int
    reports: int
    transitions: int
    silences: int


def tidy(connection: sqlite3.Connection, keep: timedelta, now: datetime) -> Removed:
    """Forget what ended longer ago than `keep`, within a transaction."""
    before = written(now - keep)
    backups = _count(connection, "backups")
    cycles = connection.execute(_CYCLES, (before,)).rowcount
    removed = Removed(
        cycles,
        backups - _count(connection, "backups"),
        connection.execute(_REPORTS, (before,)).rowcount,
        _transitions(connection, before),
        connection.execute("DELETE FROM silences WHERE until_at < ?", (before,)).rowcount,
    )
    # What was freed goes back to the disk the next time that nobody else reads.
    connection.execute("PRAGMA optimize")
    return removed


_CYCLES = """
DELETE FROM cycles WHERE began_at < ?1
  AND number NOT IN (SELECT number FROM cycles ORDER BY began_at DESC LIMIT 1)
  AND number NOT IN (
    SELECT cycle FROM backups JOIN
      (SELECT host AS one, max(began_at) AS newest FROM backups GROUP BY host)
      ON host = one AND began_at = newest
  )
  AND number NOT IN (
    SELECT cycle FROM backups JOIN
      (SELECT host AS one, max(began_at) AS newest FROM backups WHERE status = 0 GROUP BY host)
      ON host = one AND began_at = newest AND status = 0
  )
"""

_REPORTS = """
DELETE FROM reports WHERE finished_at < ?1
  AND number NOT IN (
    SELECT number FROM (SELECT number, max(finished_at) FROM reports GROUP BY kind)
  )
  AND number NOT IN (SELECT report FROM (SELECT report, max(at) FROM verifications GROUP BY host))
  AND number NOT IN (
    SELECT report FROM (
      SELECT report, max(at) FROM verifications WHERE verdict IN ('OK', 'WARNING') GROUP BY host
    )
  )
"""


def _transitions(connection: sqlite3.Connection, before: str) -> int:
    still = {
        (watch.subject, written(watch.incident.opened_at))
        for watch in read_watches(connection).values()
        if watch.incident
    }
    # An incident goes whole, by its last word.
    query = "SELECT subject, opened_at FROM transitions GROUP BY 1, 2 HAVING max(at) < ?"
    over = [row for row in connection.execute(query, (before,)).fetchall() if row not in still]
    gone = connection.executemany(
        "DELETE FROM transitions WHERE subject = ? AND opened_at = ?", over
    )
    return gone.rowcount if over else 0


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
