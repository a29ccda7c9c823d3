"""Put the outbox together from the configuration, and send what is owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.programs import local_host
from verifier.cli.secrets import read_secret
from verifier.config.models import Config
from verifier.config.values import Secret
from verifier.core.errors import DeliveryFailed, VerifyError
from verifier.core.finding import Finding
from verifier.monitor.delivery import Delivery, Sink
from verifier.monitor.outbox import Outbox, Patience

if TYPE_CHECKING:
    from verifier.config.monitor import ClickHouse, Ping, Prometheus, Webhook
    from verifier.monitor.history.memory import History


class Late:
    """A sink that needs a secret, which is asked for when something is to be sent; a `Sink`.

    Args:
        blank: the sink without its secret: it says what it takes.
        ready: makes the sink that sends.
    """

    def __init__(self, blank: Sink, ready: Callable[[], Sink]) -> None:
        self.name = blank.name
        self.batch = blank.batch
        self.takes = blank.takes
        self._ready = ready
        self._sink: Sink | None = None

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Send as the sink does.

        Raises:
            DeliveryFailed: as the sink does, or its secret cannot be had.
        """
        if self._sink is None:
            try:
                self._sink = self._ready()
            except VerifyError as error:
                message = f"its secret cannot be had: {error.subject}: {error.message}"
                raise DeliveryFailed(self.name, message, error.remedy) from error
        self._sink.deliver(deliveries, again=again)


def outbox(config: Config, context: Context) -> Outbox:
    """Return the outbox of the configuration's sinks; nothing is read or sent yet."""
    table = config.sinks
    patience = Patience(table.attempts, table.timeout.total_seconds(), config.history.spool_keep)
    return Outbox(sinks(config, context), Path(config.history.spool), patience)


def sinks(config: Config, context: Context) -> Iterator[Sink]:
    """Yield the configuration's sinks."""
    table, timeout_s = config.sinks, config.sinks.timeout.total_seconds()
    here = local_host(context.environ, inherit=True)

    def read(secret: Secret) -> str:
        return read_secret(secret, here)

    if table.clickhouse:
        yield _clickhouse(table.clickhouse, read, timeout_s)
    if table.prometheus:
        yield from _prometheus(table.prometheus, timeout_s)
    if table.journal:
        from verifier.monitor.sinks.journal import Journal

        yield Journal(timeout_s=timeout_s)
    if table.webhook:
        yield _webhook(table.webhook, read, context, timeout_s)
    yield from _pings(table.pings, read, timeout_s)
    if config.alerts.channels:
        from verifier.cli.channels import channels

        yield from channels(config, context)


def send_owed(
    config: Config, context: Context, history: History, now: datetime
) -> tuple[Finding, ...]:
    """Send what the history owes to the sinks, and what waits for them, and what is measured now.

    Returns:
        Of each sink that has not taken everything, what waits or is given up.
    """
    from verifier.cli.measure import measured

    box = outbox(config, context)
    # Each is in the spool before it is forgotten here, and in it once, so that nothing is sent
    # twice by whoever comes after a process that was killed in between.
    with history.together():
        owed = history.owed()
        unkept = box.keep(owed, now)
        if not unkept:
            history.sent(owed)
    metrics, unmeasured = measured(config, context, history, now)
    findings = box.flush(now, (*(owed if unkept else ()), *metrics))
    if unkept:
        history.sent(owed)
    return (*unmeasured, *findings)


def _clickhouse(table: ClickHouse, read: Callable[[Secret], str], timeout_s: float) -> Sink:
    from verifier.monitor.sinks.clickhouse import ClickHouse as Server

    names = table.database, table.table, table.results, table.backups

    def server(password: str) -> Sink:
        login = table.user or "default", password
        return Server(table.url, *names, login=login, timeout_s=timeout_s, logs=table.logs)

    secret = table.password
    return Late(server(""), lambda: server(read(secret))) if secret else server("")


def _prometheus(table: Prometheus, timeout_s: float) -> Iterator[Sink]:
    if table.textfile:
        from verifier.monitor.sinks.textfile import Textfile

        yield Textfile(Path(table.textfile))
    if table.pushgateway:
        from verifier.monitor.sinks.pushgateway import Pushgateway

        yield Pushgateway(table.pushgateway, table.job, timeout_s=timeout_s)


def _webhook(
    table: Webhook, read: Callable[[Secret], str], context: Context, timeout_s: float
) -> Sink:
    from verifier.monitor.sinks.webhook import Webhook as Hook

    def hook(secret: str) -> Sink:
        return Hook(table.url, secret, context.clock, timeout_s=timeout_s)

    return Late(hook(""), lambda: hook(read(table.secret)))


def _pings(
    tables: Sequence[Ping], read: Callable[[Secret], str], timeout_s: float
) -> Iterator[Sink]:
    told: Counter[str] = Counter()
    for table in tables:
        told[table.job] += 1
        name = f"ping-{table.job}" + (f"-{told[table.job]}" if told[table.job] > 1 else "")
        yield _ping(table, name, read, timeout_s)


def _ping(table: Ping, name: str, read: Callable[[Secret], str], timeout_s: float) -> Sink:
    from verifier.monitor.sinks.ping import Ping as Service

    def service(url: str) -> Sink:
        return Service(name, table.job, url, timeout_s=timeout_s)

    secret = table.url_secret
    return Late(service(""), lambda: service(read(secret))) if secret else service(table.url or "")
