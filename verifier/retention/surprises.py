"""What about a decision would surprise the person who reads it, each said in a plain sentence.

Sources: the complaints collected around `restic forget` (restic #3515, #5193, #2458, #2233, #3722,
#22057, #4806), each of which was reproduced with real binaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from statistics import median_low

from verifier.core.decision import Decision, GroupDecision, GroupKey
from verifier.core.finding import Finding
from verifier.core.policy import UNLIMITED, Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import Forget, bucket_of, newest_first
from verifier.retention.rules import Rules

DATED_WRONG = timedelta(hours=1)
"""A backup takes its time when it starts; further apart than this, somebody said `--time`."""

FROZEN_AFTER = timedelta(days=2)
"""A group younger than this is never called frozen, however often it is backed up."""


def surprises(
    decision: Decision, policy: Policy, rules: Rules, *, now: datetime, reader_zone: tzinfo
) -> tuple[Finding, ...]:
    """Find what a reader would not expect, group by group.

    Args:
        now: later snapshots are future ones.
        reader_zone: the zone in which the reader thinks of days.
    """
    found: list[Finding] = []
    if decision.refused:
        found.append(
            Finding(
                "forget-refused", "forget", f"restic {rules.release} stops with: {decision.refused}"
            )
        )
    members = {group.key: newest_first((*group.keep, *group.remove)) for group in decision.groups}
    for group in decision.groups:
        snapshots = members[group.key]
        if not group.keep and not decision.refused:
            detail = (
                f"this policy removes all {len(group.remove)} snapshots under restic "
                f"{rules.release}"
            )
            found.append(Finding("group-wiped", str(group.key), detail))
        found += _dated_wrong(group.key, snapshots, now)
        found += _frozen(group, members, now)
        found += _other_days(group, snapshots, policy, reader_zone)
        found += _stretched(group, policy)
        found += _oldest(group.key, snapshots, policy, rules, now, reader_zone)
    return tuple(found)


def _day(at: datetime) -> str:
    return at.date().isoformat()


def _minute(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="minutes")


def _dated_wrong(key: GroupKey, snapshots: Sequence[Snapshot], now: datetime) -> Iterator[Finding]:
    future = [s for s in snapshots if s.taken_at > now]
    if future:
        detail = (
            f"{_some(future)} dated after now ({_minute(now)}), the furthest "
            f"{_minute(future[0].taken_at)}: count "
            "rules take such a snapshot for the newest, so it uses up a place that a real "
            "backup needs; "
            "remove it with `restic forget ID` before the next forget"
        )
        yield Finding("future-snapshot", str(key), detail, _ids(future))
    back_dated = [
        s for s in snapshots if s.made_at is not None and s.made_at - s.taken_at > DATED_WRONG
    ]
    if back_dated:
        newest = back_dated[0]
        assert newest.made_at is not None, "selected by it"
        detail = (
            f"{_some(back_dated)} dated well before it was made, the newest as "
            f"{_minute(newest.taken_at)} though made "
            f"on {_minute(newest.made_at)}: an import with `--time`, or somebody who wants "
            "forget to remove others"
        )
        yield Finding("back-dated", str(key), detail, _ids(back_dated))


def _some(snapshots: Sequence[Snapshot]) -> str:
    return "1 snapshot is" if len(snapshots) == 1 else f"{len(snapshots)} snapshots are"


def _ids(snapshots: Sequence[Snapshot]) -> dict[str, object]:
    return {"snapshots": [s.id for s in snapshots[:50]]}


def _frozen(
    group: GroupDecision, members: dict[GroupKey, tuple[Snapshot, ...]], now: datetime
) -> Iterator[Finding]:
    key = group.key
    mine = [s.taken_at for s in members[key] if s.taken_at <= now]
    others = {other: group for other, group in members.items() if other != key}
    latest_at = max(
        (s.taken_at for members_of in others.values() for s in members_of if s.taken_at <= now),
        default=None,
    )
    if not mine or latest_at is None:
        return
    gaps = [newer - older for newer, older in pairwise(mine)]
    patience = max(FROZEN_AFTER, 3 * (median_low(gaps) if gaps else timedelta(days=1)))
    if latest_at - mine[0] <= patience:
        return
    successor = next(
        (
            other
            for other, theirs in others.items()
            if key.host == other.host != "" and theirs[0].taken_at > mine[0]
        ),
        None,
    )
    if successor is not None:
        changed = "paths" if successor.paths != key.paths else "tags"
        value = ", ".join(successor.paths if changed == "paths" else successor.tags)
        why = f"its {changed} changed to {value}, which began a new group"
    else:
        why = "its host stopped, or was renamed"
    detail = (
        f"the last snapshot is of {_day(mine[0])}: {why}. Rules count back from a group's own "
        "newest snapshot, so "
        f"the {len(group.keep)} that stay now are kept for ever, however old they grow"
    )
    yield Finding(
        "frozen-group",
        str(key),
        detail,
        {"last": mine[0].isoformat(), "snapshots": len(group.keep)},
    )


def _other_days(
    group: GroupDecision, snapshots: Sequence[Snapshot], policy: Policy, reader_zone: tzinfo
) -> Iterator[Finding]:
    foreign = [
        s
        for s in snapshots
        if s.taken_at.utcoffset() != s.taken_at.astimezone(reader_zone).utcoffset()
    ]
    if not foreign:
        return
    offsets = {s.taken_at.utcoffset() or timedelta() for s in snapshots}
    if len(offsets) > 2 or max(offsets) - min(offsets) > timedelta(hours=1):
        detail = (
            f"its snapshots carry {len(offsets)} UTC offsets from {_offset(min(offsets))} to "
            f"{_offset(max(offsets))}: "
            "restic cuts days by each snapshot's own offset, so one date can be kept, and "
            "counted, twice"
        )
        yield Finding("mixed-offsets", str(group.key), detail)
    moved = [
        s for s in group.keep if s.taken_at.date() != s.taken_at.astimezone(reader_zone).date()
    ]
    if moved and (policy.daily or policy.weekly or policy.monthly or policy.yearly):
        s = moved[0]
        seen_at = s.taken_at.astimezone(reader_zone)
        detail = (
            f"its snapshots store the offset {_offset(s.taken_at.utcoffset() or timedelta())}, "
            "so its days end at another "
            f"hour than yours: what you see as {seen_at:%Y-%m-%d %H:%M} counts for "
            f"{_day(s.taken_at)}"
        )
        yield Finding("day-boundary", str(group.key), detail, {"snapshots": len(moved)})


def _offset(offset: timedelta) -> str:
    minutes = offset // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _stretched(group: GroupDecision, policy: Policy) -> Iterator[Finding]:
    day_of = bucket_of("daily")
    dated = zip(group.keep, group.reasons, strict=True)
    days = {day_of(s.hour): s.taken_at for s, why in dated if "daily snapshot" in why}
    if policy.daily == UNLIMITED or len(days) < 2:
        return
    newest_at, oldest_at = max(days.values()), min(days.values())
    reach = (newest_at.date() - oldest_at.date()).days + 1
    without = reach - len(days)
    if without > 0:
        detail = (
            f"keep-daily {policy.daily} counts days that have snapshots: its {len(days)} "
            f"dailies reach back {reach} days, "
            f"to {_day(oldest_at)}, because {without} of those days had none"
        )
        yield Finding(
            "stretched-days", str(group.key), detail, {"reach_days": reach, "days_without": without}
        )


def _oldest(
    key: GroupKey,
    snapshots: tuple[Snapshot, ...],
    policy: Policy,
    rules: Rules,
    now: datetime,
    zone: tzinfo,
) -> Iterator[Finding]:
    # 0.16 and 0.17 keep the oldest but do not say why, so the question is put with the later words.
    if not rules.oldest_kept:
        return
    named = Forget(policy, replace(rules, oldest_named=True), zone).decide(key, snapshots, now)
    words = named.reasons[-1] if named.keep and named.keep[-1] is snapshots[-1] else ()
    if words and all(word.startswith("oldest ") for word in words):
        detail = (
            f"the first snapshot, of {_day(snapshots[-1].taken_at)}, stays only as "
            f"{' and '.join(f'`{w}`' for w in words)}: "
            "it goes when that rule's count is used up by newer ones"
        )
        yield Finding("oldest-kept", str(key), detail)
