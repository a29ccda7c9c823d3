"""A process that writes to a history, to be killed: `python history_writer.py MODE FILE [...]`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from verifier.monitor.alerts.transition import Transition
from verifier.monitor.alerts.watch import begin_watch
from verifier.monitor.delivery import log_delivery
from verifier.monitor.history.absorb import absorb
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.telemetry import LogLine

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)

STEPS = 7
"""How many steps `play` takes."""


def lines(day: int) -> list[LogLine]:
    """Return the log of one run."""
    texts = (
        "Started run backups.",
        f"restic host=web1 version=0.18.{day}",
        "backup host=web1 status=0 duration_s=1",
        "run status=0 duration_s=3",
        "Finished run backups.",
    )
    return [
        LogLine(AT + timedelta(days=day, seconds=n), "jak", "run-backups", text)
        for n, text in enumerate(texts)
    ]


def collect(history: History, day: int, told: list[LogLine]) -> None:
    """Take up lines as `collect` does: with the cursor, and what is owed for them."""
    with history.together():
        absorbed = absorb(history, told)
        history.owe(map(log_delivery, absorbed.lines))
        history.set_cursor("journal", f"{day} {told[-1].data}")


def play(history: History, last_statement: str, steps: str) -> None:
    """Take the first steps; die before the SQL statement of a number, 0 for never."""
    statements = count(1)

    def die(_statement: str) -> None:
        if next(statements) == int(last_statement):
            os.kill(os.getpid(), signal.SIGKILL)

    history.store.connection.set_trace_callback(die)
    for _, step in zip(range(int(steps)), _steps(history), strict=False):
        step()
        _say("done")


def _steps(history: History) -> Iterator[Callable[[], object]]:
    yield lambda: collect(history, 0, lines(0))
    yield lambda: collect(history, 1, lines(1)[:3])
    yield lambda: collect(history, 1, lines(1)[2:])
    yield lambda: history.record_report(_report())
    opened = Transition("opened", "backup web1", "warning", AT, AT, AT)
    watches = {"backup web1": begin_watch("backup web1", AT)}
    owed = [log_delivery(lines(5)[0])]
    yield lambda: history.save_look(watches, [opened], AT, owed)
    yield lambda: history.sent(history.owed())
    yield lambda: history.tidy(timedelta(days=1), AT + timedelta(days=9))


def _report() -> dict[str, Any]:
    return {
        "kind": "monthly",
        "verdict": "OK",
        "started": AT.isoformat(),
        "finished": AT.isoformat(),
        "findings": [],
        "inputs": {},
    }


def write_on(history: History, first: str) -> None:
    """Take up a run after the other, for ever, and say how many there are."""
    for day in count(int(first)):
        collect(history, day, lines(day))
        _say(day + 1)


def share(history: History, days: str) -> None:
    """Take up the same runs as others that do so at the same time; say how much was new."""
    new = 0
    for day in range(int(days)):
        new += len(absorb(history, lines(day)).backups)
    _say(new)


def _say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    mode = {"play": play, "write_on": write_on, "share": share}[sys.argv[1]]
    with open_history(Path(sys.argv[2])) as opened_history:
        mode(opened_history, *sys.argv[3:])  # type: ignore[operator]
