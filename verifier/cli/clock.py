"""`restic-verify clock`: run any command under a clock of one's own, and set that clock.

`clock run` has no report: its standard output and its exit status are the command's. What keeps the
command from running at all ends as every other error does, with 3 or 64 and a sentence.
"""

from __future__ import annotations

import argparse
import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.cli.options import reader_zone
from verifier.cli.output import REPORT_OPTIONS
from verifier.core.errors import UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.clock.page import ClockPage

_STEP = re.compile(r"(?P<sign>-?)(?:(?P<d>\d{1,6})d)?(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,6})m)?")


_ACTIONS = {
    "run": "run a command and all that it starts under the clock",
    "set": "change the clock, also while commands run under it",
    "show": "say what the clock shows",
}
"""Action -> what it does, in a line."""

_RUN_CODES = """\
exit codes:
  the command's own, and the signal that ended it
  3 it could not be run under the clock    64 wrong usage
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    actions = parser.add_subparsers(dest="action", metavar="run|set|show", required=True)
    run_it, set_it, show_it = (
        actions.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.",
            epilog=_RUN_CODES if name == "run" else parser.epilog,
            formatter_class=parser.formatter_class,
        )
        for name, about in _ACTIONS.items()
    )
    for action in (run_it, set_it):
        action.add_argument("--at", metavar="TIME", help="what it shows, as 2031-01-01T04:00:00Z")
    for action, default in ((run_it, " (default: one of its own)"), (set_it, ""), (show_it, "")):
        about = f"the clock: a small file, made by `run` and `set` if it is not there{default}"
        action.add_argument("--page", metavar="FILE", type=Path, required=not default, help=about)
    for action in (set_it, show_it):
        # Said in front of the action they hold as well.
        for option, how in REPORT_OPTIONS.items():
            action.add_argument(option, default=argparse.SUPPRESS, **how)
    set_it.add_argument("--advance", metavar="STEP", help="move it, as 1d, 2h30m or -5m")
    set_it.add_argument("--real", action="store_true", help="show the real time again")
    run_it.add_argument(
        "command",
        metavar="-- COMMAND",
        nargs=argparse.REMAINDER,
        help="the command with its arguments, behind `--`",
    )


def run(options: argparse.Namespace, context: Context) -> Report:
    """Run the command and end as it does, or see to the page and conclude."""
    if options.action == "run":
        _run(options, context)
    started_at = context.clock.now()
    page = _set(options, context) if options.action == "set" else _existing(options.page)
    return conclude(
        "clock",
        (),
        Coverage("clocks", 1, 1),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"page": str(page.path)},
        measurements={"shows": page.now().isoformat(timespec="seconds")},
    )


def _run(options: argparse.Namespace, context: Context) -> None:
    from contextlib import nullcontext

    from verifier.clock.control import end_as, environment, run_under, temporary_page

    argv = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not argv or not argv[0]:
        raise UsageError("COMMAND", "nothing is to be run", "name it behind `--`")
    # Without a `--` in front, the command's own words look like ours until they are parsed.
    options.json = options.json and "--json" not in argv
    if options.json or options.report:
        raise UsageError(
            "--json" if options.json else "--report",
            "`clock run` has no report: its output is the command's",
            "leave the option away, or write it behind `--` if it is the command's",
        )
    if options.page is None and options.at is None:
        raise UsageError("--at", "is missing", "write a time, as --at 2031-01-01T04:00:00Z")
    at = _parse_time(options.at, context) if options.at else None
    if at is None and not os.path.lexists(options.page):
        # A page that is new shows the real time: with a slip in its name nothing is controlled.
        remedy = "see whether the name is right, or say with --at what a new one shows"
        raise UsageError(str(options.page), "there is no clock page", remedy)
    with nullcontext(_page(options.page)) if options.page else temporary_page() as page:
        if at is not None:
            page.set(at)
        ended = run_under(page, argv, environment())
    end_as(ended.status)


def _set(options: argparse.Namespace, context: Context) -> ClockPage:
    given = [option for option in ("at", "advance", "real") if getattr(options, option)]
    if len(given) != 1:
        raise UsageError("--at, --advance, --real", "one of them is wanted", "give just one")
    at = _parse_time(options.at, context) if options.at else None
    step = _parse_step(options.advance) if options.advance else None
    page = _page(options.page)
    if at is not None:
        page.set(at)
    elif step is not None:
        page.advance(step)
    else:
        page.shift(timedelta(0))
    return page


def _page(path: Path) -> ClockPage:
    """Return the page at a path, made if it is not there."""
    from verifier.clock.page import ClockPage

    return ClockPage.provide(path)


def _existing(path: Path) -> ClockPage:
    from verifier.clock.page import ClockPage

    return ClockPage(path)


def _parse_time(text: str, context: Context) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        remedy = "write it as 2031-01-01T04:00:00Z, or without Z for a time of TZ"
        raise UsageError("--at", f"{text!r} is no time", remedy) from error
    return at if at.tzinfo else at.replace(tzinfo=reader_zone(context.environ, None))


def _parse_step(text: str) -> timedelta:
    found = _STEP.fullmatch(text)
    if found is None or not any(found[unit] for unit in "dhm"):
        raise UsageError("--advance", f"{text!r} is no step", "write it as 1d, 2h30m or -5m")
    days, hours, minutes = (int(found[unit] or 0) for unit in "dhm")
    step = timedelta(days=days, hours=hours, minutes=minutes)
    return -step if found["sign"] else step
