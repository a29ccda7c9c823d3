"""Where an audit's snapshots and terms come from: a configuration, a repository, or a list."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.drilling import CONFIG_FILES
from verifier.cli.options import check_known, keep_options, reader_zone
from verifier.cli.programs import find_restic, local_host
from verifier.config.drill import Audit
from verifier.config.policy import parse_keep
from verifier.core.errors import CannotVerify, UsageError
from verifier.drill.audit import Terms, audit, audit_snapshots
from verifier.drill.audited import Audited
from verifier.retention.dating import Forgetting
from verifier.retention.decide import GROUP_BY, parse_group_by
from verifier.retention.rules import NEWEST, release_text, rules_for

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.reader.repository import Repository


@dataclass(frozen=True, slots=True)
class AuditSource:
    """What is audited.

    Attributes:
        name: of the repository or the file, as the report names it.
        snapshots_file: output of `restic snapshots --json`; none where the repository is read.
    """

    name: str
    terms: Terms
    config: Config | None
    repository: Repository | None
    snapshots_file: str | None

    def audit(self, now: datetime) -> Audited:
        """Audit it.

        Raises:
            UsageError, CannotVerify: the snapshots cannot be read.
        """
        if self.repository is not None:
            return audit(self.repository, self.terms, now)
        from verifier.cli.snapshots import read_snapshots

        assert self.snapshots_file is not None, "there is a list where there is no repository"
        return audit_snapshots(read_snapshots(self.snapshots_file), self.terms, now)


def audit_source(options: argparse.Namespace, context: Context) -> AuditSource:
    """Read what the options name, and open it.

    Raises:
        UsageError: they contradict, or name nothing.
        CannotVerify: the repository cannot be opened.
    """
    if options.snapshots and options.repo:
        raise UsageError("audit", "--snapshots and --repo exclude each other", "give one of them")
    config = _config(options, context.environ)
    terms = _terms(options, config, context)
    if options.snapshots:
        return AuditSource(options.snapshots, terms, config, None, options.snapshots)
    location = options.repo or (config.repository.location if config else None)
    location = location or context.environ.get("RESTIC_REPOSITORY")
    if not location:
        remedy = (
            "give --config FILE, --repo LOCATION, --snapshots FILE (output of `restic snapshots "
            "--json`), or set RESTIC_REPOSITORY"
        )
        raise UsageError("audit", "there is nothing to audit", remedy)
    name, repository = _open(location, config, context)
    return AuditSource(name, terms, config, repository, None)


def _config(options: argparse.Namespace, environ: Mapping[str, str]) -> Config | None:
    from verifier.config.load import load

    if options.config:
        return load(Path(options.config), environ)
    if options.repo or options.snapshots:
        return None
    found = next((Path(name) for name in CONFIG_FILES if Path(name).is_file()), None)
    return load(found, environ) if found else None


def _open(location: str, config: Config | None, context: Context) -> tuple[str, Repository]:
    from verifier.cli.secrets import repository_password
    from verifier.reader.location import open_storage
    from verifier.reader.repository import open_repository

    storage = open_storage(location, context.environ)
    settings = config.repository if config else None
    here = local_host(context.environ, inherit=True)
    password = repository_password(settings, context.environ, here)
    return storage.location, open_repository(storage, password)


def _terms(options: argparse.Namespace, config: Config | None, context: Context) -> Terms:
    given = keep_options(options)
    policy = parse_keep(given) if given or config is None else config.policy()  # type: ignore[arg-type]
    rules = rules_for(options.rules or forgetting_release(config, context))
    check_known(policy, rules)
    named = options.timezone or (config.schedule.timezone if config else None)
    group_by = config.group_by if config else GROUP_BY
    if options.group_by is not None:
        group_by = parse_group_by(options.group_by)
    zone = reader_zone(context.environ, named)
    hosts = {table.name: table.include for table in config.hosts} if config else None
    only = tuple(options.host or ())
    if only:
        hosts = {host: config.host(host).include if config else () for host in only}
    ages = config.audit if config else Audit()
    return Terms(
        Forgetting(policy, rules, zone, group_by),
        hosts,
        ages.warn_age,
        ages.alarm_age,
        ages.exclude_percent,
        scheduled=config is not None,
        only=only,
    )


def forgetting_release(config: Config | None, context: Context) -> str:
    """Return the release of the restic that forgets here; the newest known where none is found."""
    # The restic that forgets here, where it is installed; an audit does without one.
    program = config.repository.restic if config else None
    try:
        return find_restic(program, context.environ, local_host(context.environ, inherit=True))[1]
    except CannotVerify:
        return release_text(NEWEST)
