"""Policies: what the user told `forget` to keep, spelled as restic spells it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

UNLIMITED = -1
"""A count without end: the word `unlimited` on restic's command line (0.16+)."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A span in calendar units, as `--keep-within` takes it. Negative parts never occur."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def __bool__(self) -> bool:
        return bool(self.years or self.months or self.days or self.hours)

    def __str__(self) -> str:
        parts = ((self.years, "y"), (self.months, "m"), (self.days, "d"), (self.hours, "h"))
        return "".join(f"{number}{unit}" for number, unit in parts if number)


_UNITS = {"y": "years", "m": "months", "d": "days", "h": "hours"}


def parse_duration(text: str) -> Duration:
    """Parse `1y5m7d2h`: any order, a repeated unit overwrites, zero is no duration.

    A unit that does not exist is refused for every release: before 0.14 restic passed over it, and
    kept nothing by that rule (#3861).

    Raises:
        ValueError: with a sentence for the user.
    """
    parts: dict[str, int] = {}
    at = 0
    while at < len(text):
        number = re.compile(r"[0-9]+").match(text, at)
        if number is None:
            raise ValueError(f"no number found at {text[at:]!r}")
        if number.end() == len(text):
            raise ValueError(f"no unit found after number {number.group()}")
        unit = text[number.end()]
        if unit in _UNITS:
            parts[_UNITS[unit]] = int(number.group())
        else:
            raise ValueError(
                f"invalid unit {unit!r} found after number {number.group()}: "
                "units are y, m (months), d and h; write two weeks as 14d"
            )
        at = number.end() + 1
    return Duration(**parts)


@dataclass(frozen=True, slots=True)
class Policy:
    """The `--keep-*` options of one `forget`.

    Attributes:
        last ... yearly: counts; 0 is absent, `UNLIMITED` has no end.
        within ... within_yearly: spans back from the newest snapshot; an empty one is absent.
        tags: `--keep-tag` lists: all tags of one list must be present, any list suffices.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: Duration = Duration()
    within_hourly: Duration = Duration()
    within_daily: Duration = Duration()
    within_weekly: Duration = Duration()
    within_monthly: Duration = Duration()
    within_yearly: Duration = Duration()
    tags: tuple[tuple[str, ...], ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))

    def options(self) -> tuple[str, ...]:
        """Return the policy as restic's own options, for a command line or a report."""
        found: list[str] = []
        for rule in fields(self):
            value = getattr(self, rule.name)
            flag = "--keep-" + rule.name.replace("_", "-")
            if rule.name == "tags":
                found += [f"--keep-tag={','.join(tags)}" for tags in value]
            elif value == UNLIMITED:
                found.append(f"{flag}=unlimited")
            elif value:
                found.append(f"{flag}={value}")
        return tuple(found)

    def __str__(self) -> str:
        return " ".join(self.options()) or "(no policy)"
