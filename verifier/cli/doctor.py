"""`restic-verify doctor`: is everything in place that the configuration asks for?"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.checkup import (
    Check,
    Subject,
    checkup_coverage,
    checkup_findings,
    checkup_section,
    examine,
)
from verifier.core.errors import UsageError
from verifier.core.report import Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.fleet.local import LocalHost


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    from verifier.cli.drilling import CONFIG_FILES

    looked = ", then ".join(CONFIG_FILES)
    add = parser.add_argument
    add(
        "--config",
        metavar="FILE",
        help=f"the configuration (default: {looked}; without one, the machine alone)",
    )
    add("--host", metavar="NAME", action="append", help="ask this host alone (may be repeated)")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Ask everything, the hosts side by side, and conclude. Nothing is changed, or sent."""
    from verifier.cli.doctor_subjects import bare_subjects, subjects
    from verifier.cli.programs import local_host

    started_at = context.clock.now()
    file, config = _config(options.config, context)
    here = local_host(context.environ, inherit=True)
    if file is None or config is None:
        _refuse_hosts(options.host)
        asked = bare_subjects(context, here)
    else:
        asked = subjects(config, file, tuple(options.host or ()), context, here)
    checks = ask_all(asked, context, here)
    return conclude(
        "doctor",
        tuple(checkup_findings(checks)),
        checkup_coverage(checks),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={
            "config": str(file) if file else None,
            "config_sha256": config.digest() if config else None,
        },
        sections={"checks": checkup_section(checks)},
    )


def ask_all(asked: tuple[Subject, ...], context: Context, here: LocalHost) -> tuple[Check, ...]:
    """Ask every subject, each in a thread of its own; answers come in the subjects' order."""
    with (
        context.progress(len(asked), "subjects", "doctor") as advance,
        ThreadPoolExecutor(max_workers=16) as threads,
    ):
        try:
            found = [threads.submit(examine, subject) for subject in asked]
            checks: list[Check] = []
            for answers in found:
                checks += answers.result()
                advance(1)
        except BaseException:
            # The executor joins its threads, and these wait for what they have started.
            here.end_all()
            raise
    return tuple(checks)


def _config(given: str | None, context: Context) -> tuple[Path | None, Config | None]:
    from verifier.cli.drilling import CONFIG_FILES
    from verifier.config.load import load

    usual = (Path(name) for name in CONFIG_FILES if Path(name).is_file())
    file = Path(given) if given else next(usual, None)
    return file, load(file, context.environ) if file else None


def _refuse_hosts(wanted: list[str] | None) -> None:
    if wanted:
        message = "there is no configuration that has hosts"
        raise UsageError("--host", message, "name one: --config FILE")
