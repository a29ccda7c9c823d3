"""An open database file.

A write-ahead log with synchronous=FULL: what was committed survives a power cut, what was not is
gone whole.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from verifier.core.errors import CannotVerify
from verifier.database.complaints import BROKEN, translated
from verifier.database.owned import make_file, make_folder
from verifier.database.shape import Shape

_BUSY_S = 30.0
"""How long a writer waits for another one."""


@dataclass(frozen=True, slots=True)
class Store:
    """An open database file, one thread at a time."""

    shape: Shape
    path: Path
    connection: sqlite3.Connection
    lock: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for changes that are kept together; within another change, for more.

        Raises:
            CannotVerify, NoSpace: they cannot be kept; none of them is.
        """
        with self.lock, translated(self.shape, self.path):
            if self.connection.in_transaction:
                yield self.connection
                return
            with _transaction(self.connection):
                yield self.connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one look.

        Raises:
            CannotVerify: the file cannot be read.
        """
        with self.lock, translated(self.shape, self.path):
            yield self.connection

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what a query gives.

        Raises:
            CannotVerify: the file cannot be read.
        """
        with self.read() as connection:
            return connection.execute(query, values).fetchall()

    def require_sound(self) -> None:
        """Look through the whole file: what is written to a broken one may be lost with it.

        Raises:
            CannotVerify: it is broken.
        """
        ((first,),) = self.rows("PRAGMA quick_check(1)")
        if first != "ok":
            raise CannotVerify(str(self.path), f"is broken: {first}", BROKEN)


@contextmanager
def open_store(shape: Shape, path: Path, *, read_only: bool = False) -> Iterator[Store]:
    """Open a file, made where there is none and brought up to this release's tables.

    Args:
        read_only: nothing is made and nothing written, so no right to write is needed.

    Raises:
        CannotVerify: it is something else, of a newer release, broken, or cannot be written; to be
            read alone, it is not there, or of an older release.
        NoSpace: the disk is full.
    """
    connection = _connect_reader(shape, path) if read_only else _connect(shape, path)
    try:
        yield Store(shape, path, connection)
    finally:
        connection.close()


def _connect(shape: Shape, path: Path) -> sqlite3.Connection:
    with translated(shape, path):
        make_folder(path.parent)
        _require_file(shape, path)
        # SQLite gives what it makes beside it to the same owner.
        make_file(path)
        connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            _recognise(shape, path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{shape.cache_kib}")
            _migrate(shape, path, connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _connect_reader(shape: Shape, path: Path) -> sqlite3.Connection:
    with translated(shape, path):
        _require_file(shape, path)
        if not path.exists():
            remedy = f"{shape.first} first, or name it with {shape.option}"
            raise CannotVerify(str(path), f"there is no {shape.name} yet", remedy)
        connection = sqlite3.connect(
            _address(path), timeout=_BUSY_S, uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            version = _recognise(shape, path, connection)
            if not version:
                # Whoever made it was stopped before its first table, by a full disk as a rule.
                message = f"holds nothing yet, and is no {shape.name}"
                raise CannotVerify(str(path), message, f"{shape.first} first")
            if version < shape.version:
                message = f"is of an older release: its tables are of version {version}"
                raise CannotVerify(str(path), message, f"{shape.first}: that brings it up to date")
        except BaseException:
            connection.close()
            raise
    return connection


def _require_file(shape: Shape, path: Path) -> None:
    if path.exists() and not path.is_file():
        # SQLite would wait for a fifo without end, and blame the disk for a folder.
        raise CannotVerify(str(path), f"is no file, so it is no {shape.name}", shape.another)


def _address(path: Path) -> str:
    # SQLite wants to write a little beside what it reads. Where it may not, and no log waits to be
    # read, nobody of this user writes to it either, and the file alone is all there is.
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    log = path.with_name(f"{path.name}-wal")
    is_alone = not os.access(path.parent, os.W_OK) and not log.exists()
    return f"{address}&immutable=1" if is_alone else address


def _recognise(shape: Shape, path: Path, connection: sqlite3.Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != shape.application and (application or version or tables):
        message = f"is a database, but no {shape.name} of restic-verify"
        raise CannotVerify(str(path), message, shape.another)
    if version > shape.version:
        ours = f"its tables are of version {version}, ours of {shape.version}"
        remedy = f"use that release, or another {shape.name}"
        raise CannotVerify(str(path), f"is of a newer release: {ours}", remedy)
    return version


def _migrate(shape: Shape, path: Path, connection: sqlite3.Connection) -> None:
    if _recognise(shape, path, connection) == shape.version:
        return
    with _transaction(connection):
        # Asked again inside of the transaction: another process may just have done it.
        version = _recognise(shape, path, connection)
        for number, script in enumerate(shape.migrations[version:], start=version + 1):
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {shape.application}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself where the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
