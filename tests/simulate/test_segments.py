"""Segments are one run if they fit; where they do not, that is seen, and an error ends them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.rules import rules_for
from verifier.simulate.segments import Open, Segment, cut, run_segments
from verifier.simulate.simulation import Simulation, run_real
from verifier.simulate.timeline import Days, Deviations, Outcome, Source, Step, plan_steps
from verifier.simulate.worlds.model import ModelWorld

START = datetime(2024, 1, 1, 4, tzinfo=UTC)
DAYS = 12


def planned(*missed: int) -> tuple[Step, ...]:
    fired = [START + timedelta(days=number) for number in range(DAYS)]
    gone = tuple(Days(fired[number].date(), fired[number].date()) for number in missed)
    return plan_steps(
        [Source("web1", ("/srv",)), Source("db1", ("/srv",))], fired, Deviations(gone)
    )


def simulation(steps: tuple[Step, ...] | None = None) -> Simulation:
    policy = Policy(daily=3, weekly=2)
    return Simulation(steps or planned(), policy, rules_for("0.18.0"), UTC, ("host", "paths"))


class Lab:
    """Opens worlds of the model that misbehave where they are told to, and counts them.

    Args:
        forgets: segments whose world loses a snapshot at its end.
        content: what a segment's snapshots hold, other than the truth.
        fails: segments whose world fails at its first step.
        disagrees: segments that report one decision on which the model did not agree.
    """

    def __init__(
        self,
        *,
        forgets: Sequence[int] = (),
        content: Mapping[int, str] | None = None,
        fails: Sequence[int] = (),
        disagrees: Sequence[int] = (),
    ) -> None:
        self.forgets, self.content = forgets, content or {}
        self.fails, self.disagrees = fails, disagrees
        self.opened: list[int] = []
        self.closed: list[int] = []
        self.ended = Event()

    @contextmanager
    def open(self, segment: Segment) -> Iterator[LabWorld]:
        self.opened.append(segment.number)
        try:
            # A whole run has one segment: nothing goes wrong in it.
            yield LabWorld(self, segment.number if len(segment.steps) < DAYS else -1)
        finally:
            self.closed.append(segment.number)


class LabWorld:
    """A model world with fingerprints."""

    def __init__(self, lab: Lab, number: int) -> None:
        self._lab, self._number = lab, number
        self._model = simulation().model()

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        self._model.seed(snapshots)

    def run(self, step: Step) -> Outcome:
        if self._number in self._lab.fails:
            raise CannotVerify("disk", "is full", "empty it")
        if self._lab.fails:
            # As a command does that `end` ends.
            self._lab.ended.wait(30)
        made = self._model.run(step)
        agreed = len(made.groups) - (self._number in self._lab.disagrees)
        return Outcome(step, made.created, made.groups, compared=len(made.groups), agreed=agreed)

    def snapshots(self) -> tuple[Snapshot, ...]:
        return self._model.snapshots()

    def fingerprints(self) -> Mapping[str, str]:
        content = self._lab.content.get(self._number, "truth")
        found = {snapshot.id: content for snapshot in self.snapshots()}
        if self._number in self._lab.forgets and found:
            found.popitem()
        return found


def run(
    open_world: Open, segments: int, steps: tuple[Step, ...] | None = None
) -> tuple[tuple[Outcome, ...], tuple[Finding, ...]]:
    steps = steps or planned()
    parts = cut(steps, simulation().model(), segments)
    return run_segments(parts, open_world, segments, lambda _: None, lambda: None)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 40])
def test_cuts_hold_every_step_once_and_in_order(count: int) -> None:
    parts = cut(planned(), simulation().model(), count)

    assert planned() == tuple(step for part in parts for step in part.steps)
    assert min(count, DAYS) == len(parts)
    assert all(part.steps for part in parts)
    assert () == parts[0].start


def test_a_cut_begins_with_what_the_model_has_then() -> None:
    parts = cut(planned(), simulation().model(), 3)
    model = simulation().model()
    for part in parts:
        assert sorted(s.id for s in model.snapshots()) == sorted(s.id for s in part.start)
        for step in part.steps:
            model.run(step)


def test_the_last_step_of_a_segment_is_one_that_runs() -> None:
    steps = planned(4, 5, *range(6, 12))
    first, second = cut(steps, simulation(steps).model(), 2)

    assert steps[3] == first.last
    assert steps[11] == second.last


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_segments_that_fit_are_one_run(count: int) -> None:
    outcomes, seams = run(Lab().open, count)
    whole, _ = run(Lab().open, 1)

    assert () == seams
    assert whole == outcomes
    assert list(planned()) == [outcome.step for outcome in outcomes]


@pytest.mark.parametrize(
    "lab",
    [Lab(forgets=[1]), Lab(content={1: "rot"}), Lab(content={2: "other seed"})],
    ids=["a-snapshot-is-gone", "content-differs-throughout", "last-segment-differs"],
)
def test_a_seam_that_gapes_is_seen(lab: Lab) -> None:
    _, seams = run(lab.open, 3)

    assert {"disagreement"} == {seam.kind for seam in seams}
    assert {"segments"} == {seam.subject for seam in seams}


def test_a_gaping_seam_names_the_snapshots() -> None:
    _, (seam,) = run(Lab(content={2: "other seed"}).open, 3)

    assert "segment 2 ended with other snapshots than segment 3 began with" in seam.detail
    assert "web1@2024-01-08T04:00:00+00:00" in seam.evidence["snapshots"]


def test_an_error_in_one_segment_surfaces_and_ends_the_others() -> None:
    """The other segments wait, as for a command, until they are ended."""
    lab = Lab(fails=[1])
    parts = cut(planned(), simulation().model(), 3)

    with pytest.raises(CannotVerify, match="is full"):
        run_segments(parts, lab.open, 3, lambda _: None, lab.ended.set)

    assert lab.ended.is_set()
    assert sorted(lab.opened) == sorted(lab.closed)


def test_an_interruption_ends_every_segment() -> None:
    lab = Lab()

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_segments(cut(planned(), simulation().model(), 3), lab.open, 3, interrupt, lab.ended.set)

    assert lab.ended.is_set()
    assert sorted(lab.opened) == sorted(lab.closed)


def test_progress_is_told_once_a_step() -> None:
    told: list[int] = []
    parts = cut(planned(), simulation().model(), 3)
    run_segments(parts, Lab().open, 3, told.append, lambda: None)

    assert [1] * DAYS == told


@pytest.mark.parametrize(
    ("lab", "opened"),
    [
        (Lab(), [0, 1, 2]),
        (Lab(content={1: "rot"}), [0, 0, 1, 2]),
        (Lab(disagrees=[2]), [0, 0, 1, 2]),
    ],
    ids=["fits", "seam-gapes", "model-disagrees"],
)
def test_where_segments_prove_nothing_the_run_is_repeated_whole(
    lab: Lab, opened: list[int]
) -> None:
    noted: list[Outcome] = []
    result = run_real(
        simulation(),
        lab.open,
        segments=3,
        workers=3,
        advance=lambda _: None,
        note=noted.append,
        end=lambda: None,
    )

    assert opened == sorted(lab.opened)
    assert list(planned()) == [outcome.step for outcome in noted]
    assert result.followed.compared == result.followed.agreed
    assert bool(lab.content) == bool(result.seams)


def test_the_model_is_a_world_too() -> None:
    assert isinstance(simulation().model(), ModelWorld)
