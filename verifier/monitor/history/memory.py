"""The history as the other parts see it: one value with a verb for each thing that is remembered.

Every writer may be called again with the same: nothing is recorded twice, and each says whether
there was anything new. What was said to be recorded survives `kill -9` and a power cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from verifier.database.store import Store, open_store
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import Transition
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.delivery import Delivery
from verifier.monitor.history import incidents as told
from verifier.monitor.history import reports, runs
from verifier.monitor.history.incidents import PastIncident, PastSilence
from verifier.monitor.history.reports import PastReport, Verification, Verified
from verifier.monitor.history.runs import CycleSpan, PastCycle
from verifier.monitor.history.tables import HISTORY, written
from verifier.monitor.history.tidy import Removed, tidy
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine

__all__ = ["History", "open_history"]

_EVER = datetime(1, 1, 2, tzinfo=UTC)
_NEVER = datetime(9999, 12, 30, tzinfo=UTC)


@contextmanager
def open_history(path: Path, *, read_only: bool = False) -> Iterator[History]:
    """Open a history, made where there is none; several processes may have it open.

    Args:
        read_only: nothing is made and nothing written, so no right to write is needed.

    Raises:
        CannotVerify: it is no history, of a newer release, broken, or cannot be written; there is
            none to read.
        NoSpace: the disk is full.
    """
    with open_store(HISTORY, path, read_only=read_only) as store:
        yield History(store)


@dataclass(frozen=True, slots=True)
class History:
    """The memory of the monitoring. Made by `open_history`; threads may share it."""

    store: Store

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make everything that is recorded in the block one change: all of it is kept, or none."""
        with self.store.change():
            yield

    # Runs of the coordinator.

    def record_cycle(self, cycle: CycleRun, lines: Sequence[LogLine] = ()) -> bool:
        """Record a run; one that is known is completed. Say whether anything was new."""
        with self.store.change() as connection:
            before = connection.total_changes
            runs.record_cycle(connection, cycle, lines)
            return connection.total_changes > before

    def hosts(self) -> tuple[str, ...]:
        """Return every host of which a backup is known, by name."""
        return tuple(host for (host,) in self.store.rows(_HOSTS))

    def last_backup(self, host: str) -> BackupRun | None:
        """Return a host's newest backup, however it ended."""
        return next(iter(self._backups("host = ? ORDER BY began_at DESC LIMIT 1", host)), None)

    def last_good_backup(self, host: str, before: datetime | None = None) -> BackupRun | None:
        """Return a host's newest backup that succeeded, of those that began before an instant."""
        where = "host = ? AND status = 0 AND began_at < ? ORDER BY began_at DESC LIMIT 1"
        return next(iter(self._backups(where, host, written(before or _NEVER))), None)

    def backups(
        self, host: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[BackupRun, ...]:
        """Return the backups that began from one instant until before another, oldest first."""
        span = written(since or _EVER), written(until or _NEVER)
        if host is None:
            return self._backups("began_at >= ? AND began_at < ? ORDER BY began_at, host", *span)
        where = "host = ? AND began_at >= ? AND began_at < ? ORDER BY began_at"
        return self._backups(where, host, *span)

    def _backups(self, where: str, *values: object) -> tuple[BackupRun, ...]:
        query = f"SELECT {runs.BACKUP_COLUMNS} FROM backups WHERE {where}"  # noqa: S608
        return tuple(map(runs.backup_of, self.store.rows(query, *values)))

    def newest_backups(
        self, host: str | None, since: datetime | None, until: datetime | None, limit: int
    ) -> tuple[BackupRun, ...]:
        """Return so many of the backups that `backups` returns, the newest first."""
        span = written(since or _EVER), written(until or _NEVER)
        where = "began_at >= ? AND began_at < ? ORDER BY began_at DESC, host LIMIT ?"
        if host is None:
            return self._backups(where, *span, limit)
        return self._backups(f"host = ? AND {where}", host, *span, limit)

    def cycles(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[PastCycle, ...]:
        """Return the cycles that began from one instant until before another, oldest first."""
        span = written(since or _EVER), written(until or _NEVER)
        with self.store.read() as connection:
            where = "began_at >= ? AND began_at < ?"
            return tuple(runs.read_cycles(connection, where, span))

    def cycles_before(self, at: datetime | None, limit: int) -> tuple[PastCycle, ...]:
        """Return so many cycles that began before an instant, if one is given, the newest first."""
        where = (
            "number IN (SELECT number FROM cycles WHERE began_at < ? "
            "ORDER BY began_at DESC, number DESC LIMIT ?)"
        )
        with self.store.read() as connection:
            found = runs.read_cycles(connection, where, (written(at or _NEVER), limit))
            return tuple(found)[::-1]

    def cycle_spans(self, since: datetime) -> tuple[CycleSpan, ...]:
        """Return how long the cycles took that began since then, the oldest first."""
        with self.store.read() as connection:
            return tuple(runs.read_spans(connection, written(since)))

    def last_cycle(self) -> PastCycle | None:
        """Return the cycle that began last."""
        where = "number = (SELECT number FROM cycles ORDER BY began_at DESC LIMIT 1)"
        with self.store.read() as connection:
            return next(runs.read_cycles(connection, where, ()), None)

    def cycle(self, number: int) -> CycleRun | None:
        """Return a cycle by its number."""
        with self.store.read() as connection:
            found = next(runs.read_cycles(connection, "number = ?", (number,)), None)
        return found.cycle if found else None

    def cycle_of(self, backup: BackupRun) -> int | None:
        """Return the number of the cycle that a backup belongs to."""
        query = "SELECT cycle FROM backups WHERE host = ? AND began_at = ? ORDER BY cycle DESC"
        found = self.store.rows(query, backup.host, written(backup.began_at))
        return int(found[0][0]) if found else None

    def cycle_lines(self, number: int) -> tuple[LogLine, ...]:
        """Return what a cycle's log says, in order."""
        with self.store.read() as connection:
            return runs.read_lines(connection, number)

    # Reports.

    def record_report(self, envelope: Mapping[str, object]) -> int | None:
        """Record a report, and what it says of each host; None where it is known already."""
        with self.store.change() as connection:
            return reports.record_report(connection, envelope)

    def reports(self, kind: str | None = None, limit: int | None = None) -> tuple[PastReport, ...]:
        """Return reports without their envelopes, the newest first."""
        query = (
            f"SELECT {reports.REPORT_COLUMNS} FROM reports "  # noqa: S608 - constants
            f"{'WHERE kind = ? ' if kind else ''}ORDER BY finished_at DESC, number DESC LIMIT ?"
        )
        values = (*([kind] if kind else []), -1 if limit is None else limit)
        return tuple(map(reports.past_report, self.store.rows(query, *values)))

    def report(self, number: int) -> dict[str, object] | None:
        """Return a report's envelope, as it was recorded; None where there is no such report."""
        with self.store.read() as connection:
            return reports.read_report(connection, number)

    def verifications(self) -> dict[str, Verified]:
        """Return of each host that was verified the newest look, and the newest that was good."""
        with self.store.read() as connection:
            return reports.read_verified(connection)

    def verifications_since(self, since: datetime) -> tuple[Verification, ...]:
        """Return every look at a host's backup since then, the oldest first."""
        with self.store.read() as connection:
            return tuple(reports.read_verifications(connection, written(since)))

    # Alerts.

    def watches(self) -> dict[str, Watch]:
        """Return every watch as the last look left it, by its subject."""
        with self.store.read() as connection:
            return told.read_watches(connection)

    def looked_at(self) -> datetime | None:
        """Return when the alert rules were looked at last."""
        found = self._fact("looked at")
        return datetime.fromisoformat(found).astimezone(UTC) if found else None

    def save_look(
        self,
        watches: Mapping[str, Watch],
        transitions: Sequence[Transition],
        at: datetime,
        deliveries: Iterable[Delivery] = (),
    ) -> None:
        """Keep a look in one change: all watches, what is told, and what is owed to the sinks."""
        with self.store.change() as connection:
            told.save_watches(connection, watches)
            told.save_transitions(connection, transitions)
            told.owe(connection, deliveries)
            self._remember("looked at", written(at))

    def incidents(self, since: datetime | None = None) -> tuple[PastIncident, ...]:
        """Return the incidents that were open at some time since then, the newest first."""
        with self.store.read() as connection:
            return tuple(told.read_incidents(connection, since or _EVER))

    def add_silence(self, silence: Silence, reason: str) -> bool:
        """Record a silence; one of the same subject and beginning is changed. Say if it was new."""
        with self.store.change() as connection:
            return told.add_silence(connection, silence, reason)

    def end_silence(self, number: int, at: datetime) -> bool:
        """Let a silence end at an instant, unless it ends before; say whether that is new."""
        query = (
            "UPDATE silences SET until_at = max(?1, from_at) WHERE number = ?2 AND until_at > ?1"
        )
        with self.store.change() as connection:
            return connection.execute(query, (written(at), number)).rowcount > 0

    def silences(self) -> tuple[PastSilence, ...]:
        """Return the silences that were made on the command line, also those that are over."""
        with self.store.read() as connection:
            return told.read_silences(connection)

    # What is on its way.

    def owe(self, deliveries: Iterable[Delivery]) -> None:
        """Keep deliveries until `sent` is told of them; within `together`, with what they tell."""
        with self.store.change() as connection:
            told.owe(connection, deliveries)

    def owed(self) -> tuple[Delivery, ...]:
        """Return the deliveries that nobody has said to be sent, or spooled, in order."""
        with self.store.read() as connection:
            return told.read_owed(connection)

    def sent(self, deliveries: Iterable[Delivery]) -> None:
        """Forget deliveries that are sent, or wait in a spool."""
        with self.store.change() as connection:
            ids = [(delivery.id,) for delivery in deliveries]
            connection.executemany("DELETE FROM owed WHERE id = ?", ids)

    def cursor(self, name: str) -> str:
        """Return where the reading of a source stopped; empty where it never began."""
        return self._fact(f"cursor {name}")

    def set_cursor(self, name: str, value: str) -> None:
        """Keep where the reading of a source stopped; within `together`, with what was read."""
        self._remember(f"cursor {name}", value)

    def tidy(self, keep: timedelta, now: datetime) -> Removed:
        """Forget what is older, but what is open and the newest of each; return what went."""
        with self.store.change() as connection:
            return tidy(connection, keep, now)

    def _fact(self, name: str) -> str:
        found = self.store.rows("SELECT value FROM facts WHERE name = ?", name)
        return str(found[0][0]) if found else ""

    def _remember(self, name: str, value: str) -> None:
        query = "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2"
        with self.store.change() as connection:
            connection.execute(query, (name, value))


_HOSTS = """
WITH RECURSIVE found (host) AS (
  SELECT min(host) FROM backups
  UNION ALL
  SELECT (SELECT min(host) FROM backups WHERE host > found.host) FROM found
  WHERE found.host IS NOT NULL
)
SELECT host FROM found WHERE host IS NOT NULL
"""
# A step of the index a host, where DISTINCT would walk through all of it.
