"""One scope of the ledger: a host's files or a copy's packs, and the rounds it went through.

A round is closed by each finished run that went through the whole scope. What a run proved that was
never finished belongs to the round that the next one closes.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from verifier.database.store import Store

Held = Mapping[int, tuple[int, int]]
"""Round that last proved them, 0 for never -> how many units of a scope, and their bytes."""


_PROVE = """
INSERT INTO proofs (scope, key, run, before, bytes) VALUES (?1, ?2, ?3, 0, ?4)
ON CONFLICT DO UPDATE SET
  before = CASE WHEN run > ?5 THEN before ELSE run END, run = ?3, bytes = ?4
"""
# What this round proved already keeps its `before`: the history that the round began with.

_CLEAR = """
DELETE FROM doubts WHERE scope = ?1
AND key IN (SELECT key FROM proofs WHERE scope = ?1 AND run = ?2)
"""

_CLOSE = """
INSERT INTO rounds (scope, run, largest_bytes)
SELECT ?1, ?2, coalesce(max(bytes), 0) FROM proofs WHERE scope = ?1
"""

_CLOSED = """
SELECT run FROM rounds JOIN runs ON number = run
WHERE scope = ? AND finished_at IS NOT NULL ORDER BY run
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope as one run sees it.

    Attributes:
        closed: the finished runs that went through it, in order.
    """

    store: Store
    id: int
    closed: tuple[int, ...]

    @property
    def round(self) -> int:
        """The number of the round that is open, from 1."""
        return len(self.closed) + 1

    def round_of(self, run: int) -> int:
        """Return the round that a run belongs to; 0 for run 0, which never was."""
        return bisect_left(self.closed, run) + 1 if run else 0

    def history(self) -> Iterator[tuple[bytes, int]]:
        """Yield key and last earlier round of all that an earlier round proved."""
        query = "SELECT key, iif(run > ?, before, run) FROM proofs WHERE scope = ?"
        for key, run in self.store.rows(query, self._last, self.id):
            if run:
                yield key, self.round_of(run)

    def proven(self) -> Iterator[bytes]:
        """Yield the keys that the open round proved already."""
        query = "SELECT key FROM proofs WHERE scope = ? AND run > ?"
        for (key,) in self.store.rows(query, self.id, self._last):
            yield key

    def look(self) -> Callable[[bytes], tuple[int, bool]]:
        """Return what gives of a key its last earlier round, and whether this one proved it."""
        # Asked millions of times: no context manager, and no look for the round but this.
        store, number, last, ask = self.store, self.id, self._last, self.store.connection.execute
        query = "SELECT run, before FROM proofs WHERE scope = ? AND key = ?"
        rounds = [0, *(self.round_of(run) for run in range(1, last + 1))]

        def look(key: bytes) -> tuple[int, bool]:
            try:
                with store.lock:
                    run, before = ask(query, (number, key)).fetchone() or (0, 0)
            except sqlite3.Error as error:
                with store.read():
                    raise error from None
            return (rounds[before], True) if run > last else (rounds[run], False)

        return look

    def prove(self, run: int, proven: Iterable[tuple[bytes, int]]) -> None:
        """Write down keys, and bytes of each, that a run proved: all of them or none."""
        rows = ((self.id, key, run, size, self._last) for key, size in proven)
        with self.store.change() as connection:
            connection.executemany(_PROVE, rows)
            connection.execute(_CLEAR, (self.id, run))

    def doubt(self, run: int, keys: Iterable[bytes]) -> None:
        """Write down keys that a run found bad: what earlier ones proved of them is no more."""
        with self.store.change() as connection:
            for key in keys:
                connection.execute("DELETE FROM proofs WHERE scope = ? AND key = ?", (self.id, key))
                row = self.id, key, run
                connection.execute("INSERT OR REPLACE INTO doubts VALUES (?, ?, ?)", row)

    def doubted(self) -> Iterator[bytes]:
        """Yield the keys that were found bad, and never proven since."""
        for (key,) in self.store.rows("SELECT key FROM doubts WHERE scope = ?", self.id):
            yield key

    def hold(self, run: int, held: Held) -> None:
        """Write down what a scope holds after a run went through the whole of it."""
        rows = [(self.id, run, number, *held[number]) for number in held]
        with self.store.change() as connection:
            connection.execute("DELETE FROM rounds WHERE scope = ? AND run = ?", (self.id, run))
            connection.execute(_CLOSE, (self.id, run))
            connection.executemany("INSERT INTO held VALUES (?, ?, ?, ?, ?)", rows)

    def forget(self, rounds: int) -> None:
        """Forget what was last proven more than so many closed rounds ago.

        What was found bad is looked at by each run: what the last one did not find so is gone.
        """
        with self.store.change() as connection:
            connection.execute(
                "DELETE FROM doubts WHERE scope = ? AND run < ?", (self.id, self._last)
            )
            if len(self.closed) > rounds:
                values = self.id, self.closed[-rounds]
                connection.execute("DELETE FROM proofs WHERE scope = ? AND run < ?", values)

    @property
    def _last(self) -> int:
        return self.closed[-1] if self.closed else 0


def open_scope(store: Store, repository: str, unit: str, name: str) -> Scope:
    """Return a scope, new where no run has gone through it.

    Args:
        unit: packs or files.
        name: of the copy, or the host.
    """
    key = repository, unit, name
    query = "SELECT id FROM scopes WHERE repository = ? AND unit = ? AND name = ?"
    if not store.rows(query, *key):
        with store.change() as connection:
            insert = "INSERT OR IGNORE INTO scopes (repository, unit, name) VALUES (?, ?, ?)"
            connection.execute(insert, key)
    number = store.rows(query, *key)[0][0]
    return Scope(store, number, tuple(run for (run,) in store.rows(_CLOSED, number)))
