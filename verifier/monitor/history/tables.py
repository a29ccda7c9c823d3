"""The history's file: its tables, how it is opened, and what SQLite's complaints mean for people.

A write-ahead log with synchronous=FULL, as the drill's ledger has it, with which it shares no line:
that one is evidence of what was verified, this one may be thrown away and begun anew. Every change
of the tables is one more entry of `_MIGRATIONS`, never an edit of one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from verifier.core.errors import CannotVerify, NoSpace

APPLICATION = 0x72764853
"""SQLite's application_id of a history: no other database is taken for one."""

BUSY_S = 30.0
"""How long a writer waits for another one."""

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

_MIGRATIONS = (_FIRST,)
"""What leads from each version of the tables to the next; the first makes them."""

SCHEMA = len(_MIGRATIONS)
"""The version that this release writes, as `PRAGMA user_version`."""


@dataclass(frozen=True, slots=True)
class Store:
    """An open history, one thread at a time."""

    path: Path
    connection: sqlite3.Connection
    lock: threading.RLock

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for changes that are kept together; within another change, for more.

        Raises:
            CannotVerify, NoSpace: they cannot be kept; none of them is.
        """
        with self.lock, translated(self.path):
            if self.connection.in_transaction:
                yield self.connection
                return
            with _transaction(self.connection):
                yield self.connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one look.

        Raises:
            CannotVerify: the history cannot be read.
        """
        with self.lock, translated(self.path):
            yield self.connection

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query gives.

        Raises:
            CannotVerify: the history cannot be read.
        """
        with self.read() as connection:
            return connection.execute(query, values).fetchall()


def written(at: datetime) -> str:
    """Return an instant as the tables hold it: its text sorts as it does."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def connect(path: Path) -> sqlite3.Connection:
    """Open a history to write, made where there is none and brought up to this release's tables.

    Raises:
        CannotVerify: it is no history, of a newer release, broken, or cannot be written.
        NoSpace: the disk is full.
    """
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_file(path)
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _recognise(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -32768")
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a history to read alone, beside those that write to it.

    Raises:
        CannotVerify: there is none, it is no history, of another release, or broken.
    """
    with translated(path):
        _require_file(path)
        if not path.exists():
            message = "there is no history yet"
            raise CannotVerify(str(path), message, "run collect, alert or monthly first")
        connection = sqlite3.connect(
            _address(path), timeout=BUSY_S, uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            version = _recognise(connection, path)
            if version == 0:
                # Whoever made it was stopped before its first table, by a full disk as a rule.
                message = "holds nothing yet"
                raise CannotVerify(str(path), message, "run collect, alert or monthly first")
            if version < SCHEMA:
                message = f"is of an older release: its tables are of version {version}"
                raise CannotVerify(str(path), message, "the next collect brings it up to date")
        except BaseException:
            connection.close()
            raise
    return connection


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        # SQLite would wait for a fifo without end, and blame the disk for a folder.
        raise CannotVerify(str(path), "is no file, so it is no history", _ANOTHER)


def _address(path: Path) -> str:
    # SQLite wants to write a little beside what it reads. Where it may not, and no log waits to be
    # read, nobody of this user writes to it either, and the file alone is all there is.
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    log = path.with_name(f"{path.name}-wal")
    is_alone = not os.access(path.parent, os.W_OK) and not log.exists()
    return f"{address}&immutable=1" if is_alone else address


def _recognise(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and (application or version or tables):
        raise CannotVerify(str(path), "is a database, but no history of restic-verify", _ANOTHER)
    if version > SCHEMA:
        message = f"is of a newer release: its tables are of version {version}, ours of {SCHEMA}"
        raise CannotVerify(str(path), message, "use that release, or another history")
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _recognise(connection, path) == SCHEMA:
        return
    with _transaction(connection):
        # Asked again inside of the transaction: another process may just have done it.
        version = _recognise(connection, path)
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Make the block's changes one: all of them are kept, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself where the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_ANOTHER = "name another file: history.file in verify.toml, or --history"
_BROKEN = "move it away and begin a new one, or take it from a backup of this machine"
_WRITABLE = "let this user write to it and its folder, or name another with --history"
_COMPLAINTS: dict[int, tuple[type[CannotVerify], str, str]] = {
    sqlite3.SQLITE_NOTADB: (CannotVerify, "is no history", _ANOTHER),
    sqlite3.SQLITE_CORRUPT: (CannotVerify, "is broken", _BROKEN),
    sqlite3.SQLITE_READONLY: (CannotVerify, "cannot be written", _WRITABLE),
    sqlite3.SQLITE_CANTOPEN: (CannotVerify, "cannot be opened", _WRITABLE),
    sqlite3.SQLITE_PERM: (CannotVerify, "cannot be opened", _WRITABLE),
    sqlite3.SQLITE_FULL: (NoSpace, "has no room on its disk", "make room there, and run again"),
    sqlite3.SQLITE_BUSY: (
        CannotVerify,
        "is held by another program",
        "end that program, and run again",
    ),
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Say what stops SQLite, or the file system, as an error of ours.

    Raises:
        CannotVerify, NoSpace: instead of sqlite3.Error and OSError.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if not code:
            raise
        otherwise = (CannotVerify, "cannot be used", "see that its disk is sound")
        kind, message, remedy = _COMPLAINTS.get(code, otherwise)
        raise kind(str(path), f"{message}: {error}", remedy) from error
    except OSError as error:
        raise CannotVerify(str(path), f"cannot be used: {error.strerror}", _WRITABLE) from error
