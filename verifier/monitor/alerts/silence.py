"""Silences: times in which nobody wants to hear of a subject. Each has an end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which nothing new is told of some subjects. Instants come to be in UTC.

    Attributes:
        subject: as a shell pattern.
        until_at: the first instant that is no longer in it.
    """

    subject: str
    from_at: datetime
    until_at: datetime

    def __post_init__(self) -> None:
        # Two civil times of one zone compare without their offsets.
        for name in ("from_at", "until_at"):
            object.__setattr__(self, name, getattr(self, name).astimezone(UTC))

    def covers(self, subject: str, at: datetime) -> bool:
        """Say whether nothing is told of a subject at an instant."""
        return self.from_at <= at < self.until_at and fnmatchcase(subject, self.subject)


def unsilenced(silences: Iterable[Silence], subject: str, at: datetime) -> datetime:
    """Return the first instant from `at` on at which a subject may be told of."""
    for silence in sorted(silences, key=lambda silence: silence.from_at):
        if silence.covers(subject, at):
            at = silence.until_at
    return at
