"""What SQLite's complaints mean for people."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.core.errors import CannotVerify, NoSpace
from verifier.database.owned import remedy_for
from verifier.database.shape import Shape

_FULL_BYTES = 64 << 10
"""A page of a log that is to be made, with its index, does not fit into less."""


@contextmanager
def translated(shape: Shape, path: Path) -> Iterator[None]:
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
        if code == sqlite3.SQLITE_IOERR and _is_full(path):
            # What it cannot write beside its file, it calls a broken disk.
            code = sqlite3.SQLITE_FULL
        kind, message, remedy = _complaint(shape, path, code)
        raise kind(str(path), f"{message}: {error}", remedy) from error
    except OSError as error:
        message, remedy = f"cannot be used: {error.strerror}", shape.writable
        if isinstance(error, PermissionError):
            remedy = remedy_for(path, remedy)
        raise CannotVerify(str(path), message, remedy) from error


def _complaint(shape: Shape, path: Path, code: int) -> tuple[type[CannotVerify], str, str]:
    match code:
        case sqlite3.SQLITE_NOTADB:
            return CannotVerify, f"is no {shape.name}", shape.another
        case sqlite3.SQLITE_CORRUPT:
            return CannotVerify, "is broken", BROKEN
        case sqlite3.SQLITE_READONLY:
            return CannotVerify, "cannot be written", remedy_for(path, shape.writable)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return CannotVerify, "cannot be opened", remedy_for(path, shape.writable)
        case sqlite3.SQLITE_FULL:
            return NoSpace, "has no room on its disk", "make room there, and run again"
        case sqlite3.SQLITE_BUSY:
            return CannotVerify, "is held by another program", "end that program, and run again"
        case _:
            return CannotVerify, "cannot be used", "see that its disk is sound"


BROKEN = "move it away and begin a new one, or take it from a backup of this machine"


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _FULL_BYTES
