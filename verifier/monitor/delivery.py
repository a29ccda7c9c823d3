"""What is sent to a sink, and what every sink is: one word for reports, alerts, backups and logs.

A delivery is a plain value that goes through JSON unchanged, so that it can wait in a spool. Its ID
is the same whenever it is made of the same thing: who takes it twice can tell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Kind = Literal["report", "alert", "backup", "log", "metrics", "start", "end"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that is told.

    Attributes:
        at: when it happened, not when it is sent.
        body: JSON-ready; of a report its envelope, of an alert its transition, of `log` one line,
            of `metrics` the exposition text, of `start` and `end` the job and how it ended.
    """

    kind: Kind
    at: datetime
    body: Mapping[str, object]

    @property
    def id(self) -> str:
        """Return 32 hexadecimal digits that tell it from every other delivery."""
        made_of = [self.kind, self.at.isoformat(), self.body]
        text = json.dumps(made_of, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class Sink(Protocol):
    """A place that deliveries go to."""

    @property
    def name(self) -> str:
        """What it is called in findings and as a folder of the spool: `clickhouse`, `discord`."""
        ...

    def takes(self, delivery: Delivery) -> bool:
        """Say whether it is meant for such a delivery."""
        ...

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Send deliveries that it takes, in order, within its time limit; one attempt.

        Args:
            again: an attempt before may have arrived, so what can be asked is asked first.

        Raises:
            DeliveryFailed: nobody knows that they arrived.
        """
        ...
