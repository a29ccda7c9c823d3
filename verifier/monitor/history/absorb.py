"""Lines of a log on their way into the history: what it holds is what all lines together say.

So lines may come in pieces, twice, late, or from two sources. What is near the new lines is read
anew from its lines and the new ones together, and takes the place of what was made of it before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.monitor.cycles import CycleLog, parse_log
from verifier.monitor.history.memory import History
from verifier.monitor.history.runs import (
    clear_cycle,
    find_cycle,
    read_lines,
    record_cycle,
    replace_cycle,
)
from verifier.monitor.history.tables import written
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine

UNDER_WAY = timedelta(days=7)
"""How long ago a cycle may have begun whose end is still waited for."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What was new.

    Attributes:
        lines: of cycles; others are passed over.
        backups: of which nothing was known.
        cycles: of which something was new, each as it is known now.
    """

    lines: tuple[LogLine, ...] = ()
    backups: tuple[BackupRun, ...] = ()
    cycles: tuple[CycleRun, ...] = ()


def absorb(history: History, lines: Iterable[LogLine]) -> Absorbed:
    """Record what lines say, in one change, and return what was new.

    Raises:
        CannotVerify, NoSpace: it cannot be recorded; nothing of it is.
    """
    new = tuple(lines)
    with history.store.change() as connection:
        near = {number: read_lines(connection, number) for number in sorted(_near(connection, new))}
        known = {_key(line) for stored in near.values() for line in stored}
        backups = _backups(connection, near)
        touched = _settle(connection, near, parse_log(_together(near, new)))
    found = (line for log in touched for line in log.lines)
    return Absorbed(
        tuple(line for line in found if _key(line) not in known),
        tuple(
            backup
            for log in touched
            for backup in log.cycle.backups
            if (backup.host, written(backup.began_at)) not in backups
        ),
        tuple(log.cycle for log in touched),
    )


def _together(near: Mapping[int, Sequence[LogLine]], new: Sequence[LogLine]) -> Iterator[LogLine]:
    for stored in near.values():
        yield from stored
    yield from new


def _near(connection: sqlite3.Connection, lines: Sequence[LogLine]) -> Iterator[int]:
    """Yield the cycles that lines may belong to, or set apart."""
    by_host: dict[str, list[LogLine]] = {}
    for line in lines:
        by_host.setdefault(line.host, []).append(line)
    for host, told in by_host.items():
        first, last = min(line.at for line in told), max(line.at for line in told)
        first = first.replace(microsecond=0)
        span = written(first), written(last)
        waited = written(first - UNDER_WAY)
        yield from _numbers(connection, _BESIDE, (host, *span, waited))
        for run in {line.run for line in told} - {""}:
            yield from _numbers(connection, _RUNS, (host, run))


def _numbers(connection: sqlite3.Connection, query: str, values: Sequence[object]) -> Iterator[int]:
    return (number for (number,) in connection.execute(query, values).fetchall())


_BESIDE = """
SELECT number FROM cycles WHERE coordinator = ?1 AND began_at BETWEEN ?2 AND ?3
UNION
SELECT number FROM cycles
WHERE coordinator = ?1 AND began_at BETWEEN ?4 AND ?2 AND status IS NULL
UNION
SELECT number FROM (
  SELECT number, max(began_at) FROM cycles WHERE coordinator = ?1 AND began_at < ?2
  GROUP BY service
)
UNION
SELECT number FROM (
  SELECT number, min(began_at) FROM cycles WHERE coordinator = ?1 AND began_at > ?3
  GROUP BY service
)
"""
_RUNS = "SELECT number FROM cycles WHERE coordinator = ? AND run = ?"


def _settle(
    connection: sqlite3.Connection,
    near: Mapping[int, Sequence[LogLine]],
    logs: Sequence[CycleLog],
) -> list[CycleLog]:
    """Put what was read anew in the place of what was there; return what is not as before."""
    owner = {id(line): number for number, stored in near.items() for line in stored}
    touched, kept = [], set[int]()
    for log in logs:
        owners = {owner.get(id(line), 0) for line in log.lines}
        (number, *others) = owners
        if not others and number and len(log.lines) == len(near[number]):
            kept.add(number)
        else:
            touched.append((log, owners - {0}))
    gone = {number for number, stored in near.items() if stored} - kept
    for number in gone:
        clear_cycle(connection, number)
    for log, owners in touched:
        known = find_cycle(connection, log.cycle) or min(owners & gone, default=None)
        if known is not None and known in gone:
            gone.discard(known)
            replace_cycle(connection, known, log.cycle)
        record_cycle(connection, log.cycle, log.lines, known)
    # What was thought to be a cycle of its own has turned out to be a part of another.
    connection.executemany("DELETE FROM cycles WHERE number = ?", ((n,) for n in gone))
    return [log for log, _ in touched]


def _backups(connection: sqlite3.Connection, numbers: Iterable[int]) -> set[tuple[str, str]]:
    query = "SELECT host, began_at FROM backups WHERE cycle = ?"
    return {row for number in numbers for row in connection.execute(query, (number,))}


def _key(line: LogLine) -> tuple[str, datetime, str, str]:
    # As the tables know it: by the second.
    return line.host, line.at.replace(microsecond=0), line.service, line.data
