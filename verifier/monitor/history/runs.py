"""Rows of cycles: what a run of the coordinator did, and the lines that it said so in.

A cycle is known by its invocation where that is told, else by the second in which it began: the
same run, heard of by journald and by a table that knows no fractions, is one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from verifier.monitor.history.tables import written
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine, StageRun

BACKUP_COLUMNS = (
    "host, began_at, duration_s, status, snapshot, restic, files_new, files_changed, "
    "files_unmodified, processed_bytes, added_bytes, errors, message"
)
_COUNT = BACKUP_COLUMNS.count(",") + 1


@dataclass(frozen=True, slots=True)
class PastCycle:
    """A cycle under the number that the history gave it."""

    number: int
    cycle: CycleRun


def record_cycle(
    connection: sqlite3.Connection,
    cycle: CycleRun,
    lines: Sequence[LogLine],
    number: int | None = None,
) -> int:
    """Write down what is new of a cycle, within a transaction; return its number.

    Args:
        number: under which it is known, where it is not to be found by its beginning.
    """
    if number is None:
        number = find_cycle(connection, cycle)
    if number is None:
        number = _insert(connection, cycle)
    else:
        _complete(connection, number, cycle)
    backups = [(number, *backup_row(backup)) for backup in cycle.backups]
    connection.executemany(_BACKUP, backups)
    stages = [(number, s.name, written(s.began_at), s.duration_s, s.status) for s in cycle.stages]
    connection.executemany("INSERT OR IGNORE INTO stages VALUES (?, ?, ?, ?, ?)", stages)
    _add_lines(connection, number, lines)
    return number


def find_cycle(connection: sqlite3.Connection, cycle: CycleRun) -> int | None:
    """Return the number under which a cycle is known; None where it is not."""
    who = cycle.coordinator, cycle.service
    if cycle.run:
        found = connection.execute(_BY_RUN, (cycle.run, *who)).fetchone()
        if found:
            return int(found[0])
    second = cycle.began_at.replace(microsecond=0)
    span = written(second), written(second + timedelta(seconds=1))
    found = connection.execute(_BY_SECOND, (*who, *span, cycle.run)).fetchone()
    return int(found[0]) if found else None


_BY_RUN = "SELECT number FROM cycles WHERE run = ? AND coordinator = ? AND service = ?"
_BY_SECOND = """
SELECT number FROM cycles
WHERE coordinator = ? AND service = ? AND began_at >= ? AND began_at < ?
  AND ('' IN (run, ?5) OR run = ?5)
"""

_BACKUP = f"""
INSERT INTO backups (cycle, {BACKUP_COLUMNS}) VALUES ({", ".join("?" * (_COUNT + 1))})
ON CONFLICT DO UPDATE SET
  duration_s = excluded.duration_s, status = excluded.status, snapshot = excluded.snapshot,
  restic = excluded.restic, files_new = excluded.files_new,
  files_changed = excluded.files_changed, files_unmodified = excluded.files_unmodified,
  processed_bytes = excluded.processed_bytes, added_bytes = excluded.added_bytes,
  errors = excluded.errors, message = excluded.message
WHERE (snapshot = '' AND excluded.snapshot <> '') OR (restic = '' AND excluded.restic <> '')
  OR errors < excluded.errors OR (message = '' AND excluded.message <> '')
"""  # noqa: S608 - made of constants alone
# More may become known of a backup, when lines that came late are read beside those before.


def _insert(connection: sqlite3.Connection, cycle: CycleRun) -> int:
    row = (
        cycle.coordinator,
        cycle.service,
        cycle.run,
        written(cycle.began_at),
        cycle.duration_s,
        cycle.status,
    )
    query = (
        "INSERT INTO cycles (coordinator, service, run, began_at, duration_s, status) "
        "VALUES (?, ?, ?, ?, ?, ?) RETURNING number"
    )
    return int(connection.execute(query, row).fetchone()[0])


def _complete(connection: sqlite3.Connection, number: int, cycle: CycleRun) -> None:
    query = "SELECT service, run, began_at, duration_s, status FROM cycles WHERE number = ?"
    before = connection.execute(query, (number,)).fetchone()
    _, run, began_at, duration_s, status = before
    # A poorer account of it takes nothing back.
    began = min(began_at, written(cycle.began_at))
    ended = max(_instant(began_at) + timedelta(seconds=duration_s), cycle.ended_at)
    after = (
        cycle.service,
        run or cycle.run,
        began,
        (ended - _instant(began)).total_seconds(),
        status if cycle.status is None else cycle.status,
    )
    if after != before:
        change = (
            "UPDATE cycles SET service = ?, run = ?, began_at = ?, duration_s = ?, status = ? "
            "WHERE number = ?"
        )
        connection.execute(change, (*after, number))


def clear_cycle(connection: sqlite3.Connection, number: int) -> None:
    """Forget all that is known of a cycle but its number and its beginning."""
    reset = "UPDATE cycles SET duration_s = 0, status = NULL WHERE number = ?"
    connection.execute(reset, (number,))
    for table in ("backups", "stages", "lines"):
        connection.execute(f"DELETE FROM {table} WHERE cycle = ?", (number,))  # noqa: S608


def replace_cycle(connection: sqlite3.Connection, number: int, cycle: CycleRun) -> None:
    """Let a cycle that was cleared have begun at this one's beginning."""
    began = "UPDATE cycles SET began_at = ?, run = ? WHERE number = ?"
    connection.execute(began, (written(cycle.began_at), cycle.run, number))


def _add_lines(connection: sqlite3.Connection, number: int, lines: Sequence[LogLine]) -> None:
    if not lines:
        return
    query = "SELECT at, service, data FROM lines WHERE cycle = ? ORDER BY place"
    known: list[tuple[str, str, str]] = connection.execute(query, (number,)).fetchall()
    # The same line, from a source that knows no fractions of a second, is the same line.
    seen = {(at[:19], service, data) for at, service, data in known}
    added = []
    for line in lines:
        row = written(line.at), _text(line.service), _text(line.data)
        if (row[0][:19], *row[1:]) not in seen:
            seen.add((row[0][:19], *row[1:]))
            added.append(row)
    if added:
        rows = sorted((*known, *added), key=lambda row: row[0])
        connection.execute("DELETE FROM lines WHERE cycle = ?", (number,))
        placed = ((number, place, *row) for place, row in enumerate(rows))
        connection.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?)", placed)


def read_lines(connection: sqlite3.Connection, number: int) -> tuple[LogLine, ...]:
    """Return the lines of a cycle, in order."""
    query = "SELECT coordinator, run FROM cycles WHERE number = ?"
    found = connection.execute(query, (number,)).fetchone()
    if found is None:
        return ()
    coordinator, run = found
    rows = connection.execute(
        "SELECT at, service, data FROM lines WHERE cycle = ? ORDER BY place", (number,)
    )
    return tuple(LogLine(_instant(at), coordinator, who, data, run) for at, who, data in rows)


def read_cycles(
    connection: sqlite3.Connection, where: str, values: Sequence[object]
) -> Iterator[PastCycle]:
    """Yield the cycles that a condition on `cycles` holds for, the oldest first."""
    chosen = f"SELECT number FROM cycles WHERE {where}"  # noqa: S608 - conditions are constants
    backups = _by_cycle(
        connection.execute(
            f"SELECT cycle, {BACKUP_COLUMNS} FROM backups "  # noqa: S608
            f"WHERE cycle IN ({chosen}) ORDER BY cycle, began_at, host",
            values,
        )
    )
    stages = _by_cycle(
        connection.execute(
            "SELECT cycle, name, began_at, duration_s, status FROM stages "  # noqa: S608
            f"WHERE cycle IN ({chosen}) ORDER BY cycle, began_at, name",
            values,
        )
    )
    rows = connection.execute(
        "SELECT number, coordinator, service, run, began_at, duration_s, status FROM cycles "  # noqa: S608
        f"WHERE {where} ORDER BY began_at, number",
        values,
    )
    for number, coordinator, service, run, began_at, duration_s, status in rows:
        yield PastCycle(
            number,
            CycleRun(
                coordinator,
                service,
                _instant(began_at),
                duration_s,
                status,
                tuple(backup_of(row) for row in backups.get(number, ())),
                tuple(
                    StageRun(name, _instant(at), took_s, ended)
                    for name, at, took_s, ended in stages.get(number, ())
                ),
                run,
            ),
        )


@dataclass(frozen=True, slots=True)
class CycleSpan:
    """How long a cycle took, without what it did.

    Attributes:
        status: none while its end has not been heard of.
        restic: the release of the first of its hosts by name that told one; empty where none did.
    """

    number: int
    began_at: datetime
    duration_s: float
    status: int | None
    restic: str


def read_spans(connection: sqlite3.Connection, since: str) -> Iterator[CycleSpan]:
    """Yield the spans of the cycles since an instant, the oldest first."""
    rows = connection.execute(
        "SELECT number, began_at, duration_s, status, (SELECT restic FROM backups "
        "WHERE cycle = cycles.number AND restic <> '' ORDER BY host LIMIT 1) "
        "FROM cycles WHERE began_at >= ? ORDER BY began_at, number",
        (since,),
    )
    for number, began_at, duration_s, status, restic in rows:
        yield CycleSpan(number, _instant(began_at), duration_s, status, restic or "")


def _by_cycle(rows: sqlite3.Cursor) -> dict[int, list[tuple[Any, ...]]]:
    return {
        number: [row[1:] for row in group] for number, group in groupby(rows, lambda row: row[0])
    }


def backup_row(backup: BackupRun) -> tuple[object, ...]:
    """Return a backup as `BACKUP_COLUMNS` has it."""
    return (
        backup.host,
        written(backup.began_at),
        backup.duration_s,
        backup.status,
        _text(backup.snapshot),
        _text(backup.restic),
        backup.files_new,
        backup.files_changed,
        backup.files_unmodified,
        backup.processed_bytes,
        backup.added_bytes,
        backup.errors,
        _text(backup.message),
    )


def backup_of(row: Sequence[Any]) -> BackupRun:
    """Return what `backup_row` was given."""
    host, began_at, duration_s, status, *more = row
    return BackupRun(host, _instant(began_at), duration_s, status, *more)


def _text(text: str) -> str:
    # Half a character has no place in UTF-8.
    return text.encode("utf-8", "replace").decode()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
