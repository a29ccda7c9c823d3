"""What the coordinator's script made of a real repository, held against the model.

The same for every world in which the script really runs: it follows what happened, and says what
should not have.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.config.models import Config
from verifier.core.errors import RepositoryUnreadable
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.reader.digest import Digests
from verifier.reader.repository import Repository, open_repository
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.model import ModelWorld
from verifier.simulate.worlds.said import lines_of
from verifier.simulate.worlds.soundness import Soundness, lost_whole, verify_all
from verifier.simulate.worlds.stages import Ran
from verifier.simulate.worlds.stock import Stock
from verifier.simulate.worlds.unspoken import failures_of

Identify = Callable[[Digests, Snapshot, Snapshot], str]

CHECK_EVERY = 7
"""Every so many cycles, and after the last, the repository is read without restic."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a world keeps its repository, and the copy of it if there is one: folders of ours."""

    repository: Path
    offsite: Path | None
    password: str

    def open(self) -> Repository:
        """Open the repository."""
        return open_repository(self.repository, self.password)


class Reckoning:
    """Takes stock of one repository after every step, and follows with the model.

    Args:
        model: the twin of this world, at the same state; it follows the repository where that is
            otherwise, so that each difference is told once.
        last: the step after which the world is left.
        restore_path: turns a stored path back into the configured one.
    """

    def __init__(
        self,
        config: Config,
        stores: Stores,
        model: ModelWorld,
        last: Step,
        restore_path: Callable[[str], str] = str,
    ) -> None:
        self._config = config
        self._stores = stores
        self._model = model
        self._last = last
        self._stock = Stock(restore_path)
        self._soundness = Soundness(stores.password, stores.offsite)
        self._ran = 0

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots, which have been made."""
        self._stock.take(self._stores.open(), snapshots)
        self._model.seed(snapshots)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what existed at the last look."""
        return self._stock.snapshots()

    def fingerprints(self, identify: Identify) -> dict[str, str]:
        """Return for each existing snapshot what identifies its content.

        Args:
            identify: says it of a stored snapshot and the simulated one that it is.
        """
        try:
            repository = self._stores.open()
        except RepositoryUnreadable:
            # The step after which it was so has said it.
            return {}
        digests = Digests(repository)
        pairs = [(stored, self._stock.known(stored)) for stored in repository.snapshots()]
        return {known.id: identify(digests, stored, known) for stored, known in pairs}

    def follow(self, step: Step, runs: Sequence[Ran]) -> Outcome:
        """Return what has become of a step.

        A repository that can no longer be read is what became of it, and no trouble of ours.

        Args:
            runs: of the coordinator's script on it; one, if nobody has started it again.
        """
        try:
            outcome = self._follow(step, runs)
        except RepositoryUnreadable as error:
            outcome = self._lose(step, runs, error)
        return replace(
            outcome,
            duration_s=round(sum(ran.done.duration_s for ran in runs), 3),
            log=tuple(one for ran in runs for one in lines_of(ran, self._config.coordinator)),
        )

    def _follow(self, step: Step, runs: Sequence[Ran]) -> Outcome:
        self._stock.take(self._stores.open(), [s for ran in runs for s in ran.step.due])
        created = tuple(s for ran in runs for s in self._stock.made(ran))
        forgot = any(ran.ended("forget") for ran in runs)
        predicted = self._model.follow(step, created)
        groups, disagreements = self._stock.compare(
            step, predicted, self._config.group_by, partly=not forgot
        )
        if disagreements or not forgot:
            self._model.seed(self._stock.snapshots())
        # What it would have said of a forget that did not come to its end, it has not seen.
        said = [f for f in predicted.findings if forgot or f.kind == "forget-refused"]
        unsound = tuple(self._check(step, runs)) if self._is_check_due(step) else None
        failed = [finding for ran in runs for finding in failures_of(ran, created)]
        return Outcome(
            step,
            created,
            groups,
            (*said, *failed, *disagreements, *(unsound or ())),
            repository_bytes=_size_bytes(self._stores.repository),
            # A forget that broke off decided nothing but what it should not have.
            compared=len(groups) if forgot else len(disagreements),
            agreed=len(groups) - len(disagreements) if forgot else 0,
            sound=None if unsound is None else not unsound,
        )

    def _lose(self, step: Step, runs: Sequence[Ran], error: RepositoryUnreadable) -> Outcome:
        self._stock.lose()
        self._model.seed(())
        failed = [finding for ran in runs for finding in failures_of(ran, ())]
        return Outcome(
            step,
            (),
            (),
            (*failed, lost_whole("repository", f"on {step.at.date()}: {error.message}")),
            sound=False,
        )

    def _is_check_due(self, step: Step) -> bool:
        self._ran += 1
        return step == self._last or self._ran % CHECK_EVERY == 0

    def _check(self, step: Step, runs: Sequence[Ran]) -> Iterator[Finding]:
        day = step.at.date().isoformat()
        pruned = self._config.retention.prune and any(ran.ended("prune") for ran in runs)
        yield from self._soundness.check(self._stores.open(), day, pruned=pruned)
        if step == self._last:
            yield from verify_all(self._stores.open(), day)


def _size_bytes(folder: Path | str) -> int:
    with os.scandir(folder) as entries:
        return sum(
            _size_bytes(entry.path) if entry.is_dir() else entry.stat().st_size for entry in entries
        )
