"""`restic-verify history`: what is remembered, listed, written for other programs, or forgotten."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.monitor.history.memory import History

ACTIONS = ("list", "export", "tidy")

REPORTS_LISTED = 20
"""How many reports a list names."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add(
        "action",
        nargs="?",
        choices=ACTIONS,
        default="list",
        help="list (default); export: write every table; tidy: forget what is older than is kept",
    )
    add("--config", metavar="FILE", help="the configuration")
    add("--history", metavar="FILE", help="the history file (default: history.file)")
    add("--to", metavar="DIR", help="export into this folder")
    add("--format", choices=("parquet", "csv"), help="of an export (default: parquet)")
    add("--keep", metavar="SPAN", help="tidy what is older: 35d (default: history.keep)")


def run(options: argparse.Namespace, context: Context) -> Report:
    """List, export or tidy, and conclude."""
    from verifier.database.owned import is_there
    from verifier.monitor.history.memory import open_history
    from verifier.monitor.history.tables import HISTORY

    _check(options)
    started_at = context.clock.now()
    path, config = history_file(options, context)
    if not is_there(path):
        # To be tidied it would be made, and then be tidy.
        raise CannotVerify(str(path), "there is no history yet", f"{HISTORY.first} first")
    with open_history(path, read_only=options.action != "tidy") as history:
        if options.action == "tidy":
            section, covered = _tidied(options, config, history, started_at)
        elif options.action == "export":
            section, covered = _exported(options, history)
        else:
            section, covered = _listed(history)
    return conclude(
        "history",
        (),
        covered,
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"history": str(path), "action": options.action},
        sections={"remembered": section},
    )


def history_file(options: argparse.Namespace, context: Context) -> tuple[Path, Config | None]:
    """Return the history that is meant, and the configuration where that names it."""
    if options.history is not None and options.config is None:
        return Path(options.history), None
    from verifier.cli.drilling import find_config
    from verifier.config.load import load

    config = load(find_config(options.config), context.environ)
    return Path(options.history or config.history.file), config


def _check(options: argparse.Namespace) -> None:
    """See that the options fit the action.

    Raises:
        UsageError: they do not.
    """
    of = {"--to": "export", "--format": "export", "--keep": "tidy"}
    for name, action in of.items():
        if getattr(options, name[2:]) is not None and options.action != action:
            message = f"belongs to {action}, not to {options.action}"
            raise UsageError(name, message, f"write `restic-verify history {action}`")
    if options.action == "export" and options.to is None:
        raise UsageError("--to", "nothing says where the files go", "name a folder: --to DIR")


def _section(history: History) -> dict[str, object]:
    from verifier.monitor.history.counts import held

    found = held(history)
    return {
        "first": found.first_at.isoformat() if found.first_at else None,
        "last": found.last_at.isoformat() if found.last_at else None,
        "size_bytes": found.size_bytes,
        "rows": found.rows,
    }


def _coverage(section: dict[str, object]) -> Coverage:
    rows = section["rows"]
    assert isinstance(rows, dict)
    known = rows["cycles"] + rows["reports"]
    return Coverage("runs and reports", known, known)


def _listed(history: History) -> tuple[dict[str, object], Coverage]:
    from verifier.monitor.history.counts import held_hosts

    section = _section(history)
    hosts = [
        {
            "host": one.host,
            "backups": one.backups,
            "last": one.last.began_at.isoformat() if one.last else None,
            "last_good": one.last_good.began_at.isoformat() if one.last_good else None,
            "verified": one.verified.at.isoformat() if one.verified else None,
            "verdict": one.verified.verdict if one.verified else None,
        }
        for one in held_hosts(history)
    ]
    reports = [
        {
            "number": report.number,
            "kind": report.kind,
            "verdict": report.verdict,
            "finished": report.finished_at.isoformat(),
        }
        for report in history.reports(limit=REPORTS_LISTED)
    ]
    return {**section, "hosts": hosts, "reports": reports}, _coverage(section)


def _exported(options: argparse.Namespace, history: History) -> tuple[dict[str, object], Coverage]:
    from verifier.monitor.history.export import export

    section = _section(history)
    with history.store.read() as connection:
        files = tuple(export(connection, Path(options.to), options.format or "parquet"))
    told = [{"path": str(file.path), "rows": file.rows} for file in files]
    return {**section, "written": told}, _coverage(section)


def _tidied(
    options: argparse.Namespace, config: Config | None, history: History, now: datetime
) -> tuple[dict[str, object], Coverage]:
    from dataclasses import asdict

    from verifier.cli.options import span_option
    from verifier.config.monitor import History as Table

    table = config.history if config else Table()
    keep = span_option("--keep", options.keep) if options.keep else table.keep
    removed = history.tidy(keep, now)
    if config is not None:
        from verifier.core.finding import Verdict
        from verifier.monitor.delivery import end_delivery

        # Its unit speaks to nobody: the next look at the alert rules sends it.
        history.owe((end_delivery("tidy", Verdict.OK, "the history is in order", now),))
    # A young history is in order too: nothing is verified by it, and nothing was to be.
    return {**_section(history), "removed": asdict(removed)}, Coverage("histories", 1, 1)
