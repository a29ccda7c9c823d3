"""`restic-verify plan`: what a policy would keep and remove, why, and what about it surprises."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.cli.options import add_keep_options, check_year, reader_zone, whole_number
from verifier.core.errors import UsageError
from verifier.core.report import Coverage, Report, conclude
from verifier.core.snapshot import parse_instant

if TYPE_CHECKING:
    from verifier.core.decision import Decision
    from verifier.core.finding import Finding

DAYS_AHEAD_MAX = 3_660


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add(
        "--snapshots",
        metavar="FILE",
        help="output of `restic snapshots --json`; - reads standard input",
    )
    add(
        "--repo",
        metavar="LOCATION",
        help="a repository, asked by restic (default: RESTIC_REPOSITORY)",
    )
    add(
        "--restic",
        metavar="PATH",
        help="the restic program that --repo is asked with (default: the one on PATH)",
    )
    add("--config", metavar="FILE", help="take policy, repository and time zone from a verify.toml")
    add(
        "--rules",
        metavar="VERSION",
        help="decide as this restic release does (default: with --repo the one in use, else the "
        "newest known)",
    )
    add(
        "--timezone",
        metavar="ZONE",
        help="the zone in which you think of days (default: TZ, else UTC)",
    )
    add("--now", metavar="TIME", help="pretend it is this time, as 2024-03-01T04:00:00Z")
    add("--days-ahead", metavar="N", help="what will survive in N days if backups go on as they do")
    add_keep_options(parser)


def run(options: argparse.Namespace, context: Context) -> Report:
    """Plan, and conclude."""
    from verifier.cli.plan_sources import plan_sources
    from verifier.retention.ahead import forget_ahead
    from verifier.retention.decide import decide
    from verifier.retention.surprises import surprises

    started_at = context.clock.now()
    source = plan_sources(options, context)
    now = _now(options.now) if options.now else started_at
    zone = reader_zone(context.environ, options.timezone or source.timezone)
    snapshots = source.snapshots
    days = (
        0
        if options.days_ahead is None
        else whole_number("--days-ahead", options.days_ahead, most=DAYS_AHEAD_MAX)
    )
    policy, rules, group_by = source.policy, source.rules, source.group_by
    decision = decide(snapshots, policy, rules, now=now, zone=zone, group_by=group_by)
    found = surprises(decision, policy, rules, now=now, reader_zone=zone)
    if days:
        # How the snapshots are dated is judged by today; everything else by what will be then.
        dated = tuple(f for f in found if f.kind in {"future-snapshot", "back-dated"})
        decision = forget_ahead(
            snapshots, policy, rules, now=now, days=days, zone=zone, group_by=group_by
        )
        then = surprises(decision, policy, rules, now=now + timedelta(days=days), reader_zone=zone)
        found = (*dated, *(f for f in then if f.kind not in {"future-snapshot", "back-dated"}))
    return conclude(
        "plan",
        found,
        Coverage("snapshots", len(snapshots), len(snapshots)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(**source.tool),
        inputs={
            "source": source.name,
            "snapshots": len(snapshots),
            "policy": str(source.policy),
            "group_by": ",".join(source.group_by),
            "rules": source.rules.release,
            "timezone": str(zone),
            "now": now.isoformat(),
            "days_ahead": days,
        },
        measurements={
            "snapshots_kept": sum(len(g.keep) for g in decision.groups),
            "snapshots_removed": sum(len(g.remove) for g in decision.groups),
        },
        sections={"plan": _section(decision, found, source.rules.release, str(source.policy))},
    )


def _now(text: str) -> datetime:
    try:
        now = parse_instant(text)
    except ValueError as error:
        raise UsageError(
            "--now", f"{text!r} is no time with its offset", "write it as 2024-03-01T04:00:00Z"
        ) from error
    check_year("--now", now)
    return now


def _section(
    decision: Decision, found: tuple[Finding, ...], release: str, policy: str
) -> dict[str, object]:
    return {
        "rules": release,
        "policy": policy,
        "refused": decision.refused,
        "groups": [
            {
                "host": g.key.host,
                "paths": list(g.key.paths),
                "tags": list(g.key.tags),
                "keep": [
                    {"id": s.id, "time": s.taken_at.isoformat(), "reasons": list(why)}
                    for s, why in zip(g.keep, g.reasons, strict=True)
                ],
                "remove": [{"id": s.id, "time": s.taken_at.isoformat()} for s in g.remove],
            }
            for g in decision.groups
        ],
        "surprises": [{"kind": f.kind, "subject": f.subject, "sentence": f.detail} for f in found],
    }
