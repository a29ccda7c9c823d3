"""Where a plan's snapshots, policy and rules come from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from verifier.cli.context import Context
from verifier.cli.options import check_known, keep_options
from verifier.cli.programs import find_restic, local_host
from verifier.cli.snapshots import read_snapshots
from verifier.config.load import load
from verifier.config.models import Config
from verifier.config.policy import parse_keep
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.restic.binary import Restic
from verifier.restic.commands import Access
from verifier.retention.decide import GROUP_BY, parse_group_by
from verifier.retention.rules import NEWEST, Rules, release_text, rules_for


@dataclass(frozen=True, slots=True)
class PlanSources:
    """What a plan is made from.

    Attributes:
        name: of the snapshots' source, as the report names it.
        timezone: the configuration's, where there is one.
        tool: versions of the programs that took part.
    """

    name: str
    snapshots: tuple[Snapshot, ...]
    policy: Policy
    group_by: tuple[str, ...]
    rules: Rules
    timezone: str | None
    tool: dict[str, str]


def plan_sources(options: argparse.Namespace, context: Context) -> PlanSources:
    """Read what the options name.

    Raises:
        UsageError: they contradict, or name nothing.
        CannotVerify: restic cannot be asked.
    """
    config = load(Path(options.config), context.environ) if options.config else None
    policy = _policy(options, config)
    name, snapshots, release = _snapshots(options, config, context)
    group_by = (
        parse_group_by(options.group_by) if options.group_by is not None else _group_by(config)
    )
    rules = rules_for(options.rules or release or release_text(NEWEST))
    check_known(policy, rules)
    _check_dates(snapshots)
    tool = {"restic": release} if release else {}
    return PlanSources(
        name, snapshots, policy, group_by, rules, config.schedule.timezone if config else None, tool
    )


def _policy(options: argparse.Namespace, config: Config | None) -> Policy:
    given = keep_options(options)
    policy = parse_keep(given) if given or config is None else config.policy()  # type: ignore[arg-type]
    if not policy:
        raise UsageError(
            "plan",
            "no rule of the policy keeps anything" if given else "no policy was given",
            "give --keep-* options as for `restic forget`, or --config FILE",
        )
    return policy


def _check_dates(snapshots: tuple[Snapshot, ...]) -> None:
    for snapshot in snapshots:
        # restic takes any year from 0 to 9999; an offset must not lead beyond the calendar's ends.
        if not 1 < snapshot.taken_at.year < 9999:
            message = f"is dated {snapshot.taken_at.isoformat()}, at the end of all calendars"
            remedy = f"see whether it is wanted; `restic forget {snapshot.short_id}` removes it"
            raise CannotVerify(f"snapshot {snapshot.short_id}", message, remedy)


def _group_by(config: Config | None) -> tuple[str, ...]:
    return config.group_by if config else GROUP_BY


def _snapshots(
    options: argparse.Namespace, config: Config | None, context: Context
) -> tuple[str, tuple[Snapshot, ...], str]:
    if options.snapshots and options.repo:
        raise UsageError("plan", "--snapshots and --repo exclude each other", "give one of them")
    if options.snapshots:
        return options.snapshots, read_snapshots(options.snapshots), ""
    access = _access(options, config, context.environ)
    host = local_host(context.environ, inherit=True)
    configured = config.repository.restic if config else None
    path, release = find_restic(options.restic or configured, context.environ, host)
    return access.shown_location, Restic(host, path, access).snapshots(), release


def _access(
    options: argparse.Namespace, config: Config | None, environ: Mapping[str, str]
) -> Access:
    location = options.repo or (
        config.repository.location if config else environ.get("RESTIC_REPOSITORY")
    )
    if not location:
        remedy = (
            "give --snapshots FILE (output of `restic snapshots --json`), --repo LOCATION, or "
            "set RESTIC_REPOSITORY"
        )
        raise UsageError("plan", "there is nothing to plan for", remedy)
    if config is None:
        return Access(location)
    table = config.repository
    return Access(
        location,
        password_file=table.password_file,
        password_command=table.password_command,
    )
