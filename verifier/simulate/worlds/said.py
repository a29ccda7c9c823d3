"""What a run of the coordinator's script printed, as its log in simulated time would have it.

The script does not date its lines: journald would, as they come. Here a host's lines are dated by
its turn, what comes before the first turn by the step's beginning, and what comes after the last by
forget's time. Its own words are not changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from verifier.config.models import Coordinator
from verifier.core.host import Completed
from verifier.monitor.telemetry import LogLine
from verifier.simulate.faults import begun_at, is_added, machine_of
from verifier.simulate.timeline import Step
from verifier.simulate.worlds.stages import Ran

STARTED = "Started run backups."
FINISHED, FAILED = "Finished run backups.", "Failed to start run backups."
"""The script's first line, and what systemd logs when the unit ends, by its description."""

SYSTEMD = "systemd"

_BACKUP = re.compile(r"backup host=(?P<host>\S+) status=[0-9]+ duration_s=(?P<duration_s>[0-9]+)")


def lines_of(ran: Ran, coordinator: Coordinator) -> tuple[LogLine, ...]:
    """Return what one run logs, in order, with the line that systemd adds at its end."""
    step, done = ran.step, ran.done
    own = [
        LogLine(at, coordinator.name, coordinator.log_service, data)
        for at, data in _dated(step, said(done))
    ]
    ended = FAILED if done.status else FINISHED
    # A run that stops at once ends when it begins; one that forgets ends when it has.
    ended_at = own[-1].at if own else step.at
    return (*own, LogLine(ended_at, coordinator.name, SYSTEMD, ended))


def said(done: Completed) -> Iterator[str]:
    """Yield every line that a command printed: its output, then its errors."""
    for stream in (done.stdout, done.stderr):
        yield from stream.decode(errors="replace").splitlines()


def _dated(step: Step, lines: Iterable[str]) -> Iterator[tuple[datetime, str]]:
    turns = {machine_of(s): begun_at(s) for s in step.due if not is_added(s)}
    at, waiting, last_at = step.at, list[str](), step.at
    for line in lines:
        waiting.append(line)
        told = _BACKUP.fullmatch(line)
        if told:
            # What restic prints stands before the coordinator's line on it.
            spent = timedelta(seconds=int(told["duration_s"]))
            at = max(at, turns.get(told["host"], at) + spent)
            last_at = max(at, step.forget_at)
        if told or line == STARTED:
            yield from ((at, one) for one in waiting)
            waiting.clear()
    yield from ((last_at, one) for one in waiting)
