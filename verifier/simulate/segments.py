"""Parallel in time: a timeline cut into segments that run side by side.

The model says which snapshots exist at each cut; every segment begins from those, made for real.
The whole is accepted only if each step agreed with the model and each segment's real end equals
the next one's start. By induction the segments then are one run. Where they are not, the caller
runs the timeline in sequence, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from threading import Event
from typing import Protocol

from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.simulate.timeline import Outcome, Step, World


class RealWorld(World, Protocol):
    """A world with real snapshots, which can be fingerprinted."""

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot, by its simulated id, what identifies its content."""
        ...


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that run in one world, and what must exist before them."""

    number: int
    steps: tuple[Step, ...]
    start: tuple[Snapshot, ...]

    @property
    def last(self) -> Step:
        """The last step in which anything runs; the last of all where nothing does."""
        return next((step for step in reversed(self.steps) if step.ran), self.steps[-1])


Open = Callable[[Segment], AbstractContextManager[RealWorld]]
"""Make a world of its own for a segment; it is gone when the block is left."""


@dataclass(frozen=True, slots=True)
class _Ended:
    number: int
    outcomes: tuple[Outcome, ...]
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
    segments: Sequence[Segment],
    open_world: Open,
    workers: int,
    advance: Callable[[int], object],
    end: Callable[[], object],
) -> tuple[tuple[Outcome, ...], tuple[Finding, ...]]:
    """Run every segment; return the outcomes in order and a finding for each seam that gapes.

    The first error ends the other segments too, and is raised.

    Args:
        advance: called with 1 after each step, from this thread.
        end: ends the commands that other threads wait for, after an error or a signal.
    """
    ticks: SimpleQueue[Future[_Ended] | None] = SimpleQueue()
    stop = Event()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            futures = [pool.submit(_run_segment, s, open_world, ticks, stop) for s in segments]
            for future in futures:
                future.add_done_callback(ticks.put)
            running = len(futures)
            while running:
                ended = ticks.get()
                if ended is None:
                    advance(1)
                else:
                    ended.result()
                    running -= 1
        except BaseException:
            # Leaving the pool waits for its threads, and they for their commands.
            stop.set()
            end()
            raise
    results = [future.result() for future in futures]
    outcomes = tuple(outcome for ended in results for outcome in ended.outcomes)
    return outcomes, tuple(_seams(results))


def _run_segment(
    segment: Segment, open_world: Open, ticks: SimpleQueue[Future[_Ended] | None], stop: Event
) -> _Ended:
    with open_world(segment) as world:
        if segment.start:
            world.seed(segment.start)
        start = world.fingerprints()
        outcomes = []
        for step in segment.steps:
            if stop.is_set():
                break
            outcomes.append(world.run(step))
            ticks.put(None)
        return _Ended(segment.number, tuple(outcomes), start, world.fingerprints())


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
