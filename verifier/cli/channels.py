"""The channels of the configuration as sinks, and a test through every channel and sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.programs import local_host
from verifier.cli.secrets import read_secret
from verifier.config.models import Config
from verifier.core.errors import VerifyError
from verifier.monitor.delivery import Delivery, Sink, log_delivery
from verifier.monitor.sinks.apprise import Channel
from verifier.monitor.subjects import VERIFIER
from verifier.monitor.telemetry import LogLine

if TYPE_CHECKING:
    from verifier.monitor.render.envelope import AlertTrial

SERVICE = "restic-verify"
"""Under what name a test is logged."""

_NOT_TRIED = {
    "ping": "any ping counts as a run of its job",
    "metrics": "it takes metrics alone, which every look writes",
    "clickhouse": "it takes reports and backups alone, of which none can be a test",
}


def channels(config: Config, context: Context) -> Iterator[Channel]:
    """Yield the channels of people; their URLs are read when there is something to say."""
    here = local_host(context.environ, inherit=True)
    for table in config.alerts.channels:
        yield Channel(
            table.name,
            partial(read_secret, table.url, here),
            table.level,
            table.escalations,
            table.reports,
            config.sinks.timeout,
        )


def try_out(config: Config, context: Context) -> list[AlertTrial]:
    """Send a test through every channel and sink, one after the other, and say what arrived.

    Nothing is spooled: a test that arrives tomorrow tests nothing.
    """
    from verifier.cli.deliver import sinks

    now = context.clock.now()
    trials = []
    for sink in sinks(config, context):
        if isinstance(sink, Channel):
            trials.append(_tried(sink.name, sink.try_out, "a message that says it is a test"))
        else:
            trials.append(_trial(sink, config, now))
    return trials


def _trial(sink: Sink, config: Config, now: datetime) -> AlertTrial:
    fit = next((one for one in _deliveries(config, now) if sink.takes(one)), None)
    if fit is None:
        why = _NOT_TRIED.get(sink.name.partition("-")[0], _NOT_TRIED["metrics"])
        return {"name": sink.name, "arrived": None, "detail": why}
    send = partial(sink.deliver, (fit,), again=False)
    return _tried(sink.name, send, f"{fit.kind} that says it is a test")


def _tried(name: str, send: Callable[[], None], what: str) -> AlertTrial:
    try:
        send()
    except VerifyError as error:
        return {"name": name, "arrived": False, "detail": f"{error.message}; {error.remedy}"}
    return {"name": name, "arrived": True, "detail": what}


def _deliveries(config: Config, now: datetime) -> Iterator[Delivery]:
    """Yield what a sink may be sent as a test: the first that it takes."""
    at = now.astimezone(config.zone).isoformat(timespec="seconds")
    body = {
        "kind": "test",
        "subject": VERIFIER,
        "level": "warning",
        "at": at,
        "opened_at": at,
        "good_at": at,
    }
    yield Delivery("alert", now, body)
    said = "TEST: somebody ran `restic-verify alert test`; nothing is wrong"
    yield log_delivery(LogLine(now, config.coordinator.name, SERVICE, said))
