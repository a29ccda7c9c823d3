"""Metrics pushed to a Pushgateway, where Prometheus cannot reach this machine."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.monitor.delivery import Delivery
from verifier.monitor.sinks.http import Line

NAME = "pushgateway"
_HEADERS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class Pushgateway:
    """A Pushgateway; a `Sink`.

    Args:
        job: the group of metrics there that is ours, and replaced whole.
    """

    name = NAME
    batch = 1_000

    def __init__(self, url: str, job: str, *, timeout_s: float) -> None:
        self._url = f"{url}/metrics/job/{job}"
        self._line = Line(NAME, timeout_s)

    def takes(self, delivery: Delivery) -> bool:
        """Metrics alone."""
        return delivery.kind == "metrics"

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Push the newest, which is worth all before it; once more does no harm.

        Raises:
            DeliveryFailed: it was not taken.
        """
        del again
        text = str(deliveries[-1].body["text"])
        # PUT replaces the group: what is not measured any more goes from there too.
        self._line.send("PUT", self._url, text.encode(), _HEADERS)
