"""Decide what `restic forget` keeps and removes, and say why in that release's words.

Written from the behaviour of the real binaries (restic 0.11.0, 0.14.0, 0.18.0, 0.19.1) and the
documentation of `forget`; it never asks restic, so that the two can be held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import compress
from operator import not_

from verifier.core.decision import Decision, GroupDecision, GroupKey
from verifier.core.errors import UsageError
from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.calendar import iso_week, microseconds, window_start
from verifier.retention.rules import Rules

GROUP_BY = ("host", "paths")
"""restic's default for `--group-by`."""

Reasons = tuple[str, ...]

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
        self._counts = {
            rule: count
            for rule, count in counts.items()
            if count > 0 or (count == UNLIMITED and rules.knows_unlimited)
        }
        self._spans = {
            rule: span
            for rule in _BUCKETS
            if (span := getattr(policy, f"within_{rule}")) and rules.within_buckets
        }
        self._beyond_counts = bool(policy.tags or policy.within or self._spans)
        # Hosts on one schedule have the same civil hours, so fifty of them cost what one does.
        self._counted = lru_cache(maxsize=4_096)(self._count_reasons)

    def decide(
        self, key: GroupKey, snapshots: tuple[Snapshot, ...], now: datetime
    ) -> GroupDecision:
        """Decide over one group, given newest first.

        A snapshot stays if any rule gives a reason. Every rule sees every snapshot: one kept by a
        tag uses up the counts of the other rules all the same.
        """
        if self._keeps_all:
            return GroupDecision(key, snapshots, ((),) * len(snapshots), ())
        reasons = self._counted(tuple([s.hour for s in snapshots]))
        if self._beyond_counts:
            # In restic's order: tags, within, counts, windows.
            tagged = [self._tagged(snapshot) for snapshot in snapshots]
            within, windows = self._windowed(snapshots, now)
            reasons = tuple(
                [sum(why, ()) for why in zip(tagged, within, reasons, windows, strict=True)]
            )
        if all(reasons):
            return GroupDecision(key, snapshots, reasons, ())
        return GroupDecision(
            key,
            tuple(compress(snapshots, reasons)),
            tuple(filter(None, reasons)),
            tuple(compress(snapshots, map(not_, reasons))),
        )

    def _count_reasons(self, hours: tuple[int, ...]) -> tuple[Reasons, ...]:
        reasons: list[list[str]] = [[] for _ in hours]
        for rule, count in self._counts.items():
            values = range(len(hours)) if rule == "last" else list(map(_BUCKETS[rule], hours))
            _collect(reasons, values, f"{rule} snapshot", self._rules, count)
        return tuple(map(tuple, reasons))

    def _tagged(self, snapshot: Snapshot) -> Reasons:
        return tuple(
            f"has tags [{', '.join(wanted)}]"
            for wanted in self._policy.tags
            if _has_tags(snapshot, wanted, self._rules)
        )

    def _windowed(
        self, snapshots: tuple[Snapshot, ...], now: datetime
    ) -> tuple[list[Reasons], list[Reasons]]:
        anchor = self._anchor(snapshots, now)
        instants = [microseconds(s.taken_at) for s in snapshots]

        def covered(span: Duration) -> int:
            # So many of the newest lie inside; without an anchor all do (Go's zero time).
            start = window_start(anchor, span, self._zone) if anchor else None
            return len(instants) if start is None else sum(instant > start for instant in instants)

        span = self._policy.within
        inside = covered(span) if span else 0
        within: list[Reasons] = [(f"within {span}",)] * inside + [()] * (len(snapshots) - inside)
        reasons: list[list[str]] = [[] for _ in snapshots]
        for rule, rule_span in self._spans.items():
            hours = [s.hour for s in snapshots[: covered(rule_span)]]
            _collect(
                reasons,
                list(map(_BUCKETS[rule], hours)),
                f"{rule} within {rule_span}",
                self._rules,
                UNLIMITED,
            )
        return within, list(map(tuple, reasons))

    def _anchor(self, snapshots: tuple[Snapshot, ...], now: datetime) -> datetime | None:
        if self._rules.anchor_may_be_future:
            return snapshots[0].taken_at if snapshots else None
        return next((s.taken_at for s in snapshots if s.taken_at < now), None)


def _collect(
    reasons: list[list[str]], values: Sequence[int], word: str, rules: Rules, count: int
) -> None:
    # restic remembers the previous bucket only: where UTC offsets are mixed, a day can come back
    # and is counted again. The list's last element is kept by any rule that still has counts.
    oldest = len(reasons) - 1
    previous = None
    for position, value in enumerate(values):
        if value != previous:
            reasons[position].append(word)
        elif position == oldest and rules.oldest_kept:
            reasons[position].append(f"oldest {word}" if rules.oldest_named else word)
        else:
            continue
        previous = value
        count -= 1
        if count == 0:
            return


def _has_tags(snapshot: Snapshot, wanted: tuple[str, ...], rules: Rules) -> bool:
    for tag in wanted:
        if not tag and not snapshot.tags and rules.empty_tag_is_untagged:
            return True
        if tag not in snapshot.tags:
            return False
    return True
