"""The ledger: which pack and which file was proven by which run, kept across runs and crashes.

It is evidence, not a cache: nothing in it can be made again by looking once more. What the rotation
counts is rounds of a scope (`drill.scope`), so that a run that was killed, or that was not about
some host, ages nothing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from verifier.database.store import Store, open_store
from verifier.drill.run import Run, written
from verifier.drill.tables import LEDGER
from verifier.drill.writer import Writer

__all__ = ["RESUMABLE", "Ledger", "Run", "file_key", "open_ledger"]

RESUMABLE = timedelta(days=7)
"""An unfinished run that began longer ago is not taken up again."""


def file_key(path: str, content: str) -> bytes:
    """Return the 16 bytes that a file with a content goes by: another content, another file."""
    named = path.encode(errors="surrogatepass") + b"\0" + content.encode()
    return hashlib.blake2b(named, digest_size=16).digest()


@contextmanager
def open_ledger(path: Path) -> Iterator[Ledger]:
    """Open a ledger, made where there is none.

    Raises:
        CannotVerify: it is no ledger, of a newer release, broken, or cannot be written.
        NoSpace: the disk is full.
    """
    writer = Writer(path)
    try:
        # The lock goes last: until then the log may still be written back.
        with open_store(LEDGER, path) as store:
            yield Ledger(store, writer)
    finally:
        writer.release()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The memory of drills. Made by `open_ledger`; threads may share it."""

    _store: Store
    _writer: Writer

    def begin(
        self,
        *,
        repository: str,
        inputs: str,
        at: datetime,
        seed: int | None = None,
        within: int = 12,
    ) -> Run:
        """Begin a run, or take up the unfinished one of the same repository and inputs.

        One that another run overtook is not taken up; what it proved counts all the same.

        Args:
            repository: its ID.
            inputs: a digest of what the run is a function of.
            seed: of its choices; a resumed run keeps the one it had. None draws one.
            within: the promise, in rounds, that its choices keep.

        Raises:
            CannotVerify: another run is writing, or the ledger is broken.
        """
        assert at.tzinfo is not None
        self._writer.acquire(at)
        self._store.require_sound()
        with self._store.change() as connection:
            _forget_parts(connection, at)
            found = connection.execute(_UNFINISHED, (repository, inputs)).fetchone()
            if found and at - datetime.fromisoformat(found[2]) < RESUMABLE:
                number, seed, begun = found
                update = "UPDATE runs SET pid = ?, within = ? WHERE number = ?"
                connection.execute(update, (os.getpid(), within, number))
                resumed = True
            else:
                seed = secrets.randbits(62) if seed is None else seed
                begun = written(at)
                row = repository, inputs, seed, within, begun, os.getpid()
                number = connection.execute(_BEGIN, row).fetchone()[0]
                resumed = False
        assert seed is not None
        begun_at = datetime.fromisoformat(begun)
        return Run(self._store, repository, number, seed, within, resumed, begun_at)


_UNFINISHED = """
SELECT number, seed, begun_at FROM runs AS own
WHERE repository = ? AND inputs = ? AND finished_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM runs
  WHERE repository = own.repository AND number > own.number AND finished_at IS NOT NULL
)
ORDER BY number DESC LIMIT 1
"""
# Rounds are in the order of runs: none is closed before one that is closed already.

_BEGIN = """
INSERT INTO runs (repository, inputs, seed, within, begun_at, pid) VALUES (?, ?, ?, ?, ?, ?)
RETURNING number
"""


def _forget_parts(connection: sqlite3.Connection, at: datetime) -> None:
    """Forget what runs said that will not be taken up again."""
    oldest = written(at - RESUMABLE)
    gone = "DELETE FROM parts WHERE run IN (SELECT number FROM runs WHERE begun_at < ?)"
    connection.execute(gone, (oldest,))
