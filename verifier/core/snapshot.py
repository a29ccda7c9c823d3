"""Snapshots: when, whose, of what. The part of restic's snapshot JSON that decisions rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot of a repository.

    Attributes:
        id: its full ID in hex, or any unique text in a simulation.
        taken_at: the instant with the UTC offset that the snapshot stores: restic cuts days by
            that offset. Microseconds; restic's last three digits are dropped.
        host, paths, tags: as stored, in stored order.
        tree: ID of the root tree; empty where there is none.
        made_at: when the backup that made it really ran (`summary.backup_start`, restic 0.17+);
            differs from `taken_at` where `--time` was given.
        program: what wrote it (`program_version`), as it says itself; no part of what it holds.
        hour: the civil hour as the number YYYYMMDDhh. Every calendar bucket follows from it.
    """

    id: str
    taken_at: datetime
    host: str
    paths: tuple[str, ...]
    tags: tuple[str, ...] = ()
    tree: str = ""
    made_at: datetime | None = None
    program: str = field(default="", compare=False)
    hour: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        at = self.taken_at
        assert at.tzinfo is not None, "a snapshot's time carries its offset"
        hour = ((at.year * 100 + at.month) * 100 + at.day) * 100 + at.hour
        object.__setattr__(self, "hour", hour)

    @property
    def short_id(self) -> str:
        """The first eight characters, as restic prints them."""
        return self.id[:8]


def parse_instant(text: str) -> datetime:
    """Parse RFC 3339 as Go writes it: up to nine fractional digits, `Z` or an offset.

    Raises:
        ValueError: the text is no such time.
    """
    whole, dot, rest = text.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        zone = rest[len(digits) :]
        text = f"{whole}.{digits[:6]:0<6}{zone}" if digits else text
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"no UTC offset in {text!r}")
    return at


def parse_snapshot(stored: Mapping[str, Any]) -> Snapshot:
    """Parse one element of `restic snapshots --json`, or a snapshot file's JSON with its `id`.

    Raises:
        KeyError, TypeError, ValueError: a field is absent or has another shape.
    """
    summary = stored.get("summary") or {}
    started = summary.get("backup_start")
    return Snapshot(
        id=str(stored["id"]),
        taken_at=parse_instant(stored["time"]),
        host=str(stored.get("hostname", "")),
        paths=tuple(map(str, stored.get("paths") or ())),
        tags=tuple(map(str, stored.get("tags") or ())),
        tree=str(stored.get("tree") or ""),
        made_at=parse_instant(started) if started else None,
        program=str(stored.get("program_version") or ""),
    )
