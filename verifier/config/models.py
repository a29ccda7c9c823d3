"""What `verify.toml` may hold, table by table. `docs/configuration.md` explains every key.

Unknown keys are errors, no value is converted behind the user's back, and nothing here can be
changed after loading.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from verifier.config.drill import Application, Audit, Canary, Monthly
from verifier.config.install import Capability, Nfs, Remote, split_remote
from verifier.config.monitor import Alerts, Dashboard, Evidence, History, Jobs, Sinks
from verifier.config.own import System
from verifier.config.patterns import ExcludePatterns
from verifier.config.policy import RULES, parse_keep, parse_rule
from verifier.config.table import Spell, Table, tables
from verifier.config.values import (
    AbsolutePath,
    ClockTimes,
    Day,
    DayRanges,
    Name,
    Paths,
    ReckonedDay,
    Span,
    Text,
    Words,
    ZoneName,
    unfit,
)
from verifier.core.errors import UsageError
from verifier.core.policy import Policy
from verifier.retention.decide import parse_group_by

DAYS_MAX = 36_525
"""A century: a longer simulation is a slip of the finger."""

_ADDRESS = re.compile(r"[\w.:\[][\w.:%\[\]-]*")

ROOT = "root"

LOCAL = "local"
"""The address of a host that is this machine."""


class Repository(Table):
    """The repository as the coordinator sees it.

    It never holds a password: that comes from a file, a command, or restic's environment.
    """

    location: Text
    password_file: AbsolutePath | None = None
    password_command: Text | None = None
    restic: Text = "restic"

    @model_validator(mode="after")
    def _one_password(self) -> Repository:
        if self.password_file and self.password_command:
            raise unfit(
                "one of password-file and password-command",
                "remove one of the two",
                key="password-command",
            )
        return self


class Coordinator(Table):
    """The machine that owns the repository and drives every backup.

    Attributes:
        group: of everything that runs there; the user's name where none is given.
    """

    name: Name
    user: Name = "restic"
    group: Name | None = None
    key_file: AbsolutePath | None = None
    log_service: Name = "run-backups"


class Schedule(Table):
    """When the coordinator's timer fires: civil times in one zone."""

    times: ClockTimes
    timezone: ZoneName


def _rule(name: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value is None:
            return None
        try:
            parse_rule(name, value)
        except UsageError as error:
            raise unfit(_RULE_FORMS[name], error.remedy) from error
        return tuple(value) if isinstance(value, list) else value

    return BeforeValidator(check)


_RULE_FORMS = {
    name: (
        "a list of tag lists"
        if name == "keep-tag"
        else "a duration as 1y5m7d2h"
        if name.startswith("keep-within")
        else "a count from 0 to 100000, or unlimited"
    )
    for name in RULES
}

Count = int | str | None
Within = str | None


class Retention(Table):
    """What `forget` keeps, in restic's own words and values."""

    keep_last: Annotated[Count, _rule("keep-last")] = None
    keep_hourly: Annotated[Count, _rule("keep-hourly")] = None
    keep_daily: Annotated[Count, _rule("keep-daily")] = None
    keep_weekly: Annotated[Count, _rule("keep-weekly")] = None
    keep_monthly: Annotated[Count, _rule("keep-monthly")] = None
    keep_yearly: Annotated[Count, _rule("keep-yearly")] = None
    keep_within: Annotated[Within, _rule("keep-within")] = None
    keep_within_hourly: Annotated[Within, _rule("keep-within-hourly")] = None
    keep_within_daily: Annotated[Within, _rule("keep-within-daily")] = None
    keep_within_weekly: Annotated[Within, _rule("keep-within-weekly")] = None
    keep_within_monthly: Annotated[Within, _rule("keep-within-monthly")] = None
    keep_within_yearly: Annotated[Within, _rule("keep-within-yearly")] = None
    keep_tag: Annotated[tuple[str, ...] | None, _rule("keep-tag")] = None
    group_by: str = "host,paths"
    prune: bool = True

    @field_validator("group_by")
    @classmethod
    def _known_group(cls, value: str) -> str:
        try:
            parse_group_by(value)
        except UsageError as error:
            raise unfit("host, paths and tags by comma", error.remedy) from error
        return value

    @model_validator(mode="after")
    def _some_rule(self) -> Retention:
        if not self.policy():
            raise unfit("at least one keep-* rule above 0", "add one, as keep-daily = 30")
        return self

    def policy(self) -> Policy:
        """Return the rules as a Policy."""
        options = self.model_dump(by_alias=True, exclude={"group_by", "prune"})
        return parse_keep(options)


class Offsite(Table):
    """The second copy, what makes it, and where the drill reads it.

    Attributes:
        target: as rclone or `restic copy` is told it.
        location: as `restic -r` would be told it; the drill looks at no copy where none is given
            and `target` is no folder.
        max_lag: how old a snapshot may be before the copy has to have it.
        remote: what rclone is told of the remote in `target`; nothing where it knows already.
    """

    method: Literal["rclone-sync", "restic-copy"]
    target: Text
    remote: Remote | None = None
    password_file: AbsolutePath | None = None
    location: Text | None = None
    max_lag: Span = timedelta(hours=28)

    @model_validator(mode="after")
    def _password_for_copy(self) -> Offsite:
        if self.password_file and self.method == "rclone-sync":
            raise unfit(
                "no password-file with rclone-sync",
                "remove it: a synchronised copy opens with the repository's own password",
                key="password-file",
            )
        return self

    @model_validator(mode="after")
    def _remote_in_target(self) -> Offsite:
        if self.remote and not (self.method == "rclone-sync" and split_remote(self.target)[0]):
            remedy = 'write target = "NAME:PATH" with method = "rclone-sync", or take it out'
            raise unfit("no `remote` where the target names none", remedy)
        return self


class HostTable(Table):
    """A host that is backed up.

    Attributes:
        repository: the repository as mounted on that host; the coordinator's own location where
            none is given.
        source_root: where the live tree stands on the machine that answers at `address`.
        python: the interpreter there.
        become: words before it that give it the right to read every file.
        manifest: where `backup-restic` leaves the hashes of what it is about to back up.
        capability: how restic gets the right to read every file.
        backup_restic: a file of the user's own in place of the generated script.
    """

    name: Name
    address: Text | None = None
    port: Annotated[int, Field(ge=1, le=65_535)] = 50_000
    user: Name = "restic"
    repository: Text | None = None
    include: Paths
    exclude: ExcludePatterns = ()
    source_root: AbsolutePath = "/"
    one_file_system: bool = False
    python: Text = "python3"
    become: Words = ()
    manifest: AbsolutePath | None = None
    capability: Capability = "file"
    backup_restic: Text | None = None

    @field_validator("address")
    @classmethod
    def _no_option(cls, value: str | None) -> str | None:
        if value is not None and not _ADDRESS.fullmatch(value):
            raise unfit("a host name or address", "ssh would take it for something else")
        return value

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine."""
        return self.address == LOCAL

    @property
    def is_roots(self) -> bool:
        """Whether root is logged in as there, who needs no right and keeps its own ways in."""
        return self.user == ROOT and not self.is_local


class Down(Spell):
    """Days on which a simulated host cannot be reached, both ends included."""

    host: Name


class PathsChange(Table):
    """From a simulated day on, a host backs up other paths."""

    host: Name
    from_: Day
    include: Paths


class Simulate(Table):
    """A timeline, and what does not go as scheduled in it."""

    start: ReckonedDay = date(2024, 1, 1)
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = 400
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 1
    missed: DayRanges = ()
    down: Annotated[tuple[Down, ...], BeforeValidator(tables)] = ()
    paths: Annotated[tuple[PathsChange, ...], BeforeValidator(tables)] = ()


class Config(Table):
    """The whole of `verify.toml`. Made by `load` and `defaults`."""

    schema_: Literal[1]
    repository: Repository
    coordinator: Coordinator
    schedule: Schedule
    retention: Retention
    offsite: Offsite | None = None
    hosts: Annotated[tuple[HostTable, ...], BeforeValidator(tables)]
    nfs: Nfs | None = None
    monthly: Monthly = Monthly()
    canaries: Annotated[tuple[Canary, ...], BeforeValidator(tables)] = ()
    applications: Annotated[tuple[Application, ...], BeforeValidator(tables)] = ()
    audit: Audit = Audit()
    system: System = System()
    jobs: Jobs = Jobs()
    history: History = History()
    sinks: Sinks = Sinks()
    alerts: Alerts = Alerts()
    dashboard: Dashboard = Dashboard()
    evidence: Evidence | None = None
    simulate: Simulate = Simulate()

    def policy(self) -> Policy:
        """Return what `forget` keeps."""
        return self.retention.policy()

    @property
    def group_by(self) -> tuple[str, ...]:
        """The dimensions that snapshots are grouped by, as `retention.decide` takes them."""
        return parse_group_by(self.retention.group_by)

    @property
    def zone(self) -> ZoneInfo:
        """The schedule's time zone."""
        return ZoneInfo(self.schedule.timezone)

    @property
    def times(self) -> tuple[str, ...]:
        """The schedule's times of day in order, as `HH:MM`."""
        return tuple(f"{at:%H:%M}" for at in sorted(self.schedule.times))

    @property
    def key_file(self) -> str | None:
        """The file that holds the coordinator's password: its own, else the repository's."""
        return self.coordinator.key_file or self.repository.password_file

    def host(self, name: str) -> HostTable:
        """Return a host by name.

        Raises:
            UsageError: there is none, with the names there are.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts)
        raise UsageError(name, "the configuration has no such host", f"hosts are {names}")

    def mounted(self, host: HostTable) -> str:
        """Return the repository's location as that host sees it."""
        return host.repository or self.repository.location

    def digest(self) -> str:
        """Return the SHA-256 of everything in it: equal settings, equal digest."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()


def table_at(location: tuple[str | int, ...]) -> type[Table] | None:
    """Return the model of the table at a location of the file; None where there is no table."""
    model: type[Table] | None = Config
    for key in location:
        if model is None or isinstance(key, int):
            continue
        names = {field.alias: field.annotation for field in model.model_fields.values()}
        model = table_in(names.get(key))
    return model


def key_names() -> tuple[str, ...]:
    """Return every key that the file may hold, dotted, without indexes, in the file's order."""
    return tuple(_key_names(Config, ""))


def keys_of(model: type[Table]) -> tuple[str, ...]:
    """Return the keys of one table."""
    return tuple(str(field.alias) for field in model.model_fields.values())


def _key_names(model: type[Table], prefix: str) -> Iterator[str]:
    for field in model.model_fields.values():
        yield f"{prefix}{field.alias}"
        table = table_in(field.annotation)
        if table is not None:
            yield from _key_names(table, f"{prefix}{field.alias}.")


def table_in(annotation: Any) -> type[Table] | None:
    """Return the model of the table that an annotation names; None where it names none."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next((t for t in map(table_in, get_args(annotation)) if t is not None), None)
