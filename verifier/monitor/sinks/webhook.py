"""A URL that is sent every report, alert and backup as JSON, signed, in a request of its own.

`X-Restic-Verify-Signature: sha256=HEX` is the HMAC-SHA256, under the shared secret, over the text
of `X-Restic-Verify-Timestamp` (seconds), a full stop and the body. The time is that of sending, so
that an old request can be told from a new one; `Idempotency-Key` is the same however often a
delivery is sent. docs/sinks.md shows how to check them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime

from verifier.core.clock import Clock
from verifier.core.errors import DeliveryFailed
from verifier.monitor.delivery import Delivery, render_delivery
from verifier.monitor.sinks.http import Line

NAME = "webhook"
TAKEN = frozenset({"report", "alert", "backup"})


class Webhook:
    """A URL; a `Sink`.

    Args:
        secret: the key of the signature.
    """

    name = NAME
    batch = 100

    def __init__(self, url: str, secret: str, clock: Clock, *, timeout_s: float) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._line = Line(NAME, timeout_s, (secret,))

    def takes(self, delivery: Delivery) -> bool:
        """Reports, alerts and backups."""
        return delivery.kind in TAKEN

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Send them one by one; one that may have arrived before carries the same key.

        Raises:
            DeliveryFailed: one of them was not taken.
        """
        del again
        for arrived, delivery in enumerate(deliveries):
            body = json.dumps(render_delivery(delivery), separators=(",", ":")).encode()
            headers = {
                "Content-Type": "application/json",
                "Idempotency-Key": delivery.id,
                **signature(self._secret, body, self._clock.now()),
            }
            try:
                self._line.send("POST", self._url, body, headers)
            except DeliveryFailed as error:
                error.arrived = arrived
                raise


def signature(secret: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers by which a receiver knows who sent a body, and when."""
    stamp = str(int(now.timestamp()))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "X-Restic-Verify-Timestamp": stamp,
        "X-Restic-Verify-Signature": f"sha256={digest}",
    }
