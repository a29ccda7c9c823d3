"""A cycle that does not say how its stages ended, judged by what can be seen from outside.

That is its exit status and what is new in the repository. Which of its commands failed, and a
snapshot that it made and removed again, cannot be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.core.finding import Finding
from verifier.core.host import Completed
from verifier.core.snapshot import Snapshot
from verifier.simulate.faults import machine_of
from verifier.simulate.timeline import Step
from verifier.simulate.worlds.stages import Ran, failures, has_ended, parse_stages

UNSEEN = (
    "run-backups is your own and need not say its stages: what they did is judged by its exit "
    "status and by what is in the repository; a snapshot that the same run removed again, and a "
    "failure that left no trace in either, are not seen"
)
"""What a report on such a run says."""


def heard(step: Step, done: Completed, *, own: bool) -> Ran:
    """Return what a run of the coordinator's script says of itself.

    Args:
        own: the script is the user's: only one that speaks exactly as ours is taken at its word.
    """
    stages = parse_stages(done.stdout)
    spoken = bool(stages) and has_ended(done.stdout)
    return Ran(step, stages if spoken or not own else (), done, silent=own and not spoken)


def failures_of(ran: Ran, created: Sequence[Snapshot]) -> Iterator[Finding]:
    """Yield a finding for everything that failed in a run.

    Args:
        created: the due snapshots that were made.
    """
    if ran.silent:
        yield from _outward(ran, {snapshot.id for snapshot in created})
    else:
        yield from failures(ran)


def _outward(ran: Ran, created: set[str]) -> Iterator[Finding]:
    day, status = ran.step.at.date().isoformat(), ran.done.status
    said = f"it ended with {status}: {ran.done.last_lines()}"
    absent = sorted({machine_of(s) for s in ran.step.due if s.id not in created})
    for host in absent:
        detail = f"on {day} no snapshot of it appeared where and when one was due; {said}"
        yield Finding("step-failed", host, detail)
    lacking = sorted({*absent, *ran.step.missed})
    if lacking and status == 0:
        detail = f"on {day} it ended with 0 although {', '.join(lacking)} was not backed up"
        yield Finding("step-failed", "run-backups", detail)
    elif status and not lacking:
        yield Finding("step-failed", "run-backups", f"on {day} {said}")
