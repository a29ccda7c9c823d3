"""The tables of `verify.toml` about telling people: history, sinks, alerts, dashboard, evidence.

No secret stands in the file: each comes from a file of its own or from a command that prints it.
"""

from __future__ import annotations

from datetime import time, timedelta
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from verifier.config.table import Table, tables
from verifier.config.values import (
    AbsolutePath,
    ClockTime,
    HttpUrl,
    Instant,
    Listen,
    Name,
    Names,
    SecretSource,
    Span,
    Text,
    unfit,
)

JobName = Literal["backups", "monthly", "alert", "collect", "tidy"]
"""What a timer or the daemon starts."""


class History(Table):
    """The embedded memory of reports, runs and incidents.

    Attributes:
        spool: where what a sink did not take waits for it.
        keep: how long it remembers; open incidents and the newest of each kind stay.
        spool_keep: how long a delivery waits before it is given up, and that is told.
    """

    file: AbsolutePath = "/var/lib/restic-verify/history.sqlite"
    spool: AbsolutePath = "/var/lib/restic-verify/spool"
    keep: Span = timedelta(days=1_830)
    spool_keep: Span = timedelta(days=30)


class ClickHouse(Table):
    """A ClickHouse server, by HTTP.

    Attributes:
        table: of log lines (`when`, `host`, `service`, `data`), made where there is none.
        results: of the verdicts of reports.
        backups: of the telemetry of backups.
        logs: whether log lines are sent there; false where something else fills `table` already.
    """

    url: HttpUrl
    database: Name = "yamon"
    table: Name = "logs"
    results: Name = "verifications"
    backups: Name = "backups"
    logs: bool = True
    user: Text | None = None
    password: SecretSource | None = None


class Prometheus(Table):
    """Metrics for Prometheus: a file for node-exporter's textfile collector, a Pushgateway, both.

    Attributes:
        textfile: its name ends in `.prom`.
    """

    textfile: AbsolutePath | None = None
    pushgateway: HttpUrl | None = None
    job: Name = "restic-verify"

    @field_validator("textfile")
    @classmethod
    def _collected(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith(".prom"):
            raise unfit("a file whose name ends in .prom", "the collector reads no others")
        return value

    @model_validator(mode="after")
    def _some_way(self) -> Prometheus:
        if not (self.textfile or self.pushgateway):
            raise unfit("textfile, pushgateway, or both", "write one of them")
        return self


class Webhook(Table):
    """A URL that is sent every report, alert and backup as JSON.

    Attributes:
        secret: the key of the signature in `X-Restic-Verify-Signature` (HMAC-SHA256).
    """

    url: HttpUrl
    secret: SecretSource


class Ping(Table):
    """A service that expects to hear of jobs: start, success, failure (Healthchecks' protocol).

    Attributes:
        job: whose start and end it is told.
        url: without `/start` and `/fail`; it may be secret itself.
    """

    job: JobName
    url: HttpUrl | None = None
    url_secret: SecretSource | None = None

    @model_validator(mode="after")
    def _one_url(self) -> Ping:
        if (self.url is None) == (self.url_secret is None):
            raise unfit("one of url and url-secret", "write one of the two")
        return self


class Sinks(Table):
    """Where reports, alerts and the telemetry of backups go, and how patiently.

    Attributes:
        timeout: for one attempt.
        attempts: in a row, ever further apart, before a delivery is spooled.
        journal: whether they go to journald.
    """

    timeout: Span = timedelta(seconds=10)
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    journal: bool = False
    clickhouse: ClickHouse | None = None
    prometheus: Prometheus | None = None
    webhook: Webhook | None = None
    pings: Annotated[tuple[Ping, ...], BeforeValidator(tables)] = ()


class Ages(Table):
    """How old the last success may be: a warning from one age on, an alarm from another.

    Attributes:
        allow: how long nothing may be heard of a run that is due.
    """

    warn_age: Span
    alarm_age: Span
    allow: Span = timedelta(hours=1)

    @model_validator(mode="after")
    def _in_order(self) -> Ages:
        if self.alarm_age < self.warn_age:
            raise unfit("an alarm-age that is no less than warn-age", "exchange the two")
        return self


class Channel(Table):
    """People who are told of incidents, by way of Apprise.

    Attributes:
        url: an Apprise URL, as `discord://…`: it holds a secret, so it is kept elsewhere.
        level: it hears of an incident once that has reached it.
        escalations: whether it hears, too, that a warning has become an alarm.
        reports: it hears of a report whose verdict is at least as bad.
    """

    name: Name
    url: SecretSource
    level: Literal["warning", "alarm"] = "warning"
    escalations: bool = False
    reports: Literal["WARNING", "UNKNOWN", "CRITICAL", "never"] = "UNKNOWN"


class Silence(Table):
    """A time in which nothing new is told of some subjects.

    Attributes:
        subject: as a shell pattern: `backup web1`, `backup *`, `verification *`, `verifier`.
    """

    subject: Text
    from_: Instant
    until: Instant
    reason: Text

    @model_validator(mode="after")
    def _in_order(self) -> Silence:
        if self.until <= self.from_:
            raise unfit("an end after its beginning", "exchange `from` and `until`", key="until")
        return self


class Alerts(Table):
    """When people are told, and who.

    Attributes:
        backup: the age of each host's last backup; the ages of `[audit]` where none are given.
        verification: the age of each host's last good verification.
        verifier: how long the alert rules may go without being looked at.
        source: what the state of the backups is read from.
        remind_every: after the last message on an incident that goes on.
        damping: an incident that comes within it after the one before is flapping.
    """

    backup: Ages | None = None
    verification: Ages = Ages.model_validate({"warn-age": "35d", "alarm-age": "45d"})
    verifier: Ages = Ages.model_validate({"warn-age": "30min", "alarm-age": "2h", "allow": "10min"})
    source: Literal["history", "clickhouse"] = "history"
    remind_every: Span = timedelta(hours=24)
    damping: Span = timedelta(days=3)
    channels: Annotated[tuple[Channel, ...], BeforeValidator(tables)] = ()
    silences: Annotated[tuple[Silence, ...], BeforeValidator(tables)] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Alerts:
        names = [channel.name for channel in self.channels]
        if len(set(names)) < len(names):
            raise unfit("channels with names of their own", "rename one", key="channels")
        return self


class Dashboard(Table):
    """The pages.

    Attributes:
        listen: an address and a port; one that is not loopback needs
        token: which every request then carries.
        host_names: names, besides the address, by which the pages may be asked for.
        read_repository: whether its snapshots are read, for the page of restore points.
    """

    listen: Listen = "127.0.0.1:8642"
    token: SecretSource | None = None
    host_names: Names = ()
    read_repository: bool = False

    @model_validator(mode="after")
    def _closed_to_others(self) -> Dashboard:
        if self.token is None and not ip_address(self.address).is_loopback:
            raise unfit("a token where others can reach it", "add token, or listen on 127.0.0.1")
        return self

    @property
    def address(self) -> str:
        """The address that it listens on, without brackets."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.listen.rpartition(":")[2])


class Evidence(Table):
    """Signed reports.

    Attributes:
        key: a file with an ed25519 private key in PEM.
        folder: where the envelopes are kept, one a report, each naming the one before.
    """

    key: AbsolutePath
    folder: AbsolutePath = "/var/lib/restic-verify/evidence"


class Jobs(Table):
    """When the jobs start that `[schedule]` does not say, for timers and for the daemon.

    Attributes:
        monthly_day: of the month, 1 to 28.
        monthly_time: in the schedule's zone.
        delay: each monthly start is put off by up to as much, at random.
        alert_every: how often the alert rules are looked at, and logs collected.
        skip: jobs that the daemon leaves to somebody else.
    """

    monthly_day: Annotated[int, Field(ge=1, le=28)] = 1
    monthly_time: ClockTime = time(12)
    delay: Span = timedelta(hours=1)
    alert_every: Span = timedelta(minutes=5)
    skip: Annotated[tuple[JobName, ...], BeforeValidator(tables)] = ()
