"""`restic-verify scenario list|show|run`: scenario files, held against what they expect."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.cli.output import say
from verifier.core.report import Coverage, Report, conclude

FOLDER = "scenarios"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    # Names may follow options: `scenario run --fidelity cycle host-down`.
    parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
    add = parser.add_argument
    add("action", choices=("list", "show", "run"))
    add(
        "scenarios",
        nargs="*",
        metavar="NAME|FILE|DIR",
        help=f"scenarios by name, by file, or all of a folder (default: all of ./{FOLDER})",
    )
    add("--fidelity", metavar="RUNG", help="on this rung alone: model, decisions or cycle")
    add("--check", action="store_true", help="run: everything twice, and compare what was seen")
    add("--rebuild", action="store_true", help="run: run what has a result in the store too")
    add("--junit", metavar="FILE", help="run: write the results as JUnit's XML too")


def run(options: argparse.Namespace, context: Context) -> Report:
    """List, show or run, and conclude."""
    from verifier.cli.scenario_files import find, list_scenarios, show_scenarios
    from verifier.cli.scenario_running import run_scenarios

    started_at = context.clock.now()
    scenarios = find(options.scenarios, FOLDER)
    if options.action == "run":
        return run_scenarios(scenarios, options, context, started_at)
    sections: dict[str, object]
    if options.action == "show":
        sections = {"files": show_scenarios(scenarios)}
    else:
        listed = list_scenarios(scenarios)
        sections = {"scenarios": listed}
        if not options.json:
            say(_table([(one["name"], one["about"]) for one in listed]))
    return conclude(
        "scenario",
        (),
        Coverage("scenarios", len(scenarios), len(scenarios)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        sections=sections,
    )


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in rows), default=0)
    return "".join(f"{name:<{width}}  {about}\n" for name, about in rows)
