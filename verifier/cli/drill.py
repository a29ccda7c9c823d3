"""`restic-verify drill`: one host's snapshots against its live files, now and whole."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--config", metavar="FILE", help="repository and host from a verify.toml")
    add("--repo", metavar="LOCATION", help="this repository (default: RESTIC_REPOSITORY)")
    add("--host", metavar="NAME", help="whose snapshots; needed where there are several")
    add("--snapshot", metavar="ID", help="this one, or latest (default: the newest of each group)")
    add("--path", metavar="PATH", action="append", help="snapshots of this path (may be repeated)")
    add("--source", metavar="DIR", help="the live tree stands below this folder (default: /)")
    add(
        "--exclude",
        metavar="PATTERN",
        action="append",
        help="what the backup leaves out (may be repeated; default: the configuration's)",
    )
    add(
        "--budget",
        metavar="SIZE",
        help="read at most this much of the packs, and of the live files, as 500MiB",
    )
    add("--workers", metavar="N", help="processes that read packs (default: one a processor)")
    add(
        "--executor",
        metavar="WHERE",
        default="local",
        help="read packs there: local, or dask://host:8786",
    )


def run(options: argparse.Namespace, context: Context) -> Report:
    """Drill, and conclude."""
    from verifier.cli.drill_source import choose_snapshots, open_source, parse_size
    from verifier.cli.drilling import (
        Memory,
        over,
        repository_id,
        sections,
        warm_executor,
        workers,
    )
    from verifier.cli.options import whole_number
    from verifier.cli.programs import local_host
    from verifier.drill.integrity import Reading
    from verifier.drill.monthly import Drill
    from verifier.drill.scratch import scratch

    started_at = context.clock.now()
    here = local_host(context.environ, inherit=True)
    count = whole_number("--workers", options.workers, most=1_024) if options.workers else None
    with ExitStack() as stack:
        executor = stack.enter_context(
            warm_executor(options.executor, workers(count), context.environ)
        )
        repository, target = open_source(options, context, here)
        snapshots = choose_snapshots(repository.snapshots(), target.name, options)
        # Like all scratch space, so that what a killed run left goes with the next one.
        folder = stack.enter_context(scratch(Path(tempfile.gettempdir())))
        memory = Memory(folder / "ledger", {}, within=1)
        written = stack.enter_context(memory.run(repository, context))
        steps = len(repository.index.packs) + 1
        advance = stack.enter_context(context.progress(steps, "steps", "drill"))
        drill = Drill(
            repository,
            written,
            context.clock,
            Reading(executor, over(context.clock, None), advance),
            folder,
            parse_size("--budget", options.budget),
            here.end_all,
            snapshots,
        )
        drilled = drill.monthly([target])
    return conclude(
        "drill",
        _without_promise(drilled.findings),
        _without_another_run(drilled.coverage),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={
            "repository": repository.storage.location,
            "repository_id": repository_id(repository),
            "host": target.name,
            "snapshots": [snapshot.id for snapshot in snapshots],
            "source": target.source_root,
        },
        measurements=drilled.measurements,
        sections=sections(drilled),
    )


def _without_another_run(coverage: Coverage) -> Coverage:
    """Say of what was left that the budget left it: a single look leaves nothing to another."""
    from verifier.core.compare import LEFT
    from verifier.drill.part import PACKS_LEFT

    own = {PACKS_LEFT: "packs not read (budget)", LEFT: "content not read (budget)"}
    skipped = {own.get(why, why): count for why, count in coverage.skipped.items()}
    return replace(coverage, skipped=skipped)


def _without_promise(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Leave out that a rotation is missed: a single look promises none, and coverage tells it."""
    return tuple(finding for finding in findings if finding.kind != "rotation-missed")
