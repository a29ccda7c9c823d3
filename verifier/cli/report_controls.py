"""`restic-verify report controls`: what the signed reports of a period show, for who audits it."""

from __future__ import annotations

import argparse
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions, writing
from verifier.cli.options import check_year, reader_zone
from verifier.cli.report_verify import add_evidence_options, check
from verifier.core.errors import UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.monitor.evidence.controls import Period
    from verifier.monitor.telemetry import BackupRun

YEAR = timedelta(days=365)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add(
        "paths",
        metavar="FOLDER",
        nargs="*",
        type=Path,
        help="the folder of signed reports (default: evidence.folder)",
    )
    add_evidence_options(parser)
    add("--since", metavar="DATE", help="its first day, as 2026-01-01 (default: a year before)")
    add("--until", metavar="DATE", help="its last day (default: today, up to now)")
    add("--html", metavar="DIR", help="write the page to be printed into DIR, as controls.html")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Check the signed reports, gather what they show, and conclude."""
    from verifier.monitor.evidence.controls import controls

    started_at = context.clock.now()
    period = _period(options, context, started_at)
    if options.html is not None:
        with writing(options.html, "--html"):
            Path(options.html).mkdir(parents=True, exist_ok=True)
    trusted = check(options, context)
    if trusted.folder is None:
        raise UsageError("report controls", "a file is named", "name the folder: it is a chain")
    backups, left_out = _remembered(trusted.history, period)
    keys = [key.keyid for key in trusted.keys]
    section = controls(trusted.verified, keys, period, backups=backups, unsigned=left_out)
    tests = len(section["tests"])
    report = conclude(
        "report",
        trusted.verified.findings,
        Coverage("signed reports", tests, tests),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={**trusted.inputs, "since": section["since"], "until": section["until"]},
        sections={"controls": section},
    )
    if options.html is not None:
        from verifier.monitor.render.controls import controls_page

        with writing(options.html, "--html"):
            text = controls_page(report.envelope())
            (Path(options.html) / "controls.html").write_text(text, encoding="utf-8")
    return report


def _remembered(
    history: Path | None, period: Period
) -> tuple[tuple[BackupRun, ...] | None, int | None]:
    """Return the backups that bear on a period, and how many of its reports are not signed."""
    if history is None:
        return None, None
    from verifier.monitor.evidence.remembered import backups, unsigned
    from verifier.monitor.history.memory import open_history

    with open_history(history, read_only=True) as opened:
        return backups(opened, period), unsigned(opened, period)


def _period(options: argparse.Namespace, context: Context, now: datetime) -> Period:
    from verifier.monitor.evidence.controls import Period

    until = now
    if options.until is not None:
        # The whole of its last day, but nothing that is still to come.
        until = min(_midnight("--until", options.until, context) + timedelta(days=1), now)
    since = until - YEAR
    if options.since is not None:
        since = _midnight("--since", options.since, context)
    if since >= now:
        raise UsageError("--since", f"{options.since} is still to come", "name an earlier day")
    if since >= until:
        raise UsageError(
            "--since, --until", "the period has no day", "exchange the two, or widen it"
        )
    zone = reader_zone(context.environ, None)
    return Period(_fixed(since.astimezone(zone)), _fixed(until.astimezone(zone)))


def _fixed(at: datetime) -> datetime:
    """Return an instant with its offset alone: of one zone, Python reckons by the wall clock."""
    return datetime.fromisoformat(at.isoformat())


def _midnight(option: str, text: str, context: Context) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        remedy = f"write it as {option} 2026-01-01"
        raise UsageError(option, f"{text!r} is no date", remedy) from error
    check_year(option, day)
    return datetime.combine(day, time(), reader_zone(context.environ, None))
