"""A service that expects to hear of a job and raises the alarm where it does not, as Healthchecks.

`URL/start` is asked for when the job starts, `URL` when it ended well, and `URL/fail` when
something is lost or could not be looked at, with what the report says as the body. Such a service
takes every ping as of now: one that had to wait says in its body when it happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from verifier.core.finding import Verdict
from verifier.monitor.delivery import Delivery
from verifier.monitor.sinks.http import Line

BODY_LIMIT_BYTES = 10_000
"""What Healthchecks keeps of a body."""

_HEADERS = {"Content-Type": "text/plain; charset=utf-8"}


class Ping:
    """One job at such a service; a `Sink`.

    Args:
        name: of the sink: `ping-monthly`.
        job: whose start and end it is told.
        url: without `/start` and `/fail`.
    """

    batch = 1

    def __init__(self, name: str, job: str, url: str, *, timeout_s: float) -> None:
        self.name = name
        self._job = job
        self._url = url
        # Who knows the path can speak in the job's name.
        parts = urlsplit(url)
        self._line = Line(name, timeout_s, (url, parts.path.strip("/"), parts.query))

    def takes(self, delivery: Delivery) -> bool:
        """Start and end of its job."""
        return delivery.kind in {"start", "end"} and delivery.body["job"] == self._job

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Ping once for each; once more does no harm.

        Raises:
            DeliveryFailed: one was not taken.
        """
        del again
        (delivery,) = deliveries
        self._line.send("POST", self._address(delivery), _body(delivery), _HEADERS)

    def _address(self, delivery: Delivery) -> str:
        parts = urlsplit(self._url)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + _suffix(delivery)))


def _suffix(delivery: Delivery) -> str:
    if delivery.kind == "start":
        return "/start"
    verdict = Verdict[str(delivery.body["verdict"])]
    return "/fail" if verdict.rank >= Verdict.UNKNOWN.rank else ""


def _body(delivery: Delivery) -> bytes:
    said = f"{delivery.body['job']}, {delivery.at.isoformat(timespec='seconds')}\n"
    if delivery.kind == "end":
        said = f"{delivery.body['summary']}\n{said}"
    return said.encode("utf-8", "replace")[:BODY_LIMIT_BYTES]
