"""A writer of the ledger is killed wherever it is: what it said was done is there, whole."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.drill import ledger_writer
from tests.drill.ledger_writer import AT, MONTH, STEPS
from verifier.drill.ledger import open_ledger

pytestmark = pytest.mark.heavy

TABLES = (
    "SELECT number, seed, within, finished_at, verdict FROM runs",
    "SELECT unit, name, key, run, before, bytes FROM proofs JOIN scopes ON id = scope",
    "SELECT * FROM doubts",
    "SELECT * FROM rounds",
    "SELECT * FROM held",
    "SELECT * FROM parts",
)


def _rows(path: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return sorted(connection.execute(query), key=repr)
    finally:
        connection.close()


def _state(path: Path) -> list[list[Any]]:
    return [_rows(path, query) for query in TABLES]


def _play(path: Path, *, last_statement: int = 0, steps: int = STEPS) -> tuple[int, bool]:
    """Return how many steps a writer said were done, and whether it lived to its end."""
    command = [sys.executable, ledger_writer.__file__, "play", path]
    command += [str(last_statement), str(steps)]
    played = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    assert played.returncode in (0, -signal.SIGKILL)
    return played.stdout.count("done"), played.returncode == 0


def test_kill_before_any_statement_leaves_whole_steps(tmp_path: Path) -> None:
    """A writer is killed before each of its SQL statements in turn, commits among them.

    What is found then is the state after a whole number of steps: those it said were done, and
    perhaps the one that it was at; and the next run takes up what was begun. It would turn red
    where a step were two commits.
    """
    states = []
    for steps in range(STEPS + 1):
        _play(tmp_path / f"{steps}.sqlite", steps=steps)
        states.append(_state(tmp_path / f"{steps}.sqlite"))
    killed, lived, reached = 0, False, set[int]()
    while not lived:
        killed += 1
        path = tmp_path / f"killed{killed}.sqlite"
        done, lived = _play(path, last_statement=killed)
        state = _state(path)
        assert [("ok",)] == _rows(path, "PRAGMA quick_check")
        assert state in states[done : done + 2]
        reached.add(done)
        begun = [row for row in state[0] if row[4] is None]
        at = AT + MONTH * (len(state[0]) > 1)
        with open_ledger(path) as ledger:
            run = ledger.begin(repository="R", inputs="config", seed=6, at=at)

            assert bool(begun) == run.resumed
            assert (begun[0][1] if begun else 6) == run.seed
    assert set(range(STEPS + 1)) == reached


def test_kill_at_any_moment_leaves_whole_batches(tmp_path: Path) -> None:
    """A writer that commits without pause is killed and begun anew, twenty times."""
    path, proven = tmp_path / "ledger.sqlite", 0
    for kill in range(20):
        command = [sys.executable, ledger_writer.__file__, "write_on", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            # After another number of batches each time, and then wherever it has come to.
            said = [int(process.stdout.readline()) for _ in range(1 + 7 * kill % 40)]
            process.kill()
            said += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        with open_ledger(path) as ledger:
            run = ledger.begin(repository="R", inputs="config", seed=6, at=AT)
            found = len(run.proven_packs())

        assert run.resumed
        assert found in (said[-1], said[-1] + 100)
        assert found > proven
        proven = found
