"""Decide what `restic forget` keeps and removes, and say why in that release's words.

Written from the behaviour of the real binaries (restic 0.11.0, 0.14.0, 0.18.0, 0.19.1) and the
documentation of `forget`; it never asks restic, so that the two can be held against each other.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import compress, pairwise
from operator import add, is_, not_

from verifier.core.decision import Decision, GroupDecision, GroupKey
from verifier.core.errors import UsageError
from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.calendar import iso_week, microseconds, window_start
from verifier.retention.rules import Rules
from verifier.retention.walk import Counting, Reasons, Walk

GROUP_BY = ("host", "paths")
"""restic's default for `--group-by`."""

_BUCKETS: dict[str, Callable[[int], int]] = {
    "hourly": lambda hour: hour,
    "daily": lambda hour: hour // 100,
    "weekly": lambda hour: iso_week(hour // 100),
    "monthly": lambda hour: hour // 10_000,
    "yearly": lambda hour: hour // 1_000_000,
}
"""Rule -> the calendar bucket of a civil hour, in the offset that the snapshot stores."""


def bucket_of(rule: str) -> Callable[[int], int]:
    """Return the function from a civil hour YYYYMMDDhh to its bucket under a rule."""
    return _BUCKETS[rule]


def group_key(snapshot: Snapshot, group_by: Sequence[str]) -> GroupKey:
    """Return the group a snapshot belongs to; `group_by` holds `host`, `paths`, `tags`."""
    return _group_key(
        snapshot.host if "host" in group_by else "",
        snapshot.paths if "paths" in group_by else (),
        snapshot.tags if "tags" in group_by else (),
    )


# One object a group: dictionaries then find it by identity.
@lru_cache(maxsize=65_536)
def _group_key(host: str, paths: tuple[str, ...], tags: tuple[str, ...]) -> GroupKey:
    return GroupKey(host, tuple(sorted(paths)), tuple(sorted(tags)))


def parse_group_by(text: str) -> tuple[str, ...]:
    """Parse `--group-by`: host(s), path(s), tag(s) by comma; empty puts all into one group.

    Raises:
        UsageError: another word.
    """
    names = {
        "host": "host",
        "hosts": "host",
        "path": "paths",
        "paths": "paths",
        "tag": "tags",
        "tags": "tags",
    }
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    for word in words:
        if word not in names:
            raise UsageError(
                "--group-by", f"unknown grouping option {word!r}", "use host, paths and tags"
            )
    return tuple(dict.fromkeys(names[word] for word in words))


def decide(
    snapshots: Iterable[Snapshot],
    policy: Policy,
    rules: Rules,
    *,
    now: datetime,
    zone: tzinfo = UTC,
    group_by: Sequence[str] = GROUP_BY,
) -> Decision:
    """Decide over all snapshots, group by group.

    Args:
        now: the forgetting process's clock; later snapshots anchor no window.
        zone: its TZ; matters to `within` rules only.
    """
    groups: dict[GroupKey, list[Snapshot]] = {}
    for snapshot in snapshots:
        groups.setdefault(group_key(snapshot, group_by), []).append(snapshot)
    forget = Forget(policy, rules, zone)
    decided = tuple(forget.decide(key, newest_first(groups[key]), now) for key in sorted(groups))
    return Decision(decided, refused=refusal(decided, policy, rules))


def newest_first(snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Sort by instant, newest first; of equal instants the given order stays."""
    return tuple(sorted(snapshots, key=lambda snapshot: snapshot.taken_at, reverse=True))


def refusal(groups: Sequence[GroupDecision], policy: Policy, rules: Rules) -> str:
    """Return restic's sentence if it would remove nothing anywhere, else an empty text."""
    if not policy:
        return (
            "no policy was specified, no snapshots will be removed"
            if rules.refuses_empty_policy
            else ""
        )
    if rules.refuses_empty_group:
        for group in groups:
            if not group.keep:
                return (
                    f'refusing to delete last snapshot of snapshot group "{_group_text(group.key)}"'
                )
    return ""


def _group_text(key: GroupKey) -> str:
    parts = [f"host {key.host}"] if key.host else []
    parts += [f"path [{' '.join(key.paths)}]"] if key.paths else []
    parts += [f"tags [{' '.join(key.tags)}]"] if key.tags else []
    return ", ".join(parts)


class Forget:
    """One policy under one release's rules, ready to decide over any number of groups.

    Args:
        zone: TZ of the forgetting process; matters to `within` rules only.
    """

    def __init__(self, policy: Policy, rules: Rules, zone: tzinfo = UTC) -> None:
        self._policy = policy
        self._rules = rules
        self._zone = zone
        self._keeps_all = not policy
        counts = {rule: getattr(policy, rule) for rule in ("last", *_BUCKETS)}
        self._counting = tuple(
            _counting(rule, count, rules)
            for rule, count in counts.items()
            if count > 0 or (count == UNLIMITED and rules.knows_unlimited)
        )
        self._spans = {
            rule: span
            for rule in _BUCKETS
            if (span := getattr(policy, f"within_{rule}")) and rules.within_buckets
        }
        self._beyond_counts = bool(policy.tags or policy.within or self._spans)
        self._tagged = lru_cache(maxsize=4_096)(self._find_tagged)
        # What was left of each group the last time: mostly a day is added to just that.
        self._walks: dict[GroupKey, tuple[tuple[Snapshot, ...], Walk]] = {}

    def decide(
        self, key: GroupKey, snapshots: tuple[Snapshot, ...], now: datetime
    ) -> GroupDecision:
        """Decide over one group, given newest first.

        A snapshot stays if any rule gives a reason. Every rule sees every snapshot: one kept by a
        tag uses up the counts of the other rules all the same.
        """
        if self._keeps_all:
            return GroupDecision(key, snapshots, ((),) * len(snapshots), ())
        walk = self._walk(key, snapshots)
        reasons = tuple(walk.reasons)
        if self._beyond_counts:
            reasons = self._with_others(snapshots, reasons, now)
        if all(reasons):
            self._walks[key] = snapshots, walk
            return GroupDecision(key, snapshots, reasons, ())
        removed = list(map(not_, reasons))
        keep = tuple(compress(snapshots, reasons))
        for position in reversed(list(compress(range(len(removed)), removed))):
            walk.drop(position)
        self._walks[key] = keep, walk
        return GroupDecision(
            key, keep, tuple(filter(None, reasons)), tuple(compress(snapshots, removed))
        )

    def _walk(self, key: GroupKey, snapshots: tuple[Snapshot, ...]) -> Walk:
        """Return what the counting rules keep of a group."""
        # Taken out: where deciding ends in an error, nobody finds half of it.
        known, walk = self._walks.pop(key, ((), None))
        added = len(snapshots) - len(known)
        if walk is None or added < 0 or not all(map(is_, snapshots[added:], known)):
            return Walk(self._counting, [snapshot.hour for snapshot in snapshots])
        for snapshot in reversed(snapshots[:added]):
            walk.add(snapshot.hour)
        return walk

    def _with_others(
        self, snapshots: tuple[Snapshot, ...], counted: tuple[Reasons, ...], now: datetime
    ) -> tuple[Reasons, ...]:
        """Return the reasons in restic's order: tags, within, counts, windows."""
        anchor = self._anchor(snapshots, now)

        def covered(span: Duration) -> int:
            # So many of the newest lie inside; without an anchor all do (Go's zero time).
            if anchor is None:
                return len(snapshots)
            start = window_start(anchor, span, self._zone)
            return bisect_left(snapshots, -start, key=lambda s: -microseconds(s.taken_at))

        span, reasons = self._policy.within, counted
        if span:
            inside, word = covered(span), (f"within {span}",)
            reasons = (*[word + why for why in reasons[:inside]], *reasons[inside:])
        if self._policy.tags:
            tagged = [self._tagged(snapshot.tags) for snapshot in snapshots]
            reasons = tuple(map(add, tagged, reasons))
        for rule, rule_span in self._spans.items():
            hours = [s.hour for s in snapshots[: covered(rule_span)]]
            values = list(map(_BUCKETS[rule], hours))
            kept = _first_of_each(values, len(snapshots), f"{rule} within {rule_span}", self._rules)
            reasons = tuple(map(add, reasons, kept))
        return reasons

    def _find_tagged(self, tags: tuple[str, ...]) -> Reasons:
        return tuple(
            f"has tags [{', '.join(wanted)}]"
            for wanted in self._policy.tags
            if _has_tags(tags, wanted, self._rules)
        )

    def _anchor(self, snapshots: tuple[Snapshot, ...], now: datetime) -> datetime | None:
        if self._rules.anchor_may_be_future:
            return snapshots[0].taken_at if snapshots else None
        return next((s.taken_at for s in snapshots if s.taken_at < now), None)


def _first_of_each(values: Sequence[int], length: int, word: str, rules: Rules) -> list[Reasons]:
    """Return why each of a list is kept by a rule without a count, the newest of which it sees.

    Args:
        values: the buckets of those that it sees.
        length: of the list.
    """
    why: Reasons = (word,)
    kept = [why if value != before else () for before, value in pairwise((None, *values))]
    kept += [()] * (length - len(values))
    # The list's last element is kept where it is inside.
    if len(values) == length and kept and not kept[-1] and rules.oldest_kept:
        kept[-1] = (f"oldest {word}" if rules.oldest_named else word,)
    return kept


def _counting(rule: str, count: int, rules: Rules) -> Counting:
    word = f"{rule} snapshot"
    oldest = f"oldest {word}" if rules.oldest_named else word
    return Counting(
        sys.maxsize if count == UNLIMITED else count,
        _BUCKETS.get(rule),
        word,
        oldest if rules.oldest_kept else "",
    )


def _has_tags(tags: tuple[str, ...], wanted: tuple[str, ...], rules: Rules) -> bool:
    for tag in wanted:
        if not tag and not tags and rules.empty_tag_is_untagged:
            return True
        if tag not in tags:
            return False
    return True
