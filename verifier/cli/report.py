"""`restic-verify report`: a report of the past, as it was.

The answer's verdict is that of the report that is shown, so that nobody takes a look at a bad one
for good news.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from verifier.cli.context import Context
from verifier.cli.finish import versions, write_folder, writing
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.finding import KINDS, Finding
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.monitor.history.memory import History
    from verifier.monitor.render.envelope import Envelope

LAST = "last"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add(
        "number",
        metavar="NUMBER|last",
        nargs="?",
        default=LAST,
        help="which report (default: last)",
    )
    add("--kind", metavar="KIND", help="the last of this kind: monthly, drill, audit")
    add("--config", metavar="FILE", help="the configuration")
    add("--history", metavar="FILE", help="the history file (default: history.file)")
    add("--html", metavar="DIR", help="write it as a page into DIR, with its JSON beside it")
    add("--junit", metavar="FILE", help="write it as JUnit's XML, a case a host")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Find the report, write it where that is asked for, and conclude as it did."""
    from verifier.cli.history import history_file
    from verifier.monitor.history.memory import open_history

    started_at = context.clock.now()
    wanted = _wanted(options)
    path, _ = history_file(options, context)
    with open_history(path, read_only=True) as history:
        number = _number(history, wanted, options.kind)
        envelope = history.report(number)
    if envelope is None:
        remedy = "`restic-verify history` lists them"
        raise UsageError(f"report {number}", "is not in the history", remedy)
    if options.html:
        write_folder(Path(options.html), envelope, "--html")
    if options.junit:
        _write_junit(Path(options.junit), envelope)
    past = cast("Envelope", envelope)
    covered = past["coverage"]
    return conclude(
        "report",
        tuple(_findings(past)),
        Coverage(covered["unit"], covered["checked"], covered["total"], covered["skipped"]),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"history": str(path), "number": number},
        sections={"past": {"number": number, "envelope": envelope}},
    )


def _wanted(options: argparse.Namespace) -> int | None:
    """Return the number that is asked for; None for the last.

    Raises:
        UsageError: it is none.
    """
    if options.number == LAST:
        return None
    if not options.number.isdecimal():
        message = f"{options.number!r} is no report's number"
        raise UsageError("report", message, "write a number that `history` lists, or last")
    if options.kind:
        raise UsageError("--kind", "a number is given too", "leave one of the two away")
    return int(options.number)


def _number(history: History, wanted: int | None, kind: str | None) -> int:
    if wanted is not None:
        return wanted
    found = history.reports(kind, limit=1)
    if not found:
        about = f"holds no report of kind {kind}" if kind else "holds no report yet"
        raise CannotVerify("history", about, "`restic-verify history` lists what it holds")
    return found[0].number


def _findings(past: Envelope) -> Iterator[Finding]:
    for told in past["findings"]:
        if told["kind"] in KINDS:
            yield Finding(told["kind"], told["subject"], told["detail"], told["evidence"])
        else:
            detail = f"{told['severity']} of a kind that this release does not know: {told['kind']}"
            yield Finding("could-not-verify", told["subject"], detail)


def _write_junit(path: Path, envelope: Mapping[str, object]) -> None:
    from verifier.monitor.render.junit import render_junit

    with writing(str(path), "--junit"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_junit(envelope), encoding="utf-8")
