"""Choose what a drill restores: of every host the newest snapshot of each current group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from verifier.core.snapshot import Snapshot
from verifier.drill.places import uncovered

CURRENT = timedelta(days=7)
"""A group whose newest snapshot lags this far behind its host's newest is current no more."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The snapshots to restore, newest first, and how many groups were passed over."""

    snapshots: tuple[Snapshot, ...]
    frozen_groups: int


def choose(snapshots: Iterable[Snapshot], host: str) -> Choice:
    """Choose a host's snapshots.

    A group is the snapshots of the same paths. It is current where its newest is about as new as
    the host's newest and holds something that no newer chosen one holds.
    """
    own = sorted((s for s in snapshots if s.host == host), key=lambda s: s.taken_at, reverse=True)
    newest: dict[tuple[str, ...], Snapshot] = {}
    for snapshot in own:
        newest.setdefault(tuple(sorted(snapshot.paths)), snapshot)
    chosen: list[Snapshot] = []
    for paths, snapshot in newest.items():
        held = [path for other in chosen for path in other.paths]
        if own[0].taken_at - snapshot.taken_at <= CURRENT and uncovered(paths, held):
            chosen.append(snapshot)
    return Choice(tuple(chosen), len(newest) - len(chosen))
