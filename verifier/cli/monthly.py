"""`restic-verify monthly`: the whole drill of a production repository, for a timer."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.report import Report, conclude

if TYPE_CHECKING:
    from verifier.drill.monthly import Drilled


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    from verifier.cli.drilling import CONFIG_FILES

    add = parser.add_argument
    looked = ", then ".join(CONFIG_FILES)
    add("--config", metavar="FILE", help=f"the configuration (default: {looked})")
    add("--host", metavar="NAME", action="append", help="drill this host alone (may be repeated)")
    add("--scratch", metavar="DIR", help="restore below this folder (default: monthly.scratch)")
    add("--ledger", metavar="FILE", help="the ledger (default: monthly.ledger)")
    add(
        "--executor",
        metavar="WHERE",
        help="read packs there: local, or dask://host:8786 (default: monthly.executor)",
    )


def run(options: argparse.Namespace, context: Context) -> Report:
    """Drill, and conclude."""
    from verifier.cli.drilling import (
        Memory,
        find_config,
        open_primary,
        over,
        repository_id,
        source,
        target,
        warm_executor,
        workers,
    )
    from verifier.cli.parts import Parts
    from verifier.cli.programs import local_host
    from verifier.config.load import load
    from verifier.drill.integrity import Reading
    from verifier.drill.monthly import Drill

    started_at = context.clock.now()
    file = find_config(options.config)
    config = load(file, context.environ)
    monthly = config.monthly
    tables = tuple(config.host(name) for name in options.host or ()) or config.hosts
    here = local_host(context.environ, inherit=True)
    restic = source(config, here)
    release = restic.version()
    inputs = {
        "config": str(file),
        "config_sha256": config.digest(),
        "repository": restic.access.shown_location,
        "hosts": [table.name for table in tables],
    }
    memory = Memory(Path(options.ledger or monthly.ledger), inputs, monthly.rotation)
    where = options.executor or monthly.executor
    with ExitStack() as stack:
        executor = stack.enter_context(
            warm_executor(where, workers(monthly.workers), context.environ)
        )
        repository = open_primary(config, context, here)
        written = stack.enter_context(memory.run(repository, context))
        steps = len(repository.index.packs) + len(tables)
        advance = stack.enter_context(context.progress(steps, "steps", "monthly"))
        reading = Reading(executor, over(context.clock, monthly.time_budget), advance)
        drill = Drill(
            repository,
            written,
            context.clock,
            reading,
            Path(options.scratch or monthly.scratch).absolute(),
            monthly.read_budget,
            here.end_all,
        )
        parts = Parts(config, context, repository, restic, written, reading, here)
        drilled = drill.monthly(
            [target(table, config, here) for table in tables], tuple(parts.all(tables))
        )
        which = {"repository_id": repository_id(repository), "seed": written.seed}
        report = _report(
            drilled,
            {**inputs, **which, "run": written.number},
            release,
            started_at=started_at,
            finished_at=context.clock.now(),
        )
        written.finish(report.finished_at, report.verdict.name, drilled.measurements)
    return report


def _report(
    drilled: Drilled,
    inputs: dict[str, object],
    release: str,
    *,
    started_at: datetime,
    finished_at: datetime,
) -> Report:
    from verifier.cli.drilling import sections

    wall_s = round((finished_at - started_at).total_seconds(), 2)
    return conclude(
        "monthly",
        drilled.findings,
        drilled.coverage,
        started_at=started_at,
        finished_at=finished_at,
        tool=versions(restic=release),
        inputs=inputs,
        measurements={**drilled.measurements, "wall_s": wall_s},
        sections=sections(drilled),
    )
