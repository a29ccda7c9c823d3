"""A process that writes to a ledger, to be killed: `python ledger_writer.py MODE FILE [...]`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from verifier.core.finding import Finding
from verifier.drill.ledger import Ledger, Run, file_key, open_ledger

AT = datetime(2025, 3, 1, 4, tzinfo=UTC)
MONTH = timedelta(days=30)
PACKS = tuple(f"{number:064x}" for number in range(20))
KEYS = tuple(file_key(f"/srv/{number}", "0" * 64) for number in range(20))

STEPS = 16
"""How many steps `play` takes, 8 a run."""


def begin(ledger: Ledger, month: int = 0) -> Run:
    at = AT + month * MONTH
    return ledger.begin(repository="R", inputs="config", seed=5, at=at, within=1)


def hold(ledger: Ledger) -> None:
    """Be in the middle of a run until standard input ends."""
    begin(ledger).prove_packs([(PACKS[0], 10)])
    _say("ready")
    sys.stdin.read()


def write_on(ledger: Ledger) -> None:
    """Commit a hundred packs at a time, for ever, and say how many there are."""
    run = begin(ledger)
    number = len(run.proven_packs())
    while True:
        run.prove_packs((f"{n:064x}", 10) for n in range(number, number + 100))
        number += 100
        _say(number)


def play(ledger: Ledger, last_statement: str, steps: str) -> None:
    """Take the first steps of two runs; die before the SQL statement of a number, 0 for never."""
    statements = iter(range(1, 1 << 30))

    def count(_statement: str) -> None:
        if next(statements) == int(last_statement):
            os.kill(os.getpid(), signal.SIGKILL)

    ledger._store.connection.set_trace_callback(count)
    for _, step in zip(range(int(steps)), _steps(ledger), strict=False):
        step()
        _say("done")


def _steps(ledger: Ledger) -> Iterator[Callable[[], object]]:
    for month in range(2):
        run: list[Run] = []
        yield lambda month=month, run=run: run.append(begin(ledger, month))
        own = run[0]
        yield lambda own=own, month=month: own.prove_packs((p, 10) for p in PACKS[month:6])
        yield lambda own=own, month=month: own.prove_files("web1", ((k, 9) for k in KEYS[month:6]))
        yield lambda own=own: own.say("host web1", [Finding("lost", "web1:/a", "gone")], {"n": 1})
        yield lambda own=own: own.prove_packs(((p, 10) for p in PACKS[:3]), "off-site")
        yield lambda own=own: own.hold_packs({own.pack_round(): (6, 60)})
        yield lambda own=own: own.hold_files("web1", {own.file_round("web1"): (6, 54)})
        yield lambda own=own, month=month: own.finish(AT + month * MONTH, "OK", {"packs": 6})


def _say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    mode = {"hold": hold, "write_on": write_on, "play": play}[sys.argv[1]]
    with open_ledger(Path(sys.argv[2])) as opened:
        mode(opened, *sys.argv[3:])  # type: ignore[operator]
