"""How much the history holds, table by table, and what of each host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from verifier.monitor.history.memory import History
from verifier.monitor.history.reports import Verification
from verifier.monitor.telemetry import BackupRun

TABLES = ("cycles", "backups", "lines", "reports", "transitions", "silences", "owed")


@dataclass(frozen=True, slots=True)
class Held:
    """What a history holds.

    Attributes:
        rows: of each table.
        first_at, last_at: of the oldest and the newest of its runs and reports.
    """

    rows: dict[str, int]
    first_at: datetime | None
    last_at: datetime | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class HeldHost:
    """What a history holds of one host."""

    host: str
    backups: int
    last: BackupRun | None
    last_good: BackupRun | None
    verified: Verification | None


def held(history: History) -> Held:
    """Return how much a history holds."""
    rows = {
        table: int(history.store.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608
        for table in TABLES
    }
    (found,) = history.store.rows(_ENDS)
    first, last = (datetime.fromisoformat(at).astimezone(UTC) if at else None for at in found)
    (size,) = history.store.rows(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    )
    return Held(rows, first, last, int(size[0]))


_ENDS = """
SELECT min(at), max(at) FROM (
  SELECT min(began_at) AS at FROM cycles UNION ALL SELECT max(began_at) FROM cycles
  UNION ALL SELECT min(finished_at) FROM reports UNION ALL SELECT max(finished_at) FROM reports
)
"""


def held_hosts(history: History) -> tuple[HeldHost, ...]:
    """Return what a history holds of every host that was backed up or verified, by name."""
    counts = dict(history.store.rows("SELECT host, count(*) FROM backups GROUP BY host"))
    verified = history.verifications()
    return tuple(
        HeldHost(
            host,
            int(counts.get(host, 0)),
            history.last_backup(host),
            history.last_good_backup(host),
            verified[host].newest if host in verified else None,
        )
        for host in sorted({*counts, *verified})
    )
