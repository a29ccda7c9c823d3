"""`restic-verify monthly`: restore the newest snapshots and compare them with the live files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import ConfigError, UsageError
from verifier.core.report import Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config, HostTable
    from verifier.drill.monthly import Target
    from verifier.drill.restore import Source
    from verifier.fleet.local import LocalHost

CONFIG_FILES = ("verify.toml", "/etc/restic-verify/verify.toml")
"""Where the configuration is looked for, in this order."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    looked = ", then ".join(CONFIG_FILES)
    add("--config", metavar="FILE", help=f"the configuration (default: {looked})")
    add("--host", metavar="NAME", action="append", help="drill this host alone (may be repeated)")
    add("--scratch", metavar="DIR", help="restore below this folder (default: monthly.scratch)")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Drill, and conclude."""
    from verifier.cli.programs import local_host
    from verifier.config.load import load
    from verifier.drill.monthly import Drill

    started_at = context.clock.now()
    file = _config_file(options.config)
    config = load(file, context.environ)
    tables = [config.host(name) for name in options.host] if options.host else list(config.hosts)
    here = local_host(context.environ, inherit=True)
    source = _source(config, here)
    targets = [_target(table, config, file, here) for table in tables]
    scratch = Path(options.scratch or config.monthly.scratch).absolute()
    drill = Drill(source, context.clock, scratch, config.monthly.scratch_budget)
    release = source.version()
    with context.progress(len(targets), "hosts", "monthly") as advance:
        drilled = drill.monthly(targets, advance)
    finished_at = context.clock.now()
    wall_s = round((finished_at - started_at).total_seconds(), 2)
    return conclude(
        "monthly",
        drilled.findings,
        drilled.coverage,
        started_at=started_at,
        finished_at=finished_at,
        tool=versions(restic=release),
        inputs={
            "config": str(file),
            "config_sha256": config.digest(),
            "repository": source.access.shown_location,
            "hosts": [table.name for table in tables],
        },
        measurements={**drilled.measurements, "wall_s": wall_s},
        sections={"drill": drilled.section},
    )


def _config_file(given: str | None) -> Path:
    if given is not None:
        return Path(given)
    found = next((Path(name) for name in CONFIG_FILES if Path(name).is_file()), None)
    if found is None:
        looked = " or ".join(CONFIG_FILES)
        raise UsageError("--config", f"there is no {looked}", "name one: --config FILE")
    return found


def _source(config: Config, here: LocalHost) -> Source:
    from verifier.drill.restore import Source
    from verifier.restic.commands import Access

    repository = config.repository
    access = Access(
        repository.location,
        password_file=repository.password_file,
        password_command=repository.password_command,
    )
    return Source(here, repository.restic, access)


def _target(table: HostTable, config: Config, file: Path, here: LocalHost) -> Target:
    from verifier.core.exclude import parse_excludes
    from verifier.drill.monthly import Target
    from verifier.fleet.ssh import SshHost

    try:
        excludes = parse_excludes(table.exclude)
    except ValueError as error:
        raise ConfigError(
            str(file),
            f"hosts[{config.hosts.index(table)}].exclude",
            line=None,
            found=str(error),
            expected="patterns as `restic backup --exclude` takes them",
            remedy="correct the pattern; restic would refuse it too",
        ) from error
    remote = SshHost(table.name, table.address or "", table.port, table.user, via=here)
    return Target(
        name=table.name,
        host=here if table.is_local else remote,
        python=sys.executable if table.is_local else "python3",
        include=table.include,
        excludes=excludes,
        source_root=table.source_root,
        one_file_system=table.one_file_system,
        is_local=table.is_local,
    )
