"""One writer at a time: a lock that the kernel takes back when its holder dies.

A file of its own beside the ledger: closing any other handle of a database file would drop SQLite's
locks on it. POSIX record locks are not inherited by worker processes that outlive their parent.
"""

from __future__ import annotations

import fcntl
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from verifier.core.errors import CannotVerify
from verifier.database.complaints import translated
from verifier.database.owned import open_owned
from verifier.drill.tables import LEDGER


class Writer:
    """The right to write to a ledger; held from `acquire` until `release` or the process's end."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._path = ledger.with_name(f"{ledger.name}.lock")
        self._handle = -1

    def acquire(self, at: datetime) -> None:
        """Take the right, or keep it.

        Raises:
            CannotVerify: another process has it, with its number and since when.
        """
        if self._handle >= 0:
            return
        with translated(LEDGER, self._path):
            handle = open_owned(self._path, os.O_RDWR)
            try:
                self._take(handle, at)
            except BaseException:
                os.close(handle)
                raise
        self._handle = handle

    def _take(self, handle: int, at: datetime) -> None:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip()
            message = f"another run is writing to it: {holder or 'just begun'}"
            remedy = "wait for it to end, or name another file with --ledger"
            raise CannotVerify(str(self._ledger), message, remedy) from error
        since = at.astimezone(UTC).isoformat(timespec="seconds")
        os.truncate(handle, 0)
        os.pwrite(
            handle, f"process {os.getpid()} on {platform.node()}, since {since}\n".encode(), 0
        )

    def release(self) -> None:
        """Give the right back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
