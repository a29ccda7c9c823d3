"""Decide what `restic forget` keeps and removes, and say why in that release's words.

Written from the behaviour of the real binaries (restic 0.11.0, 0.14.0, 0.18.0, 0.19.1) and the
documentation of `forget`; it never asks restic, so that the two can be held against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import compress

from verifier.core.decision import Decision, GroupDecision, GroupKey
from verifier.core.errors import UsageError
from verifier.core.policy import UNLIMITED, Policy
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


def buckets(rule: str, hours: Iterable[int]) -> list[int]:
    """Return the bucket that each civil hour YYYYMMDDhh falls into under a rule."""
    return list(map(_BUCKETS[rule], hours))


def group_key(snapshot: Snapshot, group_by: Sequence[str]) -> GroupKey:
    """Return the group a snapshot belongs to; `group_by` holds `host`, `paths`, `tags`."""
    return GroupKey(
        host=snapshot.host if "host" in group_by else "",
        paths=tuple(sorted(snapshot.paths)) if "paths" in group_by else (),
        tags=tuple(sorted(snapshot.tags)) if "tags" in group_by else (),
    )


def parse_group_by(text: str) -> tuple[str, ...]:
    """Parse `--group-by`: host(s), path(s), tag(s) by comma; empty puts all into one group.

    Raises:
        UsageError: another word.
    """
    names = {"host": "host", "hosts": "host", "path": "paths", "paths": "paths", "tag": "tags", "tags": "tags"}
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    for word in words:
        if word not in names:
            raise UsageError("--group-by", f"unknown grouping option {word!r}", "use host, paths and tags")
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
    decided = tuple(
        decide_group(key, newest_first(groups[key]), policy, rules, now=now, zone=zone) for key in sorted(groups)
    )
    return Decision(decided, refused=refusal(decided, policy, rules))


def newest_first(snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Sort by instant, newest first; of equal instants the given order stays."""
    return tuple(sorted(snapshots, key=lambda snapshot: snapshot.taken_at, reverse=True))


def refusal(groups: Sequence[GroupDecision], policy: Policy, rules: Rules) -> str:
    """Return restic's sentence if it would remove nothing anywhere, else an empty text."""
    if not policy:
        return "no policy was specified, no snapshots will be removed" if rules.refuses_empty_policy else ""
    if rules.refuses_empty_group:
        for group in groups:
            if not group.keep:
                return f'refusing to delete last snapshot of snapshot group "{_group_text(group.key)}"'
    return ""


def _group_text(key: GroupKey) -> str:
    parts = [f"host {key.host}"] if key.host else []
    parts += [f"path [{' '.join(key.paths)}]"] if key.paths else []
    parts += [f"tags [{' '.join(key.tags)}]"] if key.tags else []
    return ", ".join(parts)


def decide_group(
    key: GroupKey,
    snapshots: tuple[Snapshot, ...],
    policy: Policy,
    rules: Rules,
    *,
    now: datetime,
    zone: tzinfo = UTC,
) -> GroupDecision:
    """Decide over one group, given newest first.

    A snapshot stays if any rule gives a reason. Every rule sees every snapshot: one kept by a
    tag uses up the counts of the other rules all the same.
    """
    if not policy:
        return GroupDecision(key, snapshots, ((),) * len(snapshots), ())
    reasons = _count_reasons(tuple([s.hour for s in snapshots]), policy, rules)
    if policy.tags or policy.within:
        before = _tag_and_within_reasons(snapshots, policy, rules, now, zone)
        reasons = tuple(map(tuple.__add__, before, reasons))
    if rules.within_buckets:
        after = _window_reasons(snapshots, policy, rules, now, zone)
        reasons = tuple(map(tuple.__add__, reasons, after)) if after else reasons
    if all(reasons):
        return GroupDecision(key, snapshots, reasons, ())
    return GroupDecision(
        key,
        tuple(compress(snapshots, reasons)),
        tuple(filter(None, reasons)),
        tuple(compress(snapshots, [not why for why in reasons])),
    )


# Hosts on one schedule have the same civil hours, so fifty of them cost what one does.
@lru_cache(maxsize=4_096)
def _count_reasons(hours: tuple[int, ...], policy: Policy, rules: Rules) -> tuple[Reasons, ...]:
    reasons: list[list[str]] = [[] for _ in hours]
    for rule in ("last", *_BUCKETS):
        count: int = getattr(policy, rule)
        if count > 0 or (count == UNLIMITED and rules.knows_unlimited):
            values = range(len(hours)) if rule == "last" else buckets(rule, hours)
            _collect(reasons, values, f"{rule} snapshot", rules, count)
    return tuple(map(tuple, reasons))


def _collect(reasons: list[list[str]], values: Sequence[int], word: str, rules: Rules, count: int) -> None:
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


def _anchor(snapshots: tuple[Snapshot, ...], rules: Rules, now: datetime) -> datetime | None:
    if rules.anchor_may_be_future:
        return snapshots[0].taken_at
    return next((s.taken_at for s in snapshots if s.taken_at < now), None)


def _covered(snapshots: tuple[Snapshot, ...], start: int | None) -> int:
    # The newest so many lie inside the window; without an anchor all do (Go's zero time).
    if start is None:
        return len(snapshots)
    return sum(microseconds(s.taken_at) > start for s in snapshots)


def _tag_and_within_reasons(
    snapshots: tuple[Snapshot, ...], policy: Policy, rules: Rules, now: datetime, zone: tzinfo
) -> tuple[Reasons, ...]:
    covered = 0
    if policy.within and snapshots:
        anchor = _anchor(snapshots, rules, now)
        covered = _covered(snapshots, window_start(anchor, policy.within, zone) if anchor else None)
    within = (f"within {policy.within}",)
    return tuple(
        tuple(f"has tags [{', '.join(wanted)}]" for wanted in policy.tags if _has_tags(s, wanted, rules))
        + (within if position < covered else ())
        for position, s in enumerate(snapshots)
    )


def _has_tags(snapshot: Snapshot, wanted: tuple[str, ...], rules: Rules) -> bool:
    for tag in wanted:
        if not tag and not snapshot.tags and rules.empty_tag_is_untagged:
            return True
        if tag not in snapshot.tags:
            return False
    return True


def _window_reasons(
    snapshots: tuple[Snapshot, ...], policy: Policy, rules: Rules, now: datetime, zone: tzinfo
) -> tuple[Reasons, ...]:
    spans = [(rule, getattr(policy, f"within_{rule}")) for rule in _BUCKETS]
    if not snapshots or not any(span for _, span in spans):
        return ()
    anchor = _anchor(snapshots, rules, now)
    hours = [s.hour for s in snapshots]
    reasons: list[list[str]] = [[] for _ in snapshots]
    for rule, span in spans:
        if span:
            covered = _covered(snapshots, window_start(anchor, span, zone) if anchor else None)
            _collect(reasons, buckets(rule, hours[:covered]), f"{rule} within {span}", rules, UNLIMITED)
    return tuple(map(tuple, reasons))
