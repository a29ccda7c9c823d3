"""Lines of a log on their way into the history: what it holds is what all lines together say.

So lines may come in pieces, twice, late, or from two sources. What is near the new lines is read
anew from its lines and the new ones together, and takes the place of what was made of it before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from verifier.monitor.cycles import CycleLog, parse_log, reduced_line
from verifier.monitor.history.memory import History
from verifier.monitor.history.runs import (
    PastCycle,
    clear_cycle,
    find_cycle,
    read_cycles,
    read_lines,
    record_cycle,
    replace_cycle,
)
from verifier.monitor.history.tables import written
from verifier.monitor.spoken import UNIT
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


def absorb(history: History, lines: Iterable[LogLine], unit: str = UNIT) -> Absorbed:
    """Record what lines say, in one change, and return what was new.

    Args:
        unit: the coordinator's; what systemd says of it is kept by its description.

    Raises:
        CannotVerify, NoSpace: it cannot be recorded; nothing of it is.
    """
    new = tuple(reduced_line(line, unit) for line in lines)
    with history.store.change() as connection:
        near = {past.number: past for past in _near(connection, new)}
        stored = {number: read_lines(connection, number) for number in near}
        lines_known = _Known(
            _line(reduced_line(line, unit)) for told in stored.values() for line in told
        )
        backups_known = _Known(
            _backup(backup, past.cycle) for past in near.values() for backup in past.cycle.backups
        )
        touched = _settle(connection, stored, parse_log(_together(stored, new), unit))
    return Absorbed(
        tuple(line for log in touched for line in log.lines if _line(line) not in lines_known),
        tuple(
            backup
            for log in touched
            for backup in log.cycle.backups
            if _backup(backup, log.cycle) not in backups_known
        ),
        tuple(log.cycle for log in touched),
    )


def _together(near: Mapping[int, Sequence[LogLine]], new: Sequence[LogLine]) -> Iterator[LogLine]:
    for stored in near.values():
        yield from stored
    yield from new


def _near(connection: sqlite3.Connection, lines: Sequence[LogLine]) -> Iterator[PastCycle]:
    """Yield the cycles that lines may belong to, or set apart."""
    by_host: dict[str, list[LogLine]] = {}
    for line in lines:
        by_host.setdefault(line.host, []).append(line)
    for host, told in by_host.items():
        first, last = min(line.at for line in told), max(line.at for line in told)
        first = first.replace(microsecond=0)
        span = written(first), written(last), written(first - UNDER_WAY)
        yield from read_cycles(connection, _BESIDE, (host, *span))
        for run in {line.run for line in told} - {""}:
            yield from read_cycles(connection, _RUNS, (host, run))


_BESIDE = """
number IN (
SELECT number FROM cycles WHERE coordinator = ?1 AND began_at BETWEEN ?2 AND ?3
UNION
SELECT number FROM cycles
WHERE coordinator = ?1 AND began_at BETWEEN ?4 AND ?2
  AND (status IS NULL OR strftime('%s', began_at) + duration_s + 1 >= strftime('%s', ?2) + 0)
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
)
"""
_RUNS = "coordinator = ? AND run = ?"


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


class _Known:
    """Things that were known before, each by what it is and by its run where both know that."""

    def __init__(self, things: Iterable[tuple[object, str]]) -> None:
        self._runs: dict[object, set[str]] = {}
        for thing, run in things:
            self._runs.setdefault(thing, set()).add(run)

    def __contains__(self, thing: tuple[object, str]) -> bool:
        what, run = thing
        runs = self._runs.get(what, set())
        return bool(runs) and (not run or bool({"", run} & runs))


def _line(line: LogLine) -> tuple[object, str]:
    # By the second, as the tables know it.
    return (line.host, line.at.replace(microsecond=0), line.service, line.data), line.run


def _backup(backup: BackupRun, cycle: CycleRun) -> tuple[object, str]:
    return (cycle.coordinator, backup.host, backup.began_at), cycle.run
