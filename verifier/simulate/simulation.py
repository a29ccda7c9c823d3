"""A simulation from its steps to its proof: in the model alone, or in real worlds beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo

from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.retention.checks import Promises
from verifier.retention.rules import Rules
from verifier.simulate.segments import Open, cut, run_segments
from verifier.simulate.timeline import Following, Outcome, Step, follow
from verifier.simulate.worlds.model import ModelWorld

Advance = Callable[[int], object]

Note = Callable[[Outcome], object]
"""Take note of a step, in order, when it is certain."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is simulated: the steps, and the rules by which snapshots go.

    Attributes:
        zone: TZ of the forgetting process.
    """

    steps: tuple[Step, ...]
    policy: Policy
    rules: Rules
    zone: tzinfo
    group_by: tuple[str, ...]

    def model(self) -> ModelWorld:
        """Return a model world without snapshots."""
        return ModelWorld(self.policy, self.rules, self.zone, self.group_by)


@dataclass(frozen=True, slots=True)
class Result:
    """A simulation followed to its end.

    Attributes:
        seams: where segments that ran side by side did not fit; the run was then repeated in
            sequence, and everything else here tells of that repetition.
    """

    followed: Following
    promises: Promises
    seams: tuple[Finding, ...] = ()


def run_model(simulation: Simulation, advance: Advance, note: Note) -> Result:
    """Follow the timeline in the model."""
    return _follow(simulation, map(simulation.model().run, simulation.steps), advance, note)


def run_real(
    simulation: Simulation,
    open_world: Open,
    *,
    segments: int,
    workers: int,
    advance: Advance,
    note: Note,
    end: Callable[[], object],
) -> Result:
    """Follow the timeline in real worlds, cut into segments that run side by side.

    Where a segment disagrees with the model or with its neighbour, the cuts prove nothing: the
    timeline then runs once more in sequence, in one world.

    Args:
        end: ends every command that still runs, after an error or a signal.
    """
    parts = cut(simulation.steps, simulation.model(), segments)
    outcomes, seams = run_segments(parts, open_world, workers, advance, end)
    disagreed = any(outcome.agreed < outcome.compared for outcome in outcomes)
    if len(parts) > 1 and (seams or disagreed):
        whole = cut(simulation.steps, simulation.model(), 1)
        outcomes, _ = run_segments(whole, open_world, 1, lambda _: None, end)
    return replace(_follow(simulation, outcomes, lambda _: None, note), seams=seams)


def ignore(_: Outcome) -> None:
    """Take no note of a step; a `Note`."""


def run_whole(simulation: Simulation, open_world: Open, note: Note = ignore) -> Result:
    """Follow a short timeline in one real world, from its first step to its last.

    Whoever opened the world ends its commands.
    """
    return run_real(
        simulation,
        open_world,
        segments=1,
        workers=1,
        advance=lambda _: None,
        note=note,
        end=lambda: None,
    )


def _follow(
    simulation: Simulation, outcomes: Iterable[Outcome], advance: Advance, note: Note
) -> Result:
    promises = Promises(simulation.policy, simulation.zone)
    last = Following()
    for followed, outcome in follow(outcomes, promises, simulation.group_by):
        note(outcome)
        advance(1)
        last = followed
    return Result(last, promises)
