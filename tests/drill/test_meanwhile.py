"""What others do to a repository while it is drilled: backups, forget and prune by the real restic.

Goal: nothing that is merely somewhere else by now is called lost. Method: restic runs in the very
middle, where the drill says that a pack is done. Red where the index is not looked at once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.drill.lab import HOST, Lab, counts
from verifier.clock.system import SystemClock
from verifier.core.errors import CannotVerify
from verifier.drill.integrity import Reading, check_integrity
from verifier.drill.ledger import open_ledger
from verifier.drill.monthly import Drill, Drilled
from verifier.reader.repository import Repository


@pytest.fixture
def grown(lab: Lab) -> Lab:
    """A repository of two snapshots, of which the older holds what prune would take."""
    lab.write(**{f"old{number}": os.urandom(200_000) for number in range(4)}, kept=b"kept")
    lab.backup()
    for number in range(4):
        (lab.live / f"old{number}").unlink()
    lab.write(new=os.urandom(300_000))
    lab.backup()
    return lab


def prune(lab: Lab) -> None:
    """Forget the older snapshot, and leave nothing unused, in packs or in trees."""
    lab.restic("forget", "-q", "--keep-last", "1", "--prune", "--max-unused", "0")


def drill(lab: Lab, repository: Repository, meanwhile: Callable[[], Any]) -> Drilled:
    """Drill, with something happening once, after the first pack."""
    waiting = [meanwhile]

    def advance(_: int) -> None:
        if waiting:
            waiting.pop()()

    clock = SystemClock()
    with open_ledger(lab.ledger) as ledger:
        run = ledger.begin(repository="lab", inputs="lab", seed=1, within=1, at=clock.now())
        reading = Reading(None, advance=advance)
        found = Drill(repository, run, clock, reading, lab.scratch).monthly((lab.target(),))
        run.finish(clock.now(), "OK", {})

    assert [] == waiting

    return found


def test_what_was_pruned_meanwhile_is_not_lost(grown: Lab) -> None:
    repository = grown.open()
    assert repository.index.packs
    found = drill(grown, repository, lambda: prune(grown))

    assert () == found.findings
    assert {"identical": 3} == counts(found)
    assert len(grown.open().index.packs) == found.section["repository"]["packs"]  # type: ignore[index]


def test_what_was_pruned_before_the_packs_are_read_is_not_lost(grown: Lab) -> None:
    repository = grown.open()
    assert repository.index.packs
    prune(grown)

    assert () == grown.drill(repository=repository).findings


def test_what_is_lost_is_told_though_somebody_prunes(grown: Lab) -> None:
    repository = grown.open()
    (new,) = {blob.pack for blob in repository.blobs() if blob.length > 250_000}
    prune(grown)
    (path,) = grown.repository.glob(f"data/*/{new}")
    path.unlink()

    assert {"/new": "lost"} == grown.kinds(grown.drill(repository=repository))


def test_a_backup_that_ends_meanwhile_loses_nothing(grown: Lab) -> None:
    """Index files are read after the snapshots, for a snapshot is written after its index."""
    repository = grown.open()
    assert repository.index.packs
    grown.write(later=os.urandom(100_000))
    grown.backup()
    found = grown.drill(repository=repository)

    assert {"added": 1, "changed": 1, "identical": 2} == counts(found)
    assert {"OK"} == {finding.severity.name for finding in found.findings}


def test_a_snapshot_that_is_removed_meanwhile_is_not_lost(grown: Lab) -> None:
    repository = grown.open()
    assert repository.index.packs

    def meanwhile() -> None:
        grown.restic("forget", "-q", "latest", "--prune", "--max-unused", "0")

    found = drill(grown, repository, meanwhile)

    assert [("could-not-verify", HOST)] == [(f.kind, f.subject) for f in found.findings]
    assert "was removed while" in found.findings[0].detail


def test_a_repository_that_is_never_at_rest_cannot_be_verified(grown: Lab) -> None:
    class Restless(Repository):
        def refresh(self) -> bool:
            self.__dict__.pop("_index", None)
            return True

    repository = Restless(grown.open().storage, grown.open().keys)
    next(grown.repository.glob("data/*/*")).unlink()

    with open_ledger(grown.ledger) as ledger:
        run = ledger.begin(repository="lab", inputs="lab", seed=1, at=SystemClock().now())
        with pytest.raises(CannotVerify, match="again and again"):
            check_integrity(repository, run, Reading(None))
