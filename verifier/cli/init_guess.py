"""What a repository's snapshots tell of the system that made them: hosts, schedule, policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from verifier.cli.init_seen import Seen, Stored
from verifier.core.errors import CannotVerify
from verifier.retention.decide import GROUP_BY, group_key
from verifier.retention.guess.evidence import Group, find_absent
from verifier.retention.guess.habit import Habit, find_habit
from verifier.retention.guess.policy import PolicyGuess, guess_policy
from verifier.retention.guess.zone import by_offsets
from verifier.retention.rules import Rules

STOPPED = timedelta(days=14)
"""A host whose newest snapshot is so much older than the newest of all is backed up no more."""

RHYTHMS = 4
"""Or so many times the days between two backups, where that is longer."""


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host.

    Attributes:
        newest: its newest snapshot.
        others: the newest snapshot of each other list of paths, the newest first.
        stopped: it is backed up no more.
        count: of its snapshots.
    """

    name: str
    newest: Stored
    others: tuple[Stored, ...]
    stopped: bool
    count: int


@dataclass(frozen=True, slots=True)
class Guessed:
    """Everything that is guessed."""

    hosts: tuple[HostSeen, ...]
    habit: Habit
    policy: PolicyGuess
    tags: tuple[str, ...]


def guess(seen: Seen, rules: Rules, zones: Mapping[str, tzinfo], here: Sequence[str]) -> Guessed:
    """Guess it.

    Args:
        zones: every zone by its name.
        here: names of this machine's own zone.

    Raises:
        CannotVerify: there is no snapshot.
    """
    if not seen.stored:
        message = "holds no snapshots, so there is nothing to begin from"
        raise CannotVerify(seen.source, message, "make a first backup of each host")
    by_host: dict[str, list[Stored]] = {}
    for one in seen.stored:
        by_host.setdefault(one.snapshot.host, []).append(one)
    latest = seen.stored[0].snapshot.taken_at
    current = {
        host: [one.snapshot for one in stored]
        for host, stored in by_host.items()
        if latest - stored[0].snapshot.taken_at <= STOPPED
    }
    habit = find_habit(current, zones, here)
    limit = max(STOPPED, RHYTHMS * habit.every_days * timedelta(days=1))
    hosts = tuple(_host(name, stored, latest - limit) for name, stored in by_host.items())
    tags = sorted({tag for one in seen.stored for tag in one.snapshot.tags})
    return Guessed(
        tuple(sorted(hosts, key=lambda h: (h.stopped, h.name))),
        habit,
        _policy(seen, habit, rules, zones),
        tuple(tags),
    )


def _host(name: str, stored: Sequence[Stored], since: datetime) -> HostSeen:
    by_paths: dict[tuple[str, ...], Stored] = {}
    for one in stored:
        by_paths.setdefault(tuple(sorted(one.snapshot.paths)), one)
    newest, *others = by_paths.values()
    stopped = newest.snapshot.taken_at < since
    return HostSeen(name, newest, tuple(others), stopped, len(stored))


def _policy(seen: Seen, habit: Habit, rules: Rules, zones: Mapping[str, tzinfo]) -> PolicyGuess:
    """Guess by what is known for sure of each group's beginning, and by what is likely."""
    found: list[PolicyGuess] = []
    for group_by in _groupings(seen):
        groups = list(_groups(seen, group_by))
        for created_at in dict.fromkeys((seen.created_at, None)):
            gathered = [_group(group, habit, zones, created_at) for group in groups]
            found.append(guess_policy(gathered, group_by, rules))
    return min(found, key=lambda one: (not one.exact, one.missed, not one.ranges))


def _groupings(seen: Seen) -> Iterator[tuple[str, ...]]:
    yield GROUP_BY
    lists = {(one.snapshot.host, tuple(sorted(one.snapshot.paths))) for one in seen.stored}
    if len(lists) > len({host for host, _ in lists}):
        yield ("host",)


def _groups(seen: Seen, group_by: tuple[str, ...]) -> Iterator[list[Stored]]:
    """Yield the groups that are still added to: the rhythm of others may have been another."""
    groups: dict[object, list[Stored]] = {}
    for one in seen.stored:
        groups.setdefault(group_key(one.snapshot, group_by), []).append(one)
    latest = seen.stored[0].snapshot.taken_at
    yield from (g for g in groups.values() if latest - g[0].snapshot.taken_at <= STOPPED)


def _group(
    stored: Sequence[Stored],
    habit: Habit,
    zones: Mapping[str, tzinfo],
    created_at: datetime | None,
) -> Group:
    there = [one.snapshot for one in stored]
    own = by_offsets([snapshot.taken_at for snapshot in there], zones, (habit.zone.name,))
    ids = {snapshot.id for snapshot in there}
    # Its oldest one builds on one that is gone: so it was not the first.
    older = bool(stored[-1].parent) and stored[-1].parent not in ids
    since = None
    if older:
        before = there[-1].taken_at - habit.every_days * timedelta(days=1)
        since = min(created_at or before, before)
    return find_absent(there, habit, own.zone if own else None, since)
