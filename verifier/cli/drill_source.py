"""What `drill` looks at: a repository, one host, and the snapshots of it that are meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.drilling import cleaned, find_config, open_primary, target
from verifier.cli.secrets import repository_password
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.exclude import Excludes, parse_excludes
from verifier.core.snapshot import Snapshot
from verifier.drill.target import Target
from verifier.fleet.local import LocalHost
from verifier.reader.location import open_storage
from verifier.reader.repository import Repository, open_repository

if TYPE_CHECKING:
    from verifier.config.models import Config, HostTable


_LATEST = "latest"
"""What restic calls the newest snapshot, of whatever group."""


def open_source(
    options: argparse.Namespace, context: Context, here: LocalHost
) -> tuple[Repository, Target]:
    """Open what the options name: a configuration, or a repository beside local files.

    Raises:
        UsageError: they contradict, or do not say enough.
        CannotVerify: the repository cannot be opened.
    """
    location = options.repo or (
        None if options.config else context.environ.get("RESTIC_REPOSITORY")
    )
    if options.repo and options.config:
        raise UsageError("drill", "--repo and --config exclude each other", "give one of them")
    if location is None:
        return _configured(options, context, here)
    password = repository_password(None, context.environ, here)
    repository = open_repository(open_storage(location, context.environ), password)
    name = options.host or _only_host(repository.snapshots(), options.snapshot)
    excludes = _excludes(options.exclude or ())
    source = str(Path(options.source).absolute()) if options.source else "/"
    return repository, Target(name, here, sys.executable, (), excludes, source, is_local=True)


def choose_snapshots(
    snapshots: Iterable[Snapshot], host: str, options: argparse.Namespace
) -> tuple[Snapshot, ...]:
    """Return the snapshots that are meant, of which the newest of each group is drilled.

    Args:
        snapshots: of all hosts, oldest first.

    Raises:
        UsageError: there is no such snapshot, or several begin with that ID.
        CannotVerify: none is left.
    """
    wanted = set(cleaned(options.path or ()))
    own = [s for s in snapshots if s.host == host and wanted <= set(s.paths)]
    of = f" of {', '.join(sorted(wanted))}" if wanted else ""
    if options.snapshot in (None, _LATEST):
        if not own:
            message = f"the repository holds no snapshot{of} of this host"
            raise CannotVerify(host, message, "see `restic snapshots` for what there is")
        return tuple(own if options.snapshot is None else own[-1:])
    found = [snapshot for snapshot in own if snapshot.id.startswith(options.snapshot)]
    if len(found) != 1:
        message = f"{len(found) or 'no'} snapshots{of} of {host} have an ID that begins so"
        remedy = "see `restic snapshots` for the IDs" + (", and give more of it" if found else "")
        raise UsageError(f"--snapshot {options.snapshot}", message, remedy)
    return tuple(found)


def parse_size(option: str, text: str | None) -> int | None:
    """Return a size in bytes, spelled as in the configuration.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    from pydantic import TypeAdapter, ValidationError

    from verifier.config.values import SizeBytes

    try:
        return TypeAdapter[int](SizeBytes).validate_python(text)
    except ValidationError as error:
        remedy = "write it as 500MiB, 50GiB or 2TiB"
        raise UsageError(option, f"{text!r} is no size with its unit", remedy) from error


def _configured(
    options: argparse.Namespace, context: Context, here: LocalHost
) -> tuple[Repository, Target]:
    from verifier.config.load import load

    file = find_config(options.config)
    config = load(file, context.environ)
    table = _table(config, options.host)
    found = target(table, config, here)
    if options.exclude:
        found = replace(found, excludes=_excludes(options.exclude))
    if options.source:
        found = replace(found, source_root=str(Path(options.source).absolute()))
    return open_primary(config, context, here), found


def _table(config: Config, name: str | None) -> HostTable:
    if name is None and len(config.hosts) > 1:
        names = ", ".join(table.name for table in config.hosts)
        raise UsageError("--host", "the configuration has several hosts", f"name one of {names}")
    return config.host(name) if name else config.hosts[0]


def _only_host(snapshots: Iterable[Snapshot], wanted: str | None) -> str:
    beginning = "" if wanted in (None, _LATEST) else wanted
    names = sorted({snapshot.host for snapshot in snapshots if snapshot.id.startswith(beginning)})
    if beginning and not names:
        message = "no snapshot has an ID that begins so"
        raise UsageError(f"--snapshot {wanted}", message, "see `restic snapshots` for the IDs")
    if len(names) != 1:
        remedy = f"name one of {', '.join(names)}" if names else "make a backup first"
        raise UsageError("--host", f"the repository has snapshots of {len(names)} hosts", remedy)
    return names[0]


def _excludes(patterns: Iterable[str]) -> Excludes:
    try:
        return parse_excludes(patterns)
    except ValueError as error:
        remedy = "correct the pattern; restic would refuse it too"
        raise UsageError("--exclude", str(error), remedy) from error
