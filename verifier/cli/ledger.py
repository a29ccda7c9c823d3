"""`restic-verify ledger`: what was verified when, how much of it, and what follows from that."""

from __future__ import annotations

import argparse
from pathlib import Path

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.report import Report, conclude


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--ledger", metavar="FILE", help="the ledger (default: monthly.ledger)")
    add("--config", metavar="FILE", help="the verify.toml that names it")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Read the ledger, and conclude."""
    from verifier.drill.standing import read_ledger
    from verifier.drill.telling import ledger_coverage, ledger_findings, ledger_section

    started_at = context.clock.now()
    path = _ledger(options, context)
    memory = read_ledger(path)
    return conclude(
        "ledger",
        tuple(ledger_findings(memory)),
        ledger_coverage(memory),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"ledger": str(path)},
        sections={"ledger": ledger_section(memory)},
    )


def _ledger(options: argparse.Namespace, context: Context) -> Path:
    if options.ledger is not None:
        return Path(options.ledger)
    from verifier.cli.drilling import CONFIG_FILES
    from verifier.config.drill import Monthly
    from verifier.config.load import load

    found = options.config or next((name for name in CONFIG_FILES if Path(name).is_file()), None)
    monthly = load(Path(found), context.environ).monthly if found else Monthly()
    return Path(monthly.ledger)
