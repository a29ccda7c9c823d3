"""The history's file: its tables, and how they hold an instant."""

from __future__ import annotations

from datetime import UTC, datetime

from verifier.database.shape import Shape

_FIRST = """
CREATE TABLE cycles (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  coordinator TEXT NOT NULL,
  service TEXT NOT NULL,
  run TEXT NOT NULL,
  began_at TEXT NOT NULL,
  duration_s REAL NOT NULL,
  status INTEGER
) STRICT;
CREATE INDEX cycles_of ON cycles (coordinator, service, began_at);
CREATE INDEX cycles_at ON cycles (began_at);
CREATE INDEX cycles_run ON cycles (run) WHERE run <> '';
CREATE TABLE backups (
  cycle INTEGER NOT NULL REFERENCES cycles ON DELETE CASCADE,
  host TEXT NOT NULL,
  began_at TEXT NOT NULL,
  duration_s REAL NOT NULL,
  status INTEGER NOT NULL,
  snapshot TEXT NOT NULL,
  restic TEXT NOT NULL,
  files_new INTEGER NOT NULL,
  files_changed INTEGER NOT NULL,
  files_unmodified INTEGER NOT NULL,
  processed_bytes INTEGER NOT NULL,
  added_bytes INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (host, began_at, cycle)
) STRICT, WITHOUT ROWID;
CREATE INDEX backups_good ON backups (host, began_at) WHERE status = 0;
CREATE INDEX backups_at ON backups (began_at);
CREATE INDEX backups_of ON backups (cycle);
CREATE TABLE stages (
  cycle INTEGER NOT NULL REFERENCES cycles ON DELETE CASCADE,
  name TEXT NOT NULL,
  began_at TEXT NOT NULL,
  duration_s REAL NOT NULL,
  status INTEGER NOT NULL,
  PRIMARY KEY (cycle, name, began_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE lines (
  cycle INTEGER NOT NULL REFERENCES cycles ON DELETE CASCADE,
  place INTEGER NOT NULL,
  at TEXT NOT NULL,
  service TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (cycle, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE reports (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  digest BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  verdict TEXT NOT NULL,
  started_at TEXT NOT NULL,
  finished_at TEXT NOT NULL,
  findings TEXT NOT NULL
) STRICT;
CREATE INDEX reports_at ON reports (finished_at);
CREATE INDEX reports_of ON reports (kind, finished_at);
CREATE TABLE envelopes (
  report INTEGER PRIMARY KEY REFERENCES reports ON DELETE CASCADE,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE verifications (
  host TEXT NOT NULL,
  at TEXT NOT NULL,
  report INTEGER NOT NULL REFERENCES reports ON DELETE CASCADE,
  verdict TEXT NOT NULL,
  PRIMARY KEY (host, at, report)
) STRICT, WITHOUT ROWID;
CREATE INDEX verifications_of ON verifications (report);
CREATE TABLE watches (
  subject TEXT PRIMARY KEY,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE transitions (
  subject TEXT NOT NULL,
  opened_at TEXT NOT NULL,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  level TEXT NOT NULL,
  good_at TEXT NOT NULL,
  PRIMARY KEY (subject, opened_at, at, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX transitions_at ON transitions (at);
CREATE TABLE silences (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  subject TEXT NOT NULL,
  from_at TEXT NOT NULL,
  until_at TEXT NOT NULL,
  reason TEXT NOT NULL,
  UNIQUE (subject, from_at)
) STRICT;
CREATE TABLE owed (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  at TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

HISTORY = Shape(
    name="history",
    application=0x72764853,
    migrations=(_FIRST,),
    cache_kib=32 << 10,
    option="--history, or history.file in verify.toml",
    first="run collect, alert or monthly",
)
"""The memory of the monitoring: unlike the ledger it may be thrown away and begun anew."""


def written(at: datetime) -> str:
    """Return an instant as the tables hold it: its text sorts as it does."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
