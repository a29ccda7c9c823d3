"""A writer of the history is killed wherever it is: what it said was done is there, whole."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.monitor import history_writer
from tests.monitor.history_writer import STEPS
from verifier.monitor.history.memory import open_history

pytestmark = pytest.mark.heavy

TABLES = (
    "SELECT coordinator, began_at, duration_s, status FROM cycles",
    "SELECT host, began_at, status, restic FROM backups",
    "SELECT at, data FROM lines",
    "SELECT kind, verdict FROM reports",
    "SELECT count(*) FROM envelopes",
    "SELECT subject FROM watches",
    "SELECT subject, kind, at FROM transitions",
    "SELECT id FROM owed",
    "SELECT * FROM facts",
)


def _state(path: Path) -> list[list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        return [sorted(connection.execute(query), key=repr) for query in TABLES]


def _command(mode: str, path: Path, *more: object) -> list[str]:
    return [sys.executable, history_writer.__file__, mode, str(path), *map(str, more)]


def _play(path: Path, *, last_statement: int = 0, steps: int = STEPS) -> tuple[int, bool]:
    """Return how many steps a writer said were done, and whether it lived to its end."""
    command = _command("play", path, last_statement, steps)
    played = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    assert played.returncode in (0, -signal.SIGKILL)
    return played.stdout.count("done"), played.returncode == 0


def test_kill_before_any_statement_leaves_whole_steps(tmp_path: Path) -> None:
    """A writer is killed before every fourth of its SQL statements: no step has fewer.

    What is found then is the state after a whole number of steps: those it said were done, and
    perhaps the one that it was at. It would turn red where lines, their cursor and what is owed
    for them were two commits.
    """
    states = []
    for steps in range(STEPS + 1):
        _play(tmp_path / f"{steps}.sqlite", steps=steps)
        states.append(_state(tmp_path / f"{steps}.sqlite"))
    assert STEPS + 1 == len({repr(state) for state in states})
    killed, lived, reached = 1, False, set[int]()
    while not lived:
        path = tmp_path / f"killed{killed}.sqlite"
        done, lived = _play(path, last_statement=killed)

        assert _state(path) in states[done : done + 2]
        reached.add(done)
        killed += 4
    assert set(range(STEPS + 1)) == reached


def test_kill_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """A writer that takes up one run after the other is killed and begun anew, ten times."""
    path, days = tmp_path / "history.sqlite", 0
    for kill in range(10):
        with subprocess.Popen(
            _command("write_on", path, days), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            said = [int(process.stdout.readline()) for _ in range(1 + 7 * kill % 10)]
            process.kill()
        with open_history(path) as history:
            cycles = history.cycles()
            stopped_at = history.cursor("journal").partition(" ")[0]

            assert len(cycles) >= said[-1]
            assert len(cycles) == int(stopped_at) + 1 == len(history.backups())
            assert 5 * len(cycles) == len(history.owed())
        days = len(cycles)


def test_writers_at_once_record_each_thing_once(tmp_path: Path) -> None:
    path, days = tmp_path / "history.sqlite", 40
    writers = [
        subprocess.Popen(_command("share", path, days), stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    new = [int(writer.communicate()[0]) for writer in writers]

    assert [0] * 4 == [writer.returncode for writer in writers]
    assert days == sum(new)
    with open_history(path) as history:
        assert days == len(history.cycles()) == len(history.backups())
