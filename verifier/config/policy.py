"""`--keep-*` options to a Policy: one parser for the configuration file and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields

from verifier.core.errors import UsageError
from verifier.core.policy import UNLIMITED, Duration, Policy, parse_duration

COUNT_MAX = 100_000
"""A higher count in one rule is a slip of the finger: it would be 273 years of days."""

SPAN_MAX_YEARS = 1_000
SPAN_TEXT_MAX = 50

RULES = {
    "keep-" + ("tag" if f.name == "tags" else f.name.replace("_", "-")): f for f in fields(Policy)
}
"""Option without its dashes -> the field of Policy that it sets."""

Value = str | int | list[str] | tuple[str, ...]


def parse_keep(options: Mapping[str, Value | None]) -> Policy:
    """Parse `--keep-*` options as restic understands them; an absent one is None, 0 or not there.

    Args:
        options: names without dashes (`keep-daily`); counts as numbers or text or `unlimited`,
            spans as restic's durations, `keep-tag` as a list of comma-separated tag lists.

    Raises:
        UsageError: its subject is the flag.
    """
    found: dict[str, object] = {}
    for name, value in options.items():
        if value is not None:
            found[_field(name)] = parse_rule(name, value)
    return Policy(**found)  # type: ignore[arg-type]


def parse_rule(name: str, value: Value) -> int | Duration | tuple[tuple[str, ...], ...]:
    """Parse the value of one `--keep-*` option.

    Raises:
        UsageError: its subject is the flag.
    """
    rule = _field(name)
    if rule == "tags":
        return _tags(name, value)
    return _span(name, value) if rule.startswith("within") else _count(name, value)


def _field(name: str) -> str:
    if name in RULES:
        return RULES[name].name
    near = difflib.get_close_matches(name, RULES, n=1)
    raise UsageError(
        f"--{name}",
        "restic has no such rule",
        f"did you mean --{near[0]}?" if near else f"rules are {', '.join(RULES)}",
    )


def _count(name: str, value: Value) -> int:
    if value == "unlimited":
        return UNLIMITED
    text = str(value).strip()
    number = text.removeprefix("-")
    if isinstance(value, bool | list | tuple) or not (number.isascii() and number.isdecimal()):
        raise _unfit(name, f"{value!r} is no count", "write a number, or unlimited")
    # Before 0.16 restic took a negative count and removed every snapshot.
    if text.startswith("-"):
        raise _unfit(name, f"{text} is negative", "write unlimited to keep them all")
    if len(text.lstrip("0")) > len(str(COUNT_MAX)) or int(text) > COUNT_MAX:
        remedy = f"write at most {COUNT_MAX}, or unlimited"
        raise _unfit(name, f"{text[:20]} is more than any repository holds", remedy)
    return int(text)


def _span(name: str, value: Value) -> Duration:
    if not isinstance(value, str):
        raise _unfit(name, f"{value!r} is no duration", "write one as 1y5m7d2h, in quotes")
    if not value.isascii() or len(value) > SPAN_TEXT_MAX:
        raise _unfit(name, f"{value!r} is no duration", "write digits and units as 1y5m7d2h")
    try:
        span = parse_duration(value.strip())
    except ValueError as error:
        raise _unfit(name, f"{value!r} is no duration: {error}", _span_remedy(value)) from error
    years = span.years + span.months / 12 + span.days / 365 + span.hours / 8760
    if years > SPAN_MAX_YEARS:
        remedy = f"write at most {SPAN_MAX_YEARS} years, or use a count of unlimited"
        raise _unfit(name, f"{value!r} reaches back further than any backup", remedy)
    return span


def _span_remedy(value: str) -> str:
    weeks = value.strip().removesuffix("w")
    if weeks != value.strip() and weeks.isdecimal() and len(weeks) < 6:
        return f"restic knows no weeks: write {int(weeks) * 7}d"
    return "write units y, m (months), d and h, as in 1y5m7d2h"


def _tags(name: str, value: Value) -> tuple[tuple[str, ...], ...]:
    if isinstance(value, int):
        raise _unfit(name, f"{value!r} is no tag list", 'write a list as ["tag", "one,other"]')
    lists = [value] if isinstance(value, str) else list(value)
    for text in lists:
        if not isinstance(text, str):
            raise _unfit(name, f"{text!r} is no tag", 'write a list as ["tag", "one,other"]')
    return tuple(tuple(tag.strip() for tag in text.split(",")) for text in lists)


def _unfit(name: str, message: str, remedy: str) -> UsageError:
    return UsageError(f"--{name}", message, remedy)
