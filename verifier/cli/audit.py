"""`restic-verify audit`: a repository's snapshots against what configuration and policy promise."""

from __future__ import annotations

import argparse
from datetime import datetime

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.cli.options import add_keep_options, check_year
from verifier.core.errors import UsageError
from verifier.core.report import Coverage, Report, conclude
from verifier.core.snapshot import parse_instant


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--config", metavar="FILE", help="policy, hosts, ages and repository from a verify.toml")
    add("--repo", metavar="LOCATION", help="this repository (default: RESTIC_REPOSITORY)")
    add(
        "--snapshots",
        metavar="FILE",
        help="output of `restic snapshots --json`, or -: dates, ages and gaps alone",
    )
    add("--host", metavar="NAME", action="append", help="this host alone (may be repeated)")
    add("--now", metavar="TIME", help="pretend it is this time, as 2024-03-01T04:00:00Z")
    add(
        "--rules",
        metavar="VERSION",
        help="forget as this restic release does (default: the one on PATH, else the newest known)",
    )
    add(
        "--timezone",
        metavar="ZONE",
        help="the zone in which you think of days (default: the schedule's, else TZ, else UTC)",
    )
    add_keep_options(parser)


def run(options: argparse.Namespace, context: Context) -> Report:
    """Audit, and conclude."""
    from verifier.cli.audit_sources import audit_source
    from verifier.cli.drilling import repository_id

    started_at = context.clock.now()
    now = _now(options.now) if options.now else started_at
    source = audit_source(options, context)
    audited = source.audit(now)
    forgetting = source.terms.forgetting
    return conclude(
        "audit",
        audited.findings,
        Coverage("snapshots", audited.checked, audited.total, audited.skipped),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={
            "source": source.name,
            "repository_id": repository_id(source.repository) if source.repository else None,
            "config_sha256": source.config.digest() if source.config else None,
            "policy": str(forgetting.policy),
            "group_by": ",".join(forgetting.group_by),
            "rules": forgetting.rules.release,
            "timezone": str(forgetting.zone),
            "now": now.isoformat(),
        },
        measurements=audited.measurements,
        sections={"audit": audited.section},
    )


def _now(text: str) -> datetime:
    try:
        now = parse_instant(text)
    except ValueError as error:
        remedy = "write it as 2024-03-01T04:00:00Z"
        raise UsageError("--now", f"{text!r} is no time with its offset", remedy) from error
    check_year("--now", now)
    return now
