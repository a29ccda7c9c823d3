"""What is heard of a subject, and what people are told of it in turn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from verifier.monitor.alerts.watch import Level

Kind = Literal["opened", "escalated", "reminded", "resolved"]


@dataclass(frozen=True, slots=True)
class News:
    """Something that was due has succeeded or failed. Instants come to be in UTC.

    Attributes:
        at: when it began.
        known_at: when it was known how it ended.
    """

    at: datetime
    known_at: datetime
    succeeded: bool

    def __post_init__(self) -> None:
        # Two civil times of one zone compare without their offsets.
        for name in ("at", "known_at"):
            object.__setattr__(self, name, getattr(self, name).astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that people are told of an incident: one message.

    Attributes:
        level: the highest that the incident has reached.
        at: when it is to be told, whenever somebody looked.
        opened_at: when the incident opened.
        good_at: when the last success began, as is then known.
    """

    kind: Kind
    subject: str
    level: Level
    at: datetime
    opened_at: datetime
    good_at: datetime

    @property
    def age(self) -> timedelta:
        """How old the last success is."""
        return self.at - self.good_at

    @property
    def lasted(self) -> timedelta:
        """How long the incident has lasted."""
        return self.at - self.opened_at
