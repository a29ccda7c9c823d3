"""The ledger's file: its tables, how it is opened, and what SQLite's complaints mean for people.

A write-ahead log with synchronous=FULL: what was committed survives a power cut, what was not is
gone whole. Every change of the tables is one more entry of `_MIGRATIONS`, never an edit of one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from verifier.core.errors import CannotVerify, NoSpace

APPLICATION = 0x72764C67
"""SQLite's application_id of a ledger: no other database is taken for one."""

_BUSY_S = 30.0

_FIRST = """
CREATE TABLE runs (
  number INTEGER PRIMARY KEY,
  repository TEXT NOT NULL,
  inputs TEXT NOT NULL,
  seed INTEGER NOT NULL,
  within INTEGER NOT NULL CHECK (within > 0),
  begun_at TEXT NOT NULL,
  pid INTEGER NOT NULL,
  finished_at TEXT,
  verdict TEXT,
  totals TEXT,
  CHECK ((finished_at IS NULL) = (verdict IS NULL))
) STRICT;
CREATE TABLE scopes (
  id INTEGER PRIMARY KEY,
  repository TEXT NOT NULL,
  unit TEXT NOT NULL CHECK (unit IN ('packs', 'files')),
  name TEXT NOT NULL,
  UNIQUE (repository, unit, name)
) STRICT;
CREATE TABLE proofs (
  scope INTEGER NOT NULL REFERENCES scopes,
  key BLOB NOT NULL,
  run INTEGER NOT NULL REFERENCES runs,
  before INTEGER NOT NULL CHECK (before < run),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE doubts (
  scope INTEGER NOT NULL REFERENCES scopes,
  key BLOB NOT NULL,
  run INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE rounds (
  scope INTEGER NOT NULL REFERENCES scopes,
  run INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (scope, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE held (
  scope INTEGER NOT NULL,
  run INTEGER NOT NULL,
  round INTEGER NOT NULL CHECK (round >= 0),
  units INTEGER NOT NULL CHECK (units >= 0),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  PRIMARY KEY (scope, run, round),
  FOREIGN KEY (scope, run) REFERENCES rounds ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE parts (
  run INTEGER NOT NULL REFERENCES runs,
  part TEXT NOT NULL,
  findings TEXT NOT NULL,
  section TEXT NOT NULL,
  PRIMARY KEY (run, part)
) STRICT, WITHOUT ROWID;
"""

_MIGRATIONS = (_FIRST,)
"""What leads from each version of the tables to the next; the first makes them."""

SCHEMA = len(_MIGRATIONS)
"""The version that this release writes, as `PRAGMA user_version`."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger to write, made where there is none and brought up to this release's tables.

    Raises:
        CannotVerify: it is no ledger, of a newer release, broken, or cannot be written.
        NoSpace: the disk is full.
    """
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_file(path)
        path.touch(mode=0o600)
        connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _recognise(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -65536")
            _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a ledger to read alone, beside a run that writes to it.

    Raises:
        CannotVerify: there is none, it is no ledger, of another release, or broken.
    """
    with translated(path):
        _require_file(path)
        if not path.exists():
            message = "there is no ledger, so nothing is known to be verified"
            raise CannotVerify(str(path), message, "name it with --ledger, or run a drill first")
        connection = sqlite3.connect(_address(path), timeout=_BUSY_S, uri=True)
        try:
            version = _recognise(connection, path)
            if not version:
                message = "is empty, and no ledger yet"
                raise CannotVerify(str(path), message, "run a drill first")
            if version < SCHEMA:
                message = f"is of an older release: its tables are of version {version}"
                raise CannotVerify(str(path), message, "the next drill brings it up to date")
        except BaseException:
            connection.close()
            raise
    return connection


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        # SQLite would wait for a fifo without end, and blame the disk for a folder.
        raise CannotVerify(str(path), "is no file, so it is no ledger", _ANOTHER)


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
        message = "is a database, but no ledger of restic-verify"
        raise CannotVerify(str(path), message, _ANOTHER)
    if version > SCHEMA:
        message = f"is of a newer release: its tables are of version {version}, ours of {SCHEMA}"
        raise CannotVerify(str(path), message, "use that release, or another ledger")
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        # Asked inside of the transaction: another process may just have done it.
        version = _recognise(connection, path)
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
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


def require_sound(path: Path, connection: sqlite3.Connection) -> None:
    """Look through the whole ledger: what is written to a broken one may be lost with it.

    Raises:
        CannotVerify: it is broken.
    """
    with translated(path):
        (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if first != "ok":
        raise CannotVerify(str(path), f"is broken: {first}", _BROKEN)


_ANOTHER = "name another file with --ledger"
_BROKEN = "move it away and begin a new one, or take it from a backup of this machine"
_WRITABLE = "let this user write to it and its folder, or name another with --ledger"
_COMPLAINTS: dict[int, tuple[type[CannotVerify], str, str]] = {
    sqlite3.SQLITE_NOTADB: (CannotVerify, "is no ledger", _ANOTHER),
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
