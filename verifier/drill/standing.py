"""What the ledger says without looking at anything else: coverage by age, and the last runs.

It is as of the last finished run that went through a scope; what came or went since is not in it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from verifier.database.store import open_store
from verifier.drill.confidence import Confidence, confidence
from verifier.drill.tables import LEDGER


@dataclass(frozen=True, slots=True)
class Age:
    """What was proven last in one and the same round.

    Attributes:
        rounds: how many were closed since; 0 is the last one, None: never proven.
        proven_at: when that round was closed.
    """

    rounds: int | None
    units: int
    size_bytes: int
    proven_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One scope: a host's files, or the packs of a copy, after the last run that went through it.

    Attributes:
        unit: packs or files.
        name: of the host, or the copy; empty for the repository itself.
        within: the promise, in rounds.
        ages: the newest first, what never was proven last.
        largest_bytes: the largest unit that was proven by then.
        doubted: how many were found bad, and never proven since.
    """

    repository: str
    unit: str
    name: str
    run: int
    looked_at: datetime
    within: int
    ages: tuple[Age, ...]
    largest_bytes: int
    doubted: int

    @property
    def units(self) -> int:
        """How many there are."""
        return sum(age.units for age in self.ages)

    @property
    def size_bytes(self) -> int:
        """How many bytes they have."""
        return sum(age.size_bytes for age in self.ages)

    @property
    def proven(self) -> int:
        """How many were proven as lately as is promised."""
        return sum(
            age.units for age in self.ages if age.rounds is not None and age.rounds < self.within
        )

    @property
    def overdue(self) -> int:
        """How many were proven once, and longer ago than is promised."""
        return sum(
            age.units for age in self.ages if age.rounds is not None and age.rounds >= self.within
        )

    @property
    def never(self) -> int:
        """How many were never proven."""
        return sum(age.units for age in self.ages if age.rounds is None)

    @property
    def confidence(self) -> Confidence:
        """What follows from those that were proven as lately as is promised."""
        return confidence(self.units, self.proven)

    @property
    def about(self) -> str:
        """What it is, as a finding names it."""
        if self.unit == "files":
            return self.name
        return f"{self.name} repository" if self.name else "repository"


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run; without an end where it was killed, or is at work.

    Attributes:
        totals: the figures it ended with.
    """

    number: int
    repository: str
    begun_at: datetime
    finished_at: datetime | None
    verdict: str | None
    totals: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a ledger says: scopes by repository and name, the last runs newest first."""

    standings: tuple[Standing, ...]
    runs: tuple[PastRun, ...]


def read_ledger(path: Path, *, runs: int = 12) -> Memory:
    """Read a ledger, beside a run that writes to it.

    Args:
        runs: how many of the last ones are told.

    Raises:
        CannotVerify: there is none, or it cannot be read.
    """
    with open_store(LEDGER, path, read_only=True) as store, store.read() as connection:
        # One moment for all: a run may be writing.
        connection.execute("BEGIN")
        return Memory(tuple(_standings(connection)), tuple(_runs(connection, runs)))


_SCOPES = """
SELECT scopes.id, scopes.repository, unit, name, max(run), finished_at, within, largest_bytes
FROM scopes JOIN rounds ON scope = scopes.id JOIN runs ON number = run
WHERE finished_at IS NOT NULL
GROUP BY scopes.id ORDER BY scopes.repository, unit DESC, name
"""

_CLOSED = """
SELECT finished_at FROM rounds JOIN runs ON number = run
WHERE scope = ? AND finished_at IS NOT NULL ORDER BY run
"""

_HELD = "SELECT round, units, bytes FROM held WHERE scope = ? AND run = ? ORDER BY round DESC"

_DOUBTED = "SELECT count(*) FROM doubts WHERE scope = ?"

_RUNS = """
SELECT number, repository, begun_at, finished_at, verdict, totals
FROM runs ORDER BY number DESC LIMIT ?
"""


def _standings(connection: sqlite3.Connection) -> Iterator[Standing]:
    for scope, *about, run, finished, within, largest_bytes in connection.execute(_SCOPES):
        closed = [datetime.fromisoformat(at) for (at,) in connection.execute(_CLOSED, (scope,))]
        ages = tuple(
            Age(len(closed) - last, units, size, closed[last - 1])
            if last
            else Age(None, units, size, None)
            for last, units, size in connection.execute(_HELD, (scope, run))
        )
        (doubted,) = connection.execute(_DOUBTED, (scope,)).fetchone()
        repository, unit, name = about
        looked_at = datetime.fromisoformat(finished)
        figures = ages, largest_bytes, doubted
        yield Standing(repository, unit, name, run, looked_at, within, *figures)


def _runs(connection: sqlite3.Connection, limit: int) -> Iterator[PastRun]:
    for number, repository, begun, finished, verdict, totals in connection.execute(_RUNS, (limit,)):
        ended = None if finished is None else datetime.fromisoformat(finished)
        kept = json.loads(totals or "{}")
        yield PastRun(number, repository, datetime.fromisoformat(begun), ended, verdict, kept)
