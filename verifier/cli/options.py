"""Options that several commands share, spelled and valued as restic does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, timedelta
from zoneinfo import ZoneInfo, available_timezones

from verifier.core.errors import UsageError
from verifier.core.policy import UNLIMITED, Policy
from verifier.retention.rules import Rules

COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
SPANS = (
    "within",
    "within-hourly",
    "within-daily",
    "within-weekly",
    "within-monthly",
    "within-yearly",
)


_UNITS = {
    "hourly": "hours",
    "daily": "days",
    "weekly": "weeks",
    "monthly": "months",
    "yearly": "years",
}


def add_keep_options(parser: argparse.ArgumentParser) -> None:
    """Add `--keep-*` and `--group-by`."""
    policy = parser.add_argument_group("policy, as for `restic forget`")
    for rule in COUNTS:
        about = f"the newest of each of the last N {_UNITS.get(rule)} that have one"
        if rule == "last":
            about = "the newest N; a count, or unlimited, here and below"
        policy.add_argument(f"--keep-{rule}", metavar="N", help=about)
    for rule in SPANS:
        unit = _UNITS.get(rule.removeprefix("within-"), "")
        about = f"the newest of each of the {unit} within it"
        if rule == "within":
            about = "all within DURATION before the newest, as 1y5m7d2h (same form below)"
        policy.add_argument(f"--keep-{rule}", metavar="DURATION", help=about)
    policy.add_argument(
        "--keep-tag",
        metavar="TAG[,TAG]",
        action="append",
        help="those that carry all of these tags (may be repeated)",
    )
    policy.add_argument(
        "--group-by", metavar="KEYS", help="host, paths, tags by comma (default: host,paths)"
    )


def keep_options(options: argparse.Namespace) -> dict[str, object]:
    """Return the `--keep-*` options that were given, by their names without dashes in front."""
    names = [f"keep-{rule}" for rule in (*COUNTS, *SPANS, "tag")]
    given = {name: getattr(options, name.replace("-", "_")) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def parse_zone(option: str, name: str) -> ZoneInfo:
    """Return the time zone of that name.

    Raises:
        UsageError: no such zone; with the nearest name as the remedy.
    """
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        import difflib

        named = available_timezones() - {"Factory", "localtime", "posixrules"}
        near = difflib.get_close_matches(name, named, n=1)
        remedy = f"did you mean {near[0]}?" if near else "name it as in America/Los_Angeles"
        if option == "TZ":
            remedy += ", or give --timezone"
        raise UsageError(option, f"there is no time zone {name!r}", remedy) from error


def reader_zone(environ: Mapping[str, str], name: str | None) -> ZoneInfo:
    """Return the zone the reader thinks in: as given, else TZ, else UTC."""
    return parse_zone(
        "--timezone" if name else "TZ", name or environ.get("TZ", "").lstrip(":") or "UTC"
    )


def whole_number(option: str, text: str, *, least: int = 1, most: int) -> int:
    """Parse a whole number from `least` to `most`.

    Raises:
        UsageError: anything else.
    """
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not digits or not least <= int(text) <= most:
        message = f"{text!r} is not a whole number from {least} to {most}"
        raise UsageError(option, message, f"write one, as {option} {min(most, 400)}")
    return int(text)


def check_year(option: str, day: date) -> None:
    """See that a day is one that every calendar here can reckon with.

    Raises:
        UsageError: it is not.
    """
    if not 1970 <= day.year < 3000:
        raise UsageError(option, f"{day} is too far off", "write a day of the years 1970 to 2999")


def check_known(policy: Policy, rules: Rules) -> None:
    """See that a release of restic has the rules of a policy.

    Raises:
        UsageError: it has not, and would stop, or did without a word what nobody wants.
    """
    for rule in fields(policy):
        value, option = getattr(policy, rule.name), f"--keep-{rule.name.replace('_', '-')}"
        if value == UNLIMITED and not rules.knows_unlimited:
            message = f"restic {rules.release} knows no `unlimited`, only from 0.16.0 on"
            raise UsageError(option, message, "write a count high enough, as 10000")
        if rule.name.startswith("within_") and value and not rules.within_buckets:
            message = f"restic {rules.release} has no such option, only from 0.12.1 on"
            raise UsageError(option, message, "use --keep-within, or a count")


def span_option(name: str, text: str) -> timedelta:
    """Return the span of time that an option says, as the configuration spells one.

    Raises:
        UsageError: it is none.
    """
    from pydantic import TypeAdapter, ValidationError

    from verifier.config.values import Span

    try:
        return TypeAdapter(Span).validate_python(text)
    except ValidationError as error:
        message = f"{text!r} is no span of time"
        raise UsageError(name, message, "write it as 90min, 4h or 2d") from error
