"""What a cycle says of itself, held against how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifier.core.finding import Finding
from verifier.core.host import Completed
from verifier.monitor.spoken import Stage, parse_end, parse_stage
from verifier.simulate.timeline import Step


def parse_stages(stdout: bytes) -> tuple[Stage, ...]:
    """Parse what the coordinator's script printed; its last line, on the whole run, is no stage."""
    stages = map(parse_stage, _lines(stdout))
    return tuple(stage for stage in stages if stage and stage.name != "run")


def has_ended(stdout: bytes) -> bool:
    """Say whether the script ran to its last line."""
    return any(parse_end(line) is not None for line in _lines(stdout))


def _lines(stdout: bytes) -> list[str]:
    return stdout.decode(errors="replace").splitlines()


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of the coordinator's script.

    Attributes:
        step: what was to come of it.
        stages: what it says of itself.
        silent: it is not ours, and says nothing that we can read.
    """

    step: Step
    stages: tuple[Stage, ...]
    done: Completed
    silent: bool = False

    def ended(self, name: str) -> bool:
        """Say whether a stage ran to its end; where none is named, whether all did."""
        found = [stage.status for stage in self.stages if stage.name == name]
        return 0 in found if found else self.done.status == 0

    def failed_hosts(self) -> frozenset[str]:
        """Return the hosts whose backup failed."""
        return frozenset(stage.host for stage in self.stages if stage.host and stage.status)


def failures(ran: Ran) -> Iterator[Finding]:
    """Yield a finding for each stage that failed; that a host which is down fails is none.

    A script that ended otherwise than its stages say is one too: it stopped half-way, or nowhere.
    """
    step, stages, done = ran.step, ran.stages, ran.done
    day = step.at.date().isoformat()
    for stage in stages:
        if stage.status and stage.host not in step.missed:
            detail = f"on {day} {stage.name} ended with {stage.status}: {done.last_lines()}"
            yield Finding("step-failed", stage.host or stage.name, detail)
    wanted = int(any(stage.status for stage in stages))
    if not stages or not has_ended(done.stdout) or done.status != wanted:
        detail = f"on {day} it ended with {done.status}: {done.last_lines()}"
        yield Finding("step-failed", "run-backups", detail)
