"""`restic-verify collect`: read what the coordinator has said since the last time, and remember it.

A backup that failed is no finding here: who is to hear of it hears of it by the alert rules, once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.finding import Finding, Verdict
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.cli.collect_sources import Read
    from verifier.config.models import Config
    from verifier.monitor.delivery import Delivery
    from verifier.monitor.history.absorb import Absorbed
    from verifier.monitor.history.memory import History
    from verifier.monitor.render.envelope_history import Collected, CollectedCycle
    from verifier.monitor.telemetry import CycleRun

JOB = "collect"

TOLD = timedelta(days=7)
"""What is older when it is first read is remembered, and told no sink."""

LISTED = 100
"""How many runs a report lists."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--config", metavar="FILE", help="the configuration")
    add("--history", metavar="FILE", help="the history file (default: history.file)")
    add(
        "--from",
        dest="source",
        choices=("journal", "clickhouse"),
        default="journal",
        help="what is read: this machine's journal (default), or the table of [sinks.clickhouse]",
    )
    add("--journal", metavar="DIR", help="the journal of this folder")
    add("--log", metavar="FILE|-", help="a file: JSON of journald, JSONEachRow, or plain lines")
    add("--coordinator", metavar="NAME", help="the coordinator that printed the lines of --log")
    add("--began", metavar="INSTANT", help="when the run of plain lines began")
    add("--service", metavar="NAME", help="the unit of plain lines (default: run-backups)")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Read, remember, tell the sinks what is new, and conclude."""
    from verifier.cli.deliver import outbox, send_owed
    from verifier.monitor.delivery import end_delivery
    from verifier.monitor.history.memory import open_history
    from verifier.monitor.render.past import collected_headline

    _check(options)
    started_at = context.clock.now()
    file, config = _configured(options, context)
    path = Path(options.history or config.history.file if config else options.history)
    inputs = {"config": str(file) if file else None, "history": str(path)}
    try:
        # Before there is a history: what cannot be read leaves none behind.
        read = _read_log(options)
        with open_history(path) as history:
            read = read or _read(options, config, context, history)
            with history.together():
                absorbed = _absorb(history, read, _unit(options, config))
                section = _section(read, absorbed)
                if config is not None:
                    since = started_at - TOLD
                    told = (
                        *_deliveries(read, absorbed, since),
                        *_pings(absorbed.cycles, config, since),
                    )
                    summary = collected_headline(section)
                    done = end_delivery(JOB, Verdict.OK, summary, started_at)
                    history.owe((*told, done))
            unsent = send_owed(config, context, history, started_at) if config else ()
    except CannotVerify as error:
        if config is not None:
            said = f"{error.subject}: {error.message}"
            failed = end_delivery(JOB, Verdict.UNKNOWN, said, started_at)
            outbox(config, context).post((failed,), started_at)
        raise
    report = conclude(
        "collect",
        _untold(absorbed),
        Coverage("logs", 1, 1),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={**inputs, "source": read.source},
        sections={"collected": section},
    )
    # What a sink did not take changes no verdict.
    return replace(report, findings=(*report.findings, *unsent))


def _check(options: argparse.Namespace) -> None:
    """See that the options fit together.

    Raises:
        UsageError: they do not.
    """
    if options.log and (options.journal or options.source != "journal"):
        remedy = "leave --from and --journal away, or --log"
        raise UsageError("--log", "another source is named beside the file", remedy)
    if options.journal and options.source != "journal":
        raise UsageError("--journal", "belongs to --from journal", "leave one of the two away")
    given = {
        "--coordinator": options.coordinator,
        "--began": options.began,
        "--service": options.service,
    }
    for name, value in given.items():
        if value and not options.log:
            raise UsageError(name, "belongs to --log", "name the log: --log FILE")


def _configured(options: argparse.Namespace, context: Context) -> tuple[Path | None, Config | None]:
    """Return the configuration; none is needed where a file is read into a named history."""
    from verifier.cli.drilling import find_config
    from verifier.config.load import load

    if options.config is None and options.log and options.history:
        return None, None
    file = find_config(options.config)
    return file, load(file, context.environ)


def _read_log(options: argparse.Namespace) -> Read | None:
    from verifier.cli.collect_sources import read_log

    return read_log(options) if options.log else None


def _read(
    options: argparse.Namespace, config: Config | None, context: Context, history: History
) -> Read:
    from verifier.cli import collect_sources as sources

    assert config is not None, "only a file is read without a configuration"
    if options.source == "clickhouse":
        cursor = history.cursor(sources.table_name(config))
        return sources.read_table(config, context, cursor, context.clock.now())
    cursor = history.cursor(sources.journal_name(options, config))
    return sources.read_journal(options, config, context, cursor)


def _unit(options: argparse.Namespace, config: Config | None) -> str:
    from verifier.monitor.spoken import UNIT

    return str(options.service or (config.coordinator.log_service if config else UNIT))


def _absorb(history: History, read: Read, unit: str) -> Absorbed:
    from verifier.monitor.history.absorb import absorb

    absorbed = absorb(history, read.entries.lines, unit)
    if read.cursor_name:
        # With what it has read: killed before, it reads that again; after, never.
        history.set_cursor(read.cursor_name, read.cursor)
    return absorbed


def _deliveries(read: Read, absorbed: Absorbed, since: datetime) -> Iterator[Delivery]:
    """Yield what sinks are told: lines, where they have not come from one, and backups."""
    from verifier.monitor.delivery import backup_delivery, log_delivery

    if read.source != "clickhouse":
        yield from (log_delivery(line) for line in absorbed.lines if line.at >= since)
    for backup in absorbed.backups:
        if backup.began_at >= since:
            yield backup_delivery(backup)


def _pings(cycles: Sequence[CycleRun], config: Config, since: datetime) -> Iterator[Delivery]:
    """Yield that the coordinator's newest run has begun, or how it ended: no timer tells that."""
    from verifier.monitor.delivery import end_delivery, start_delivery
    from verifier.monitor.render.wording import count

    coordinator = config.coordinator
    ours = [
        cycle
        for cycle in cycles
        if (cycle.coordinator, cycle.service) == (coordinator.name, coordinator.log_service)
    ]
    newest = max(ours, key=lambda cycle: cycle.began_at, default=None)
    if newest is None or newest.ended_at < since:
        return
    if newest.status is None:
        yield start_delivery("backups", newest.began_at)
        return
    verdict = Verdict.CRITICAL if newest.status else Verdict.OK
    good = sum(backup.succeeded for backup in newest.backups)
    said = f"{good} of {count(len(newest.backups), 'backup')} good, status {newest.status}"
    yield end_delivery("backups", verdict, said, newest.ended_at)


def _untold(absorbed: Absorbed) -> tuple[Finding, ...]:
    """Return that the newest run says nothing of itself: it must not pass for one that did."""
    from verifier.monitor.heard import is_mute

    newest = max(absorbed.cycles, key=lambda cycle: cycle.began_at, default=None)
    if newest is None or not is_mute(newest):
        return ()
    detail = (
        f"the run of {newest.began_at.isoformat()} ended well and says nothing of any host: let "
        f"the script of {newest.service} print the lines that docs/history.md lists"
    )
    return (Finding("could-not-verify", newest.coordinator, detail),)


def _section(read: Read, absorbed: Absorbed) -> Collected:
    cycles = absorbed.cycles
    return {
        "source": read.source,
        "lines": len(read.entries.lines),
        "lines_new": len(absorbed.lines),
        "passed_over": read.entries.passed_over,
        "backups_new": len(absorbed.backups),
        "backups_failed": sum(not backup.succeeded for backup in absorbed.backups),
        "cycles_new": len(cycles),
        "cycles": [_cycle(cycle) for cycle in cycles[-LISTED:]],
    }


def _cycle(cycle: CycleRun) -> CollectedCycle:
    return {
        "coordinator": cycle.coordinator,
        "service": cycle.service,
        "began": cycle.began_at.isoformat(),
        "duration_s": cycle.duration_s,
        "status": cycle.status,
        "backups": len(cycle.backups),
        "failed": [backup.host for backup in cycle.backups if not backup.succeeded],
    }
