"""One run, as the ledger writes it down: what it proved, what it found, what it said."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from verifier.core.finding import KINDS, Finding
from verifier.database.store import Store
from verifier.drill.scope import Held, Scope, open_scope

KEPT_TIMES = 2
"""A proof is forgotten when it is this many times as old, in rounds, as the promise allows."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as it is written down. Made by `Ledger.begin`.

    For the rotation, the history of a scope stands as it did when its round was opened, so that a
    resumed run chooses what it chose before; what the round proved already is told apart.

    Attributes:
        number: 1 for the first run in the ledger.
        within: the promise of its rotation, in rounds.
        resumed: it was begun by a process that did not finish it.
    """

    _store: Store
    repository: str
    number: int
    seed: int
    within: int
    resumed: bool
    begun_at: datetime

    def pack_round(self, copy: str = "") -> int:
        """Return the number of the round, from 1, that this run is in for the packs of a copy."""
        return self._packs(copy).round

    def packs(self, copy: str = "") -> Mapping[str, int]:
        """Return pack ID -> the earlier round that last proved it whole."""
        return {key.hex(): last for key, last in self._packs(copy).history()}

    def proven_packs(self, copy: str = "") -> Collection[str]:
        """Return the IDs of the packs that this round proved already."""
        return {key.hex() for key in self._packs(copy).proven()}

    def prove_packs(self, proven: Iterable[tuple[str, int]], copy: str = "") -> None:
        """Write down packs that were read and found whole: all of them or none.

        Args:
            proven: pack ID and size in bytes of each.
            copy: the name of the copy they are in; empty for the repository itself.
        """
        raw = ((bytes.fromhex(name), size) for name, size in proven)
        self._packs(copy).prove(self.number, raw)

    def doubt_packs(self, found: Iterable[str], copy: str = "") -> None:
        """Write down packs that are damaged: each run chooses them until they are proven."""
        self._packs(copy).doubt(self.number, map(bytes.fromhex, found))

    def doubted_packs(self, copy: str = "") -> Collection[str]:
        """Return the IDs of the packs that were found damaged, and never whole since."""
        return {key.hex() for key in self._packs(copy).doubted()}

    def hold_packs(self, held: Held, copy: str = "") -> None:
        """Write down what a copy holds, once all that was chosen of it was looked at.

        Its round is closed when this run finishes; without this, what is due stays due.
        """
        self._packs(copy).hold(self.number, held)

    def file_round(self, host: str) -> int:
        """Return the number of the round, from 1, that this run is in for the files of a host."""
        return self._files(host).round

    def files(self, host: str) -> Callable[[bytes], int]:
        """Return what gives of a `file_key` the earlier round that last proved it, 0 for never."""
        scope = self._files(host)
        if scope.round == 1:
            # No round of it was ever closed: there is nothing to look up, millions of times.
            return lambda _: 0
        look = scope.look()
        return lambda key: look(key)[0]

    def proven_files(self, host: str) -> Callable[[bytes], bool]:
        """Return what says of a `file_key` whether this round proved it already."""
        look = self._files(host).look()
        return lambda key: look(key)[1]

    def prove_files(self, host: str, proven: Iterable[tuple[bytes, int]]) -> None:
        """Write down files that are alike on both sides: all of them or none.

        Args:
            proven: `file_key` and size in bytes of each.
        """
        self._files(host).prove(self.number, proven)

    def doubt_files(self, host: str, found: Iterable[bytes]) -> None:
        """Write down files that are corrupted, by `file_key`: each run chooses them anew."""
        self._files(host).doubt(self.number, found)

    def doubted_files(self, host: str) -> Collection[bytes]:
        """Return the `file_key` of files that were found corrupted, and never alike since."""
        return set(self._files(host).doubted())

    def hold_files(self, host: str, held: Held) -> None:
        """Write down what a host's snapshots hold, once all that was chosen was looked at.

        Its round is closed when this run finishes; without this, what is due stays due.
        """
        self._files(host).hold(self.number, held)

    def say(self, part: str, findings: Iterable[Finding], section: Mapping[str, object]) -> None:
        """Write down that a part of the run is done, and what it found."""
        told = [[f.kind, f.subject, f.detail, dict(f.evidence)] for f in findings]
        row = self.number, part, json.dumps(told), json.dumps(dict(section))
        with self._store.change() as connection:
            connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?)", row)

    def said(self) -> Mapping[str, tuple[tuple[Finding, ...], Mapping[str, object]]]:
        """Return the parts that are done: by name their findings and section."""
        query = "SELECT part, findings, section FROM parts WHERE run = ? ORDER BY part"
        done = {}
        for part, findings, section in self._store.rows(query, self.number):
            told = json.loads(findings)
            # Another release may have said it, with kinds of its own: then it is done anew.
            if all(kind in KINDS for kind, *_ in told):
                done[part] = tuple(Finding(*fields) for fields in told), json.loads(section)
        return done

    def finish(self, at: datetime, verdict: str, totals: Mapping[str, object]) -> None:
        """Close the run and the rounds it went through; forget proofs that are too old."""
        row = written(at), verdict, json.dumps(dict(totals)), self.number
        with self._store.change() as connection:
            connection.execute(_FINISH, row)
            connection.execute("DELETE FROM parts WHERE run = ?", (self.number,))
        query = "SELECT verdict FROM runs WHERE number = ?"
        assert self._store.rows(query, self.number) == [(verdict,)]
        held = "SELECT unit, name FROM scopes JOIN rounds ON scope = id WHERE run = ?"
        for unit, name in self._store.rows(held, self.number):
            scope = open_scope(self._store, self.repository, unit, name)
            scope.forget(self.within * KEPT_TIMES)

    def _packs(self, copy: str) -> Scope:
        return open_scope(self._store, self.repository, "packs", copy)

    def _files(self, host: str) -> Scope:
        return open_scope(self._store, self.repository, "files", host)


_FINISH = "UPDATE runs SET finished_at = ?, verdict = ?, totals = ? WHERE number = ?"


def written(at: datetime) -> str:
    """Return an instant as the ledger writes it."""
    return at.astimezone(UTC).isoformat(timespec="seconds")
