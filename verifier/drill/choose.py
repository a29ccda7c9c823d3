"""Choose what a drill restores: of every host the newest snapshot of each current group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from verifier.core.snapshot import Snapshot
from verifier.drill.places import uncovered

CURRENT = timedelta(days=7)
"""A group whose newest snapshot lags this far behind its host's newest is current no more."""

AHEAD = timedelta(days=1)
"""A host's clock, or its zone, may be wrong by so much."""

_NEVER = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Choice:
    """The snapshots to restore, newest first, and how many groups were passed over."""

    snapshots: tuple[Snapshot, ...]
    frozen_groups: int


def choose(snapshots: Iterable[Snapshot], host: str, now: datetime | None = None) -> Choice:
    """Choose a host's snapshots.

    A group is the snapshots of the same paths. It is current where its newest is about as new as
    the host's newest and holds something that no newer chosen one holds.

    Args:
        now: a date after it is not believed; none where every snapshot's date is.
    """
    own = [s for s in snapshots if s.host == host]
    known = {s.id: _made_at(s, now) for s in own}
    own.sort(key=lambda s: (known[s.id], s.taken_at), reverse=True)
    newest: dict[tuple[str, ...], Snapshot] = {}
    for snapshot in own:
        newest.setdefault(tuple(sorted(snapshot.paths)), snapshot)
    chosen: list[Snapshot] = []
    for paths, snapshot in newest.items():
        held = [path for other in chosen for path in other.paths]
        if known[own[0].id] - known[snapshot.id] <= CURRENT and uncovered(paths, held):
            chosen.append(snapshot)
    return Choice(tuple(chosen), len(newest) - len(chosen))


def _made_at(snapshot: Snapshot, now: datetime | None) -> datetime:
    """Return when a snapshot was made, as far as that is known, and no later than now."""
    made_at = snapshot.made_at or snapshot.taken_at
    if now is None or made_at <= now:
        return made_at
    # A clock may be ahead; a date far off was given, and any other snapshot tells more.
    return now if snapshot.made_at or made_at - now <= AHEAD else _NEVER
