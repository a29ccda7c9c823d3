"""What is sent to a sink, and what every sink is: one word for reports, alerts, backups and logs.

A delivery is a plain value that goes through JSON unchanged, so that it can wait in a spool. Its ID
is the same whenever it is made of the same thing: who takes it twice can tell.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, cast, get_args

from verifier.core.finding import Verdict
from verifier.monitor.telemetry import BackupRun, LogLine

Kind = Literal["report", "notice", "alert", "alerts", "backup", "log", "metrics", "start", "end"]

SCHEMA = 1
"""Of what a webhook receives and a spool keeps."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that is told.

    Attributes:
        at: when it happened, not when it is sent.
        body: JSON-ready; of a report its envelope, of a `notice` that and
            what is new in it for people, of an alert its transition, of
            `alerts` the transitions of one kind that a look tells, of `log` one line,
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

    @property
    def batch(self) -> int:
        """How many deliveries it takes at a time; 1 where each of them is a request of its own."""
        ...

    def takes(self, delivery: Delivery) -> bool:
        """Say whether it is meant for such a delivery."""
        ...

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Send deliveries that it takes, in order, within its time limit; one attempt.

        Args:
            again: an attempt before may have arrived, so what can be asked is asked first.

        Raises:
            DeliveryFailed: nobody knows that they arrived, but for those that it counts.
        """
        ...


def render_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery in JSON's shape: what a webhook receives and a spool keeps."""
    return {
        "schema": SCHEMA,
        "id": delivery.id,
        "kind": delivery.kind,
        "at": delivery.at.isoformat(),
        "body": delivery.body,
    }


def parse_delivery(stored: object) -> Delivery:
    """Return what `render_delivery` was given.

    Raises:
        ValueError: it is of another shape, or its ID is not that of its content.
    """
    match stored:
        case {"id": str(name), "kind": str(kind), "at": str(at), "body": dict(body)}:
            if kind in get_args(Kind):
                delivery = Delivery(cast(Kind, kind), datetime.fromisoformat(at), body)
                if delivery.id == name:
                    return delivery
    raise ValueError("not a delivery, or not whole")


def report_delivery(envelope: Mapping[str, object]) -> Delivery:
    """Return what is told of a report: its envelope, as `--json` prints it."""
    from verifier.monitor.render.json import render_json

    body = json.loads(render_json(envelope))
    return Delivery("report", datetime.fromisoformat(body["finished"]), body)


def backup_delivery(run: BackupRun) -> Delivery:
    """Return what is told of one backup of one host; it happened when it ended."""
    body = {**asdict(run), "began_at": run.began_at.isoformat()}
    return Delivery("backup", run.ended_at, body)


def log_delivery(line: LogLine) -> Delivery:
    """Return what is told of one line of a log."""
    return Delivery("log", line.at, {"host": line.host, "service": line.service, "data": line.data})


def metrics_delivery(exposition: str, at: datetime) -> Delivery:
    """Return what is told of everything that is measured; the newest is worth all before it."""
    return Delivery("metrics", at, {"text": exposition})


def start_delivery(job: str, at: datetime) -> Delivery:
    """Return what is told when a job (a `JobName` of the configuration) begins."""
    return Delivery("start", at, {"job": job})


def end_delivery(job: str, verdict: Verdict, summary: str, at: datetime) -> Delivery:
    """Return what is told when a job has ended.

    Args:
        summary: for people, a line or a few.
    """
    return Delivery("end", at, {"job": job, "verdict": verdict.name, "summary": summary})
