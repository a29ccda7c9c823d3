"""Parallel in time: a timeline cut into segments that run side by side.

The model says which snapshots exist at each cut; every segment begins from those, made for real.
The whole is accepted only if each step agreed with the model and each segment's real end equals
the next one's start. By induction the segments then are one run. Where they are not, the caller
runs the timeline in sequence, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from typing import Protocol

from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.simulate.timeline import Outcome, Step, World


class RealWorld(World, Protocol):
    """A world with real snapshots, which can be fingerprinted."""

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot, by its simulated id, what identifies its content."""
        ...


Open = Callable[[int], AbstractContextManager[RealWorld]]
"""Make the world of one segment, by its number."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that run in one world, and what must exist before them."""

    number: int
    steps: tuple[Step, ...]
    start: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True)
class _Ended:
    number: int
    start: Mapping[str, str]
    end: Mapping[str, str]


def cut(steps: Sequence[Step], model: World, count: int) -> tuple[Segment, ...]:
    """Cut a timeline into at most `count` segments, asking the model what exists at each cut."""
    count = max(1, min(count, len(steps)))
    bounds = [len(steps) * i // count for i in range(count + 1)]
    segments = []
    for number in range(count):
        part = tuple(steps[bounds[number] : bounds[number + 1]])
        segments.append(Segment(number, part, model.snapshots()))
        for step in part:
            model.run(step)
    return tuple(segments)


def run_segments(
    segments: Sequence[Segment], open_world: Open, workers: int, advance: Callable[[int], object]
) -> tuple[tuple[Outcome, ...], tuple[Finding, ...]]:
    """Run every segment; return the outcomes in order and a finding for each seam that gapes.

    Args:
        advance: called with 1 after each step, from this thread.
    """
    done: SimpleQueue[int] = SimpleQueue()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(_run_segment, segment, open_world, done) for segment in segments]
        for future in futures:
            future.add_done_callback(lambda _: done.put(0))
        finished = 0
        while finished < len(futures):
            steps = done.get()
            finished += steps == 0
            if steps:
                advance(steps)
        results = [future.result() for future in futures]
    outcomes = tuple(outcome for part, _ in results for outcome in part)
    return outcomes, tuple(_seams([ended for _, ended in results]))


def _run_segment(
    segment: Segment, open_world: Open, done: SimpleQueue[int]
) -> tuple[tuple[Outcome, ...], _Ended]:
    with open_world(segment.number) as world:
        if segment.start:
            world.seed(segment.start)
        start = world.fingerprints()
        outcomes = []
        for step in segment.steps:
            outcomes.append(world.run(step))
            done.put(1)
        return tuple(outcomes), _Ended(segment.number, start, world.fingerprints())


def _seams(ended: Sequence[_Ended]) -> Iterator[Finding]:
    for before, after in pairwise(ended):
        names = before.end.keys() | after.start.keys()
        differing = sorted(name for name in names if before.end.get(name) != after.start.get(name))
        if differing:
            detail = (
                f"segment {before.number + 1} ended with other snapshots than segment "
                f"{after.number + 1} began "
                f"with: {', '.join(differing[:3])}{' and more' if len(differing) > 3 else ''}"
            )
            yield Finding("disagreement", "segments", detail, {"snapshots": differing[:50]})
