"""Waits for the end of a run; removes what it made in Docker where it was killed.

A process of its own (`python -m`), because a killed one can remove nothing. It is told when there
is nothing to do.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from threading import Event

SETTLED_S = 2.0
"""What a killed run had asked of the engine may still come to be: we look again after that."""


def main(argument: str) -> None:
    """Wait for the run's end; then sweep until nothing more comes.

    Args:
        argument: JSON: the run's number, its folder, the variables that name the engine.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    run, folder, environ = json.loads(argument)
    if sys.stdin.buffer.read() == b"done":
        return
    from verifier.fleet.container_engine import open_engine
    from verifier.fleet.disk import unmount_below
    from verifier.fleet.sweep import sweep_run

    with open_engine(environ) as engine:
        while sweep_run(engine, run):
            Event().wait(SETTLED_S)
    if unmount_below(Path(folder)):
        shutil.rmtree(Path(folder), ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
