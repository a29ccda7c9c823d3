"""What `doctor` asks about, from a configuration or without one."""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from verifier.cli.compose_clock import ask_control
from verifier.cli.context import Context
from verifier.cli.drilling import source
from verifier.cli.programs import local_host
from verifier.cli.secrets import read_secret, repository_password
from verifier.config.models import Config, HostTable
from verifier.config.own import read_own
from verifier.core.checkup import Question, Subject, needless
from verifier.core.errors import CannotVerify, ToolMissing, UsageError
from verifier.drill.checkup.hosts import Grant
from verifier.drill.checkup.hosts import Wanted as WantedHost
from verifier.drill.checkup.installed import Installed, Weight
from verifier.drill.checkup.machine import Wanted, machine
from verifier.drill.checkup.programs import Programs, ask_copy, programs
from verifier.drill.checkup.repository import Place, no_repository
from verifier.drill.checkup.room import Place as RoomPlace
from verifier.drill.checkup.room import room
from verifier.drill.restore import Source
from verifier.fleet.local import LocalHost
from verifier.fleet.ssh import SshHost
from verifier.monitor.evidence.checkup import evidence
from verifier.monitor.reach import channels, sinks, spool
from verifier.reader.location import open_storage
from verifier.restic.commands import Access

_SMALL_BYTES = 100 << 20
"""What a memory of runs, or a spool, may grow by before anybody looks again."""


def bare_subjects(context: Context, here: LocalHost) -> tuple[Subject, ...]:
    """Return what is asked without a configuration: about the machine, and restic's environment."""
    return (
        machine(Wanted(), partial(_clock_refusal, here)),
        programs(here, Programs(), partial(_engine_refusal, context.environ)),
        _without_configuration(context, here),
    )


def subjects(
    config: Config, file: Path, only: tuple[str, ...], context: Context, here: LocalHost
) -> tuple[Subject, ...]:
    """Return everything that is asked.

    Args:
        file: that the configuration was read from.
        only: hosts that alone are asked about; nothing else is, then.

    Raises:
        UsageError: the configuration has no such host, or a file of the user's own is not there.
    """
    rendered = _rendered(config, file)
    if only:
        tables = tuple(config.host(name) for name in only)
        return tuple(_hosts(config, tables, rendered, context, here))
    return (
        machine(
            Wanted(config.coordinator.user, config.monthly.workers), partial(_clock_refusal, here)
        ),
        programs(here, _programs(config), partial(_engine_refusal, context.environ)),
        *_repositories(config, context, here),
        *_hosts(config, config.hosts, rendered, context, here),
        room(tuple(_places(config))),
        _sinks(config, context, here),
        channels(config.alerts.channels, lambda secret: read_secret(secret, here)),
        evidence(config.evidence),
        _installed(config, rendered, here),
    )


def _clock_refusal(here: LocalHost) -> str:
    return ask_control(here).refusal


def _engine_refusal(environ: Mapping[str, str]) -> str | None:
    from verifier.fleet.container_engine import need_program, open_engine

    try:
        need_program(environ)
    except ToolMissing:
        return None
    try:
        with open_engine(environ) as engine:
            engine.ping()
    except CannotVerify as error:
        return error.message
    return ""


def _programs(config: Config) -> Programs:
    offsite = config.offsite
    by_rclone = offsite is not None and offsite.method == "rclone-sync"
    return Programs(
        config.repository.restic,
        config.policy(),
        ssh=not all(host.is_local for host in config.hosts),
        rclone_target=offsite.target if offsite is not None and by_rclone else "",
    )


def _without_configuration(context: Context, here: LocalHost) -> Subject:
    location = context.environ.get("RESTIC_REPOSITORY")
    if not location:
        return no_repository(
            "no verify.toml and no RESTIC_REPOSITORY: `restic-verify init` writes one"
        )
    return Place(
        "repository",
        partial(open_storage, location, context.environ),
        partial(repository_password, None, context.environ, here),
        context.environ.get("RESTIC_PASSWORD_FILE", ""),
        Source(here, "restic", Access(location)),
        here,
    ).questions(context.clock.now())


def _repositories(config: Config, context: Context, here: LocalHost) -> Iterator[Subject]:
    now, settings = context.clock.now(), config.repository
    yield Place(
        "repository",
        partial(open_storage, settings.location, context.environ),
        partial(repository_password, settings, context.environ, here),
        settings.password_file or "",
        source(config, here),
        here,
    ).questions(now)
    offsite = config.offsite
    if offsite is None:
        return
    if offsite.method == "rclone-sync":
        ask = partial(ask_copy, here, offsite.target)
        yield Subject("off-site copy", (Question("target", ask),))
        return
    own = settings.model_copy(
        update={"password_file": offsite.password_file, "password_command": None}
        if offsite.password_file
        else {}
    )
    access = Access(
        offsite.target,
        password_file=own.password_file,
        password_command=own.password_command,
    )
    yield Place(
        "off-site copy",
        partial(open_storage, offsite.location or offsite.target, context.environ),
        partial(repository_password, own, context.environ, here),
        own.password_file or "",
        Source(here, settings.restic, access),
        here,
    ).questions(now)


def _hosts(
    config: Config,
    tables: tuple[HostTable, ...],
    rendered: Mapping[str, bytes],
    context: Context,
    here: LocalHost,
) -> Iterator[Subject]:
    common = _Common.of(config, rendered, context, here)
    for table in tables:
        yield common.wanted(table).questions(context.clock)


@dataclass(frozen=True, slots=True)
class _Common:
    """What all hosts are asked with."""

    config: Config
    here: LocalHost
    sending: LocalHost
    marker: str
    digest: str
    rendered: Mapping[str, bytes]

    @classmethod
    def of(
        cls, config: Config, rendered: Mapping[str, bytes], context: Context, here: LocalHost
    ) -> _Common:
        marker = f"restic-verify-doctor-{secrets.token_hex(8)}"
        sending = local_host({**context.environ, "RESTIC_PASSWORD": marker}, inherit=True)
        return cls(config, here, sending, marker, _digest(config, context), rendered)

    def wanted(self, table: HostTable) -> WantedHost:
        config, local = self.config, table.is_local
        line = (table.name, table.address or "", table.port, table.user)
        send = ("-o", "SendEnv=RESTIC_PASSWORD")
        root = table.source_root.rstrip("/")
        return WantedHost(
            table.name,
            self.here if local else SshHost(*line, via=self.here),
            None if local else SshHost(*line, via=self.sending, options=send),
            self.marker,
            self.rendered.get(f"hosts/{table.name}/usr/local/bin/backup-restic"),
            config.repository.restic,
            config.mounted(table),
            self.digest,
            sys.executable if local else table.python,
            table.become,
            tuple(f"{root}{path}" for path in table.include),
            grant(table),
        )


def grant(table: HostTable) -> Grant:
    """Return where a host's restic is to have its right from; root, who has it, is asked too."""
    if table.capability == "file" or table.is_roots:
        return "file"
    return "unit" if table.is_local else "permit"


def _digest(config: Config, context: Context) -> str:
    """Return the SHA-256 of the repository's own `config`, which tells it from all others."""
    from verifier.reader.damage import Flaw

    try:
        storage = open_storage(config.repository.location, context.environ)
        stored = storage.read_whole("config", 1 << 20)
    except (CannotVerify, UsageError):
        return ""
    return "" if isinstance(stored, Flaw) else hashlib.sha256(stored).hexdigest()


def _rendered(config: Config, file: Path) -> dict[str, bytes]:
    """Return what `render` writes, the user's own files in place of what they replace.

    Nothing, where nothing says what opens it: the question about the installation tells it.
    """
    from verifier.cycle.render import render

    own = read_own(config, file)
    if config.key_file is None and config.repository.password_command is None:
        return own
    return {**{name: it.text.encode() for name, it in render(config).items()}, **own}


def _places(config: Config) -> Iterator[RoomPlace]:
    monthly, history = config.monthly, config.history
    scratch = Path(monthly.scratch)
    yield RoomPlace("scratch", scratch, monthly.scratch_budget, "monthly.scratch-budget")
    for name, file in (("ledger", monthly.ledger), ("history", history.file)):
        yield RoomPlace(name, Path(file).parent, _SMALL_BYTES, "what it may grow by")
    yield RoomPlace("spool", Path(history.spool), _SMALL_BYTES, "what it may grow by")
    location = config.repository.location.removeprefix("local:")
    if location.startswith("/"):
        yield RoomPlace("repository", Path(location), 1 << 30, "a backup", grows=True)


def _sinks(config: Config, context: Context, here: LocalHost) -> Subject:
    table = config.sinks
    asked = sinks(table, lambda secret: read_secret(secret, here))
    waiting = spool(config.history, context.clock.now())
    return Subject(asked.name, (*asked.questions, waiting))


def _installed(config: Config, rendered: Mapping[str, bytes], here: LocalHost) -> Subject:
    prefix, skipped = "coordinator/", tuple(f"restic-verify-{job}." for job in config.jobs.skip)
    files = {
        name.removeprefix(prefix): content
        for name, content in rendered.items()
        if name.startswith((f"{prefix}usr/local/", f"{prefix}etc/systemd/"))
        and not Path(name).name.startswith(skipped)
    }
    if not files:
        return Subject("installation", (_NO_FILES,))
    weights = {name: _weight(name) for name in files}
    return Installed(here, files, weights).questions()


def _weight(name: str) -> Weight:
    """Say what it is to do without a file: pages are for who wants them."""
    unit = Path(name).name
    if unit.startswith("restic-verify-dashboard."):
        return "optional"
    others = unit.startswith("restic-verify-") and not unit.startswith("restic-verify-monthly.")
    return "useful" if others else "needed"


_NO_FILES = Question(
    "files",
    lambda: needless("nothing is rendered: name a password file or command, and see `render`"),
)
