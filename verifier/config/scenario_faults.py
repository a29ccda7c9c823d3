"""The faults a scenario file may name, beside those that `[simulate]` of `verify.toml` knows.

Each is a list of tables, `[[faults.clock-wrong]]`; `docs/scenarios.md` explains every key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from verifier.config.patterns import ExcludePattern
from verifier.config.table import Spell, Table, tables
from verifier.config.values import Day, Instant, Name, Span, Texts, ZoneName, unfit
from verifier.core.errors import UsageError
from verifier.retention.rules import RELEASED, is_released, parse_release, release_text

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


def _release(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        release = parse_release(value)
    except UsageError as error:
        raise unfit("a release of restic", error.remedy) from error
    named = release_text(release)
    if not is_released(release):
        near = difflib.get_close_matches(named, RELEASED, n=1)
        raise unfit("a release of restic that there is", f"did you mean {near[0]!r}?")
    return named


Release = Annotated[str, BeforeValidator(_release)]
Shift = Annotated[timedelta, BeforeValidator(_shift)]


class HostSpell(Spell):
    """Some days of one host, both ends included."""

    host: Name


class ClockWrong(HostSpell):
    """A host's clock is wrong on some days: its snapshots are dated by it."""

    by: Shift


class Tagged(HostSpell):
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

    @model_validator(mode="after")
    def _reckoned(self) -> SnapshotsAdded:
        # Civil days of it are reckoned in zones on both sides of Greenwich.
        room = datetime(3000, 1, 1, tzinfo=UTC) - self.first
        if self.first.year < 1900 or (self.count - 1) * self.every >= room:
            remedy = "write other dates, or fewer snapshots"
            raise unfit("snapshots dated in the years 1900 to 2999", remedy)
        return self


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
    pattern: ExcludePattern


class KeyLocked(Spell):
    """The coordinator was started anew, and nobody has unlocked the data set of its key."""


class Partition(HostSpell):
    """A host runs, and no packet of the network reaches it or comes from it."""


class LinkSlow(HostSpell):
    """The line to a host carries little.

    Attributes:
        kbit: a second, thousands of bits.
    """

    kbit: Annotated[int, Field(ge=8, le=1_000_000)] = 64


class Killed(Table):
    """A command of a day's cycle is killed outright, as a power failure or a person does it.

    Attributes:
        what: the stage that dies.
        host: whose backup; only there.
        moment: `begun`: it runs and has written nothing yet; `writing`: the first of what it
            does to the repository, or to the copy, is done, and not the last.
    """

    on: Day
    what: Literal["backup", "forget", "prune", "sync"]
    host: Name | None = None
    moment: Literal["begun", "writing"] = "writing"

    @model_validator(mode="after")
    def _whose(self) -> Killed:
        if (self.host is None) is (self.what == "backup"):
            raise unfit("a host for a backup, and none for the rest", "see docs/scenarios.md")
        return self


class Rebooted(Table):
    """A host is started anew in the middle of its backup."""

    host: Name
    on: Day


class DiskFull(Spell):
    """The disk of the repository has next to no room left."""


class MemoryShort(HostSpell):
    """A host has too little memory for a backup: the kernel kills restic."""


class CapabilityLost(HostSpell):
    """An upgrade of the package has replaced restic, and with it went its capability."""


class HostKeyChanged(Table):
    """From a day on, a host answers with another ssh key: it was installed anew, or is another."""

    host: Name
    from_: Day


class OffsiteUnreachable(Spell):
    """The store of the off-site copy cannot be reached."""


class OffsiteRefused(Spell):
    """The store of the off-site copy no longer accepts our credentials."""


class ResticUpgraded(Table):
    """From a day on, some hosts, or the coordinator, have another release of restic."""

    hosts: Annotated[tuple[Name, ...], BeforeValidator(tables), Field(min_length=1)]
    from_: Day
    restic: Release


class RepositoryMigrated(Table):
    """The repository is of version 1, and after a day's cycle it is migrated to version 2."""

    after: Day


class SecondCoordinator(Table):
    """Somebody starts the cycle by hand while the timer's has come to a stage.

    Attributes:
        at: the stage at which the first is when the second runs.
    """

    on: Day
    at: Literal["backup", "forget", "prune"] = "prune"


class Unlocked(Table):
    """Somebody runs `restic unlock` on the coordinator, just before a day's cycle."""

    on: Day


class BackupSlow(Table):
    """One backup takes much longer, as after an upgrade that makes restic read everything anew."""

    host: Name
    on: Day
    takes: Span


class Faults(Table):
    """What goes wrong; `RUNGS` says where each can be done."""

    clock_wrong: Annotated[tuple[ClockWrong, ...], BeforeValidator(tables)] = ()
    zone_changed: Annotated[tuple[ZoneChanged, ...], BeforeValidator(tables)] = ()
    host_renamed: Annotated[tuple[HostRenamed, ...], BeforeValidator(tables)] = ()
    snapshots_added: Annotated[tuple[SnapshotsAdded, ...], BeforeValidator(tables)] = ()
    tagged: Annotated[tuple[Tagged, ...], BeforeValidator(tables)] = ()
    pack_damaged: Annotated[tuple[PackDamaged, ...], BeforeValidator(tables)] = ()
    lock_left: Annotated[tuple[LockLeft, ...], BeforeValidator(tables)] = ()
    files_rewritten: Annotated[tuple[FilesRewritten, ...], BeforeValidator(tables)] = ()
    exclude_added: Annotated[tuple[ExcludeAdded, ...], BeforeValidator(tables)] = ()
    key_locked: Annotated[tuple[KeyLocked, ...], BeforeValidator(tables)] = ()
    partition: Annotated[tuple[Partition, ...], BeforeValidator(tables)] = ()
    link_slow: Annotated[tuple[LinkSlow, ...], BeforeValidator(tables)] = ()
    killed: Annotated[tuple[Killed, ...], BeforeValidator(tables)] = ()
    rebooted: Annotated[tuple[Rebooted, ...], BeforeValidator(tables)] = ()
    disk_full: Annotated[tuple[DiskFull, ...], BeforeValidator(tables)] = ()
    memory_short: Annotated[tuple[MemoryShort, ...], BeforeValidator(tables)] = ()
    capability_lost: Annotated[tuple[CapabilityLost, ...], BeforeValidator(tables)] = ()
    host_key_changed: Annotated[tuple[HostKeyChanged, ...], BeforeValidator(tables)] = ()
    offsite_unreachable: Annotated[tuple[OffsiteUnreachable, ...], BeforeValidator(tables)] = ()
    offsite_refused: Annotated[tuple[OffsiteRefused, ...], BeforeValidator(tables)] = ()
    restic_upgraded: Annotated[tuple[ResticUpgraded, ...], BeforeValidator(tables)] = ()
    repository_migrated: Annotated[tuple[RepositoryMigrated, ...], BeforeValidator(tables)] = ()
    second_coordinator: Annotated[tuple[SecondCoordinator, ...], BeforeValidator(tables)] = ()
    backup_slow: Annotated[tuple[BackupSlow, ...], BeforeValidator(tables)] = ()
    unlocked: Annotated[tuple[Unlocked, ...], BeforeValidator(tables)] = ()

    @property
    def store_fails(self) -> bool:
        """Whether the store of the off-site copy goes wrong on any day."""
        return bool(self.offsite_unreachable or self.offsite_refused)


SNAPSHOTS_ALONE = frozenset({"model", "decisions"})
REAL = frozenset({"cycle", "fleet"})
EVERYWHERE = SNAPSHOTS_ALONE | REAL
MACHINES = frozenset({"fleet"})

RUNGS: Mapping[str, frozenset[str]] = {
    "clock-wrong": SNAPSHOTS_ALONE | MACHINES,
    "zone-changed": SNAPSHOTS_ALONE,
    "host-renamed": EVERYWHERE,
    "tagged": SNAPSHOTS_ALONE,
    "snapshots-added": EVERYWHERE,
    "pack-damaged": REAL,
    "lock-left": REAL,
    "files-rewritten": REAL,
    "exclude-added": REAL,
    "key-locked": REAL,
    "partition": MACHINES,
    "link-slow": MACHINES,
    "killed": REAL,
    "rebooted": MACHINES,
    "disk-full": REAL,
    "memory-short": MACHINES,
    "capability-lost": MACHINES,
    "host-key-changed": MACHINES,
    "offsite-unreachable": REAL,
    "offsite-refused": REAL,
    "restic-upgraded": REAL,
    "repository-migrated": REAL,
    "second-coordinator": REAL,
    "backup-slow": REAL,
    "unlocked": REAL,
}
"""Fault -> the rungs on which it can be done: some need files, some need machines, and tags are
what the production scripts have no option for."""
