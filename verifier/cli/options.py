"""Options that several commands share, spelled and valued as restic does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from zoneinfo import ZoneInfo, available_timezones

from verifier.core.errors import UsageError

COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
SPANS = (
    "within",
    "within-hourly",
    "within-daily",
    "within-weekly",
    "within-monthly",
    "within-yearly",
)


def add_keep_options(parser: argparse.ArgumentParser) -> None:
    """Add `--keep-*` and `--group-by`."""
    policy = parser.add_argument_group("policy, as for `restic forget`")
    for rule in COUNTS:
        policy.add_argument(
            f"--keep-{rule}", metavar="N", help="a count, or unlimited" if rule == "last" else None
        )
    for rule in SPANS:
        policy.add_argument(
            f"--keep-{rule}",
            metavar="DURATION",
            help="such as 1y5m7d2h" if rule == "within" else None,
        )
    policy.add_argument(
        "--keep-tag", metavar="TAG[,TAG]", action="append", help="may be given several times"
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

        near = difflib.get_close_matches(name, available_timezones(), n=1)
        remedy = f"did you mean {near[0]}?" if near else "name it as in America/Los_Angeles"
        raise UsageError(option, f"there is no time zone {name!r}", remedy) from error


def reader_zone(environ: Mapping[str, str], name: str | None) -> ZoneInfo:
    """Return the zone the reader thinks in: as given, else TZ, else UTC."""
    return parse_zone(
        "--timezone" if name else "TZ", name or environ.get("TZ", "").lstrip(":") or "UTC"
    )


def positive(option: str, text: str, *, most: int) -> int:
    """Parse a whole number from 1 to `most`.

    Raises:
        UsageError: anything else.
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise UsageError(
            option, f"{text!r} is not a whole number from 1 to {most}", f"write {option} 400"
        )
    return int(text)
