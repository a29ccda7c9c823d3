"""The faults a scenario file may name, beside those that `[simulate]` of `verify.toml` knows.

Each is a list of tables, `[[faults.clock-wrong]]`; `docs/scenarios.md` explains every key.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from verifier.config.table import Table, tables
from verifier.config.values import Day, Name, Span, Text, Texts, ZoneName, unfit

ADDED_MAX = 1_000
"""More snapshots in one attack say nothing more, and make the list long."""

_SHIFT = re.compile(r"([+-])([0-9]{1,9})\s*(s|min|h|d)")
_SHIFT_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_SHIFT_MAX_S = 50 * 366 * 86_400


def _shift(value: Any) -> timedelta:
    match = _SHIFT.fullmatch(value) if isinstance(value, str) else None
    seconds = int(match[2]) * _SHIFT_UNITS[match[3]] if match else 0
    if not match or not 0 < seconds <= _SHIFT_MAX_S:
        remedy = 'write it with its sign: "-3h" for a slow clock, "+45d" for a fast one'
        raise unfit("a span of time with its sign, at most fifty years", remedy)
    return timedelta(seconds=-seconds if match[1] == "-" else seconds)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None and not value.microsecond:
        return value
    remedy = "write it without quotes and with its UTC offset, as 2024-03-01T04:00:00-08:00"
    raise unfit("an instant in whole seconds", remedy)


Shift = Annotated[timedelta, BeforeValidator(_shift)]
Instant = Annotated[datetime, BeforeValidator(_instant)]


class _Spell(Table):
    """Some days of one host, both ends included."""

    host: Name
    from_: Day
    to: Day

    @model_validator(mode="after")
    def _in_order(self) -> _Spell:
        if self.to < self.from_:
            raise unfit("a range whose first day comes first", "exchange `from` and `to`")
        return self


class ClockWrong(_Spell):
    """A host's clock is wrong on some days: its snapshots are dated by it."""

    by: Shift


class Tagged(_Spell):
    """A host's snapshots of some days carry tags."""

    tags: Texts


class ZoneChanged(Table):
    """From a day on, a host stores the UTC offset of another zone in its snapshots."""

    host: Name
    from_: Day
    timezone: ZoneName


class HostRenamed(Table):
    """From a day on, a host's snapshots carry another host name."""

    host: Name
    from_: Day
    name: Name


class SnapshotsAdded(Table):
    """Somebody who may add snapshots of a host adds some, before the forget of that day.

    Attributes:
        first: the date that the first of them carries; the others follow `every` so often.
    """

    host: Name
    on: Day
    first: Instant
    count: Annotated[int, Field(ge=1, le=ADDED_MAX)] = 1
    every: Span = timedelta(days=1)


class PackDamaged(Table):
    """After a day's cycle, a pack of the repository or of its copy is damaged, or gone.

    Attributes:
        holds: it is one that trees are in, or file contents.
    """

    after: Day
    how: Literal["flipped", "cut", "deleted"]
    where: Literal["repository", "off-site"] = "repository"
    holds: Literal["data", "trees"] = "data"


class LockLeft(Table):
    """After a day's cycle, a lock of a restic that is gone lies in the repository."""

    after: Day
    age: Span = timedelta(hours=12)
    exclusive: bool = True


class FilesRewritten(Table):
    """From a day on, every file of a host has other content than it ever had."""

    host: Name
    from_: Day


class ExcludeAdded(Table):
    """From a day on, somebody's typing error leaves more out of a host's backup than was meant."""

    host: Name
    from_: Day
    pattern: Text


class Faults(Table):
    """What goes wrong. Those from `pack_damaged` on need a real cycle."""

    clock_wrong: Annotated[tuple[ClockWrong, ...], BeforeValidator(tables)] = ()
    zone_changed: Annotated[tuple[ZoneChanged, ...], BeforeValidator(tables)] = ()
    host_renamed: Annotated[tuple[HostRenamed, ...], BeforeValidator(tables)] = ()
    snapshots_added: Annotated[tuple[SnapshotsAdded, ...], BeforeValidator(tables)] = ()
    tagged: Annotated[tuple[Tagged, ...], BeforeValidator(tables)] = ()
    pack_damaged: Annotated[tuple[PackDamaged, ...], BeforeValidator(tables)] = ()
    lock_left: Annotated[tuple[LockLeft, ...], BeforeValidator(tables)] = ()
    files_rewritten: Annotated[tuple[FilesRewritten, ...], BeforeValidator(tables)] = ()
    exclude_added: Annotated[tuple[ExcludeAdded, ...], BeforeValidator(tables)] = ()


NOT_IN_A_CYCLE = ("clock-wrong", "zone-changed", "host-renamed", "tagged")
"""What snapshot files alone can show: a cycle's hosts have one clock, and the scripts no such
options."""

ONLY_IN_A_CYCLE = ("pack-damaged", "lock-left", "files-rewritten", "exclude-added")
"""What needs a real repository, or real files."""
