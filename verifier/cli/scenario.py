"""`restic-verify scenario list|show|run|gc`: scenario files, held against what they expect."""

from __future__ import annotations

import argparse
from datetime import datetime

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.report import Coverage, Report, conclude

FOLDER = "scenarios"
ACTIONS = ("list", "show", "run", "gc")
_OF_ONE = {"check": "run", "rebuild": "run", "junit": "run", "logs": "run", "keep": "gc"}
"""An option -> the action that takes it."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    # Names may follow options: `scenario run --fidelity cycle host-down`.
    parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
    add = parser.add_argument
    add(
        "action",
        choices=ACTIONS,
        help="list: name them and what they are about; show: print a file and what its result "
        "depends on; run: run them and compare with what they expect; gc: delete old results",
    )
    add(
        "scenarios",
        nargs="*",
        default=[],
        metavar="NAME|FILE|DIR",
        help=f"scenarios by name, by file, or all of a folder (default: all of ./{FOLDER})",
    )
    add(
        "--fidelity",
        metavar="LEVEL[,LEVEL]",
        action="append",
        help="only at these fidelities: model, decisions, cycle, fleet (may be repeated)",
    )
    add("--check", action="store_true", help="run: everything twice, and compare what was seen")
    add("--rebuild", action="store_true", help="run: run what has a result in the store too")
    add("--junit", metavar="FILE", help="run: write the results as JUnit's XML too")
    add(
        "--logs",
        metavar="DIR",
        help="run: keep what the scripts printed at cycle and fleet, dated in simulated time",
    )
    add("--keep", metavar="N", help="gc: how many results stay, the newest (default: 1000)")


def run(options: argparse.Namespace, context: Context) -> Report:
    """List, show, run or collect, and conclude."""
    started_at = context.clock.now()
    for option, action in _OF_ONE.items():
        if getattr(options, option) not in (None, False) and options.action != action:
            remedy = "leave it away, or see `restic-verify scenario --help`"
            raise UsageError(f"--{option}", f"is an option of `scenario {action}`", remedy)
    if options.action == "gc":
        return _collect(options, context, started_at)
    from verifier.cli.scenario_files import find, list_scenarios, show_scenarios
    from verifier.cli.scenario_running import due_on, run_scenarios, rungs_of, unnamed

    scenarios = find(options.scenarios, FOLDER)
    if options.action == "run":
        return run_scenarios(scenarios, options, context, started_at)
    rungs = rungs_of(options.fidelity)
    due = tuple(due_on(scenarios, rungs))
    told = show_scenarios(due, context) if options.action == "show" else list_scenarios(due)
    return conclude(
        "scenario",
        unnamed(due, rungs),
        Coverage("scenarios", len({one["file"] for one in told}), len(scenarios)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        sections={"scenarios": told},
    )


def _collect(options: argparse.Namespace, context: Context, started_at: datetime) -> Report:
    from verifier.cli.options import whole_number
    from verifier.cli.scenario_bench import open_store
    from verifier.simulate.store import ENTRIES_MAX

    for given, what in ((options.scenarios, "scenarios"), (options.fidelity, "--fidelity")):
        if given:
            raise UsageError("scenario gc", f"takes no {what}", "leave it away: results go by age")
    keep = ENTRIES_MAX
    if options.keep is not None:
        keep = whole_number("--keep", options.keep, least=0, most=1_000_000)
    store = open_store(context.environ)
    try:
        done = store.collect(keep)
    except OSError as error:
        message = f"cannot be collected: {error.strerror}"
        raise CannotVerify(str(store.folder), message, "let this user write there") from error
    return conclude(
        "scenario",
        (),
        Coverage("stores", 1, 1),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"folder": str(store.folder), "keep": keep},
        measurements={
            "results_kept": done.kept,
            "results_removed": done.removed,
            "freed_bytes": done.freed_bytes,
        },
    )
