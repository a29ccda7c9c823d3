"""`restic-verify simulate`: a timeline of backups, and the proof of what survives."""

from __future__ import annotations

import argparse
import gc
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.cli.options import add_keep_options
from verifier.core.errors import UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.cli.compose import Composition
    from verifier.simulate.simulation import Note, Result
    from verifier.simulate.timeline import Outcome

FIDELITIES = ("model", "decisions", "cycle", "fleet")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--days", metavar="N", help="days to simulate (default: 400, or as configured)")
    add(
        "--fidelity",
        choices=FIDELITIES,
        help="model: arithmetic alone; decisions (default): the real `restic forget` decides "
        "every day; cycle: the production scripts run, every restic command real; fleet: they run "
        "on machines of their own, in containers, over ssh",
    )
    add(
        "--config",
        metavar="FILE",
        help="a verify.toml (default: three hosts, the production policy)",
    )
    add("--start", metavar="DATE", help="first day, as 2024-01-01")
    add(
        "--restic",
        metavar="VERSION|PATH",
        help="a release, or a program (default: the one on PATH)",
    )
    add("--seed", metavar="N", help="seed of the generated data")
    add("--hosts", metavar="N", help="N hosts of the same kind instead of the configured ones")
    add(
        "--at",
        metavar="HH:MM",
        action="append",
        help="when the coordinator runs; repeat for several times a day",
    )
    add("--timezone", metavar="ZONE", help="zone of the schedule")
    add(
        "--segments",
        metavar="N",
        help="parts of the timeline that run side by side (default: by cores)",
    )
    add(
        "--explore",
        metavar="N",
        help="search N random timelines of --days days and --hosts hosts for a broken promise",
    )
    add_keep_options(parser)
    wrong = parser.add_argument_group("what does not go as scheduled (each may be repeated)")
    add = wrong.add_argument
    add(
        "--miss",
        metavar="DATE[..DATE]",
        action="append",
        default=[],
        help="the coordinator does not run",
    )
    add(
        "--down",
        metavar="HOST@DATE[..DATE]",
        action="append",
        default=[],
        help="a host cannot be reached",
    )
    add(
        "--change-paths",
        metavar="HOST@DATE=PATH[,PATH]",
        action="append",
        default=[],
        help="a host backs up other paths",
    )


def run(options: argparse.Namespace, context: Context) -> Report:
    """Simulate, and conclude."""
    if options.explore is not None:
        from verifier.cli.explore import explore

        return explore(options, context)
    # Not by the parser: a search refuses an option that was given, whatever it says.
    options.fidelity = options.fidelity or "decisions"
    from verifier.cli.compose import compose_simulation
    from verifier.simulate.simulation import run_model, run_real

    started_at = context.clock.now()
    composed = compose_simulation(options, context)
    steps = composed.simulation.steps
    with (
        _journal(options.report) as note,
        context.progress(len(steps), "steps", f"simulate {options.fidelity}") as advance,
    ):
        if options.fidelity == "model":
            with _no_garbage_collection():
                result = run_model(composed.simulation, advance, note)
        else:
            _end_in_the_past(composed, started_at)
            with composed.worlds() as open_world:
                result = run_real(
                    composed.simulation,
                    open_world,
                    segments=composed.segments,
                    workers=composed.segments,
                    advance=advance,
                    note=note,
                    end=composed.host.end_all,
                )
    return _conclude(options, composed, result, started_at, context.clock.now())


@contextmanager
def _journal(folder: str | None) -> Iterator[Note]:
    if folder is None:
        yield lambda _: None
        return
    from verifier.cli.journals import growing
    from verifier.simulate.journal import render_entry, render_log

    with (
        growing(Path(folder) / "journal.jsonl", render_entry) as enter,
        growing(Path(folder) / "log.jsonl", render_log) as write,
    ):

        def note(outcome: Outcome) -> None:
            enter(outcome)
            write(outcome)

        yield note


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # A timeline makes a million small objects and no cycle; looking for cycles doubles its cost.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _end_in_the_past(composed: Composition, now: datetime) -> None:
    last_at = composed.simulation.steps[-1].forget_at
    if last_at < now or composed.clock.is_controlled:
        return
    latest_start = (now - timedelta(days=composed.days + 1)).date()
    is_cycle = composed.fidelity in {"cycle", "fleet"}
    raise UsageError(
        "--start",
        f"the last simulated day is {last_at.date()}, and real restic treats a snapshot dated "
        f"after now otherwise{f'; the clock is {composed.clock.told()}' if is_cycle else ''}",
        f"begin on {latest_start} or earlier, or use --fidelity model"
        f"{'' if is_cycle else ' or cycle'}",
    )


def _conclude(
    options: argparse.Namespace,
    composed: Composition,
    result: Result,
    started_at: datetime,
    finished_at: datetime,
) -> Report:
    from verifier.config.own import CYCLE
    from verifier.simulate.proof import summary_figures, timeline_section
    from verifier.simulate.worlds.unspoken import UNSEEN

    followed, tallies = result.followed, result.promises.tallies()
    findings = (*result.seams, *followed.findings())
    decisions = sum(tally.checked for tally in tallies[:1])
    timeline = timeline_section(
        composed.simulation,
        result,
        fidelity=options.fidelity,
        days=composed.days,
        with_steps=bool(options.json or options.report),
        next_command=_next_command(options),
    )
    if options.fidelity in {"cycle", "fleet"} and not composed.clock.is_controlled:
        timeline["notes"] = [
            f"The clock is {composed.clock.told()}.",
            *cast("list[str]", timeline["notes"]),
        ]
    if CYCLE in composed.own:
        timeline["notes"] = [UNSEEN, *cast("list[str]", timeline["notes"])]
    return conclude(
        "simulate",
        findings,
        Coverage("decisions", followed.compared or decisions, followed.compared or decisions),
        started_at=started_at,
        finished_at=finished_at,
        tool=versions(restic=composed.release),
        inputs=composed.inputs,
        measurements={
            **summary_figures(followed, tallies),
            "wall_s": round((finished_at - started_at).total_seconds(), 2),
        },
        sections={"timeline": timeline},
    )


def _next_command(options: argparse.Namespace) -> str:
    above = {"model": "decisions", "decisions": "cycle", "cycle": "fleet"}.get(options.fidelity)
    if above is None:
        return ""
    named = (("--days", options.days), ("--config", options.config), ("--restic", options.restic))
    given = [word for flag, value in named if value for word in (flag, value)]
    return shlex.join(["restic-verify", "simulate", *given, "--fidelity", above])
