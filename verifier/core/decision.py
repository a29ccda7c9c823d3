"""Decisions: which snapshots stay, why, and which go. The model and restic both answer in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from verifier.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True, order=True)
class GroupKey:
    """What a group's snapshots have in common; a dimension not grouped by is empty.

    Paths and tags are sorted: restic takes no notice of their order.
    """

    host: str = ""
    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A simulation looks groups up a million times; the hash of nested tuples is worth keeping.
        object.__setattr__(self, "_hash", hash((self.host, self.paths, self.tags)))

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        parts = [self.host, ", ".join(self.paths), f"[{', '.join(self.tags)}]" if self.tags else ""]
        return " ".join(part for part in parts if part) or "(all snapshots)"


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """One group's part: `keep` newest first, `reasons` parallel to it, `remove` newest first."""

    key: GroupKey
    keep: tuple[Snapshot, ...]
    reasons: tuple[tuple[str, ...], ...]
    remove: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What one `forget` does, group by group, in the order of the keys.

    Attributes:
        refused: restic's sentence where it stops with an error and removes nothing at all;
            the groups then say what would have been removed.
    """

    groups: tuple[GroupDecision, ...]
    refused: str = ""

    def kept(self) -> Iterator[tuple[Snapshot, tuple[str, ...]]]:
        """Yield every kept snapshot with its reasons."""
        for group in self.groups:
            yield from zip(group.keep, group.reasons, strict=True)

    def removed(self) -> tuple[Snapshot, ...]:
        """Return every snapshot that goes; none where forget refuses."""
        if self.refused:
            return ()
        return tuple(snapshot for group in self.groups for snapshot in group.remove)


def _outcome(decision: Decision) -> dict[GroupKey, tuple[object, object]]:
    # Of two snapshots with one instant it is chance which one restic keeps, so they are compared
    # by instant. The reasons of a kept instant are compared as they stand.
    return {
        g.key: (
            sorted((s.taken_at, why) for s, why in zip(g.keep, g.reasons, strict=True)),
            sorted(s.taken_at for s in g.remove),
        )
        for g in decision.groups
    }


def differences(model: Decision, binary: Decision) -> tuple[GroupKey, ...]:
    """Return the groups on which two decisions differ, ties aside; none where they agree."""
    ours, theirs = _outcome(model), _outcome(binary)
    return tuple(
        sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    )
