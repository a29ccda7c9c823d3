"""Which snapshots of a repository its copy has, and what to say of those that it has not. Pure.

`restic copy` gives a snapshot a new ID, so a pair is found by what does not change: the tree, the
time, the host and the paths. The tree is the content; restic's `original` field is only a claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from verifier.core.entry import shown
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot

LISTED = 20
"""How many snapshots of a host are named under one kind of finding; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Matching:
    """The snapshots of both sides, each in one place; every tuple newest first.

    Attributes:
        both: of the repository, those that the copy has too.
        pending: the copy lacks them, and they are younger than it may lag.
        late: the copy lacks them for longer than it may, and everything newer of their host.
        lacking: the copy lacks them for longer than it may, and has newer ones or none at all.
        differing: (of the repository, of the copy): one time, host and paths, another tree.
        extra: of the copy, those that the repository has no more.
    """

    both: tuple[Snapshot, ...]
    pending: tuple[Snapshot, ...]
    late: tuple[Snapshot, ...]
    lacking: tuple[Snapshot, ...]
    differing: tuple[tuple[Snapshot, Snapshot], ...]
    extra: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said of one snapshot; `evidence` comes on top of what names it."""

    snapshot: Snapshot
    detail: str
    evidence: Mapping[str, object] = field(default_factory=dict)


def match(
    primary: Iterable[Snapshot], copy: Iterable[Snapshot], *, now: datetime, max_lag: timedelta
) -> Matching:
    """Match the snapshots of a repository with those of its copy.

    Args:
        max_lag: how long a snapshot may take to reach the copy.
    """
    ours, theirs = _newest_first(primary), _newest_first(copy)
    there, here = {_content(s) for s in theirs}, {_content(s) for s in ours}
    alone = {_label(s): s for s in reversed(theirs) if _content(s) not in here}
    both = [s for s in ours if _content(s) in there]
    unmatched = [s for s in ours if _content(s) not in there]
    differing = [(s, alone.pop(_label(s))) for s in unmatched if _label(s) in alone]
    told = {s.id for s, _ in differing}
    absent = [s for s in unmatched if s.id not in told]
    waiting = [s for s in absent if now - made_at(s) > max_lag]
    reached = {s.host: made_at(s) for s in reversed(both)}
    late = {s.id for s in waiting if s.host in reached and made_at(s) > reached[s.host]}
    return Matching(
        both=tuple(both),
        pending=tuple(s for s in absent if now - made_at(s) <= max_lag),
        late=tuple(s for s in waiting if s.id in late),
        lacking=tuple(s for s in waiting if s.id not in late),
        differing=tuple(differing),
        extra=tuple(_newest_first(alone.values())),
    )


def judge(matching: Matching, *, now: datetime) -> Iterator[Finding]:
    """Yield findings on the snapshots that the copy has not as the repository has them."""
    has = {s.host for s in matching.both}
    yield from listed("copy-differs", (_other_tree(*pair, now) for pair in matching.differing))
    yield from listed("copy-lacks", (_absent(s, s.host in has, now) for s in matching.lacking))
    for host, late in by_host(matching.late):
        yield _lags(host, late, matching, now)
    for host, extra in by_host(matching.extra):
        detail = f"holds {counted(extra)} that the repository has no more; the newest: "
        ids = {"snapshots": [s.id for s in extra[:LISTED]], "count": len(extra)}
        yield Finding("copy-extra", _subject(host), detail + named(extra[0], now), ids)


def listed(kind: str, remarks: Iterable[Remark]) -> Iterator[Finding]:
    """Yield, host by host, the first `LISTED` remarks as findings, and one that counts the rest."""
    ordered = sorted(remarks, key=lambda remark: remark.snapshot.host)
    for host, group in groupby(ordered, key=lambda remark: remark.snapshot.host):
        subject, found = _subject(host), list(group)
        for remark in found[:LISTED]:
            about = {**_evidence(remark.snapshot), **remark.evidence}
            yield Finding(kind, subject, remark.detail, about)
        rest = found[LISTED:]
        if rest:
            detail = f"so it is with {len(rest)} more; the oldest: {rest[-1].detail}"
            yield Finding(kind, subject, detail, {"count": len(rest)})


def by_host(snapshots: Iterable[Snapshot]) -> Iterator[tuple[str, tuple[Snapshot, ...]]]:
    """Yield each host with its snapshots, in the order that they come in."""
    ordered = sorted(snapshots, key=lambda s: s.host)
    for host, group in groupby(ordered, key=lambda s: s.host):
        yield host, tuple(group)


def made_at(snapshot: Snapshot) -> datetime:
    """Return when a snapshot really was made, as far as it says so: a copy lags from then on."""
    return snapshot.made_at or snapshot.taken_at


def named(snapshot: Snapshot, now: datetime) -> str:
    """Return a snapshot with its age, for a sentence."""
    return f"snapshot {snapshot.short_id}, {age(now - snapshot.taken_at)} old"


def age(span: timedelta) -> str:
    """Return a span in the one unit that people would use for it."""
    minutes = max(0, round(span.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def counted(snapshots: tuple[Snapshot, ...]) -> str:
    """Return how many snapshots these are, in words."""
    return f"{len(snapshots)} snapshot{'' if len(snapshots) == 1 else 's'}"


def _subject(host: str) -> str:
    return f"off-site {shown(host)}"


def _newest_first(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    return sorted(snapshots, key=lambda s: (made_at(s), s.id), reverse=True)


def _label(snapshot: Snapshot) -> tuple[datetime, str, tuple[str, ...]]:
    return snapshot.taken_at, snapshot.host, tuple(sorted(snapshot.paths))


def _content(snapshot: Snapshot) -> tuple[object, ...]:
    return (snapshot.tree, *_label(snapshot))


def _evidence(snapshot: Snapshot) -> dict[str, object]:
    taken = snapshot.taken_at.isoformat()
    return {"snapshot": snapshot.id, "taken": taken, "paths": list(snapshot.paths)}


def _other_tree(ours: Snapshot, theirs: Snapshot, now: datetime) -> Remark:
    detail = (
        f"{named(ours, now)}, has another tree in the copy (as {theirs.short_id}) under the same "
        "time, host and paths: one side was rewritten, or it is not what was copied"
    )
    trees = {"tree": ours.tree, "copy": theirs.id, "copy_tree": theirs.tree}
    return Remark(ours, detail, trees)


def _absent(snapshot: Snapshot, has_newer: bool, now: datetime) -> Remark:
    why = "though newer ones of its host are" if has_newer else "nor is any other of its host"
    return Remark(snapshot, f"{named(snapshot, now)}, is not in the copy, {why}")


def _lags(host: str, late: tuple[Snapshot, ...], matching: Matching, now: datetime) -> Finding:
    newest = next(s for s in matching.both if s.host == host)
    detail = (
        f"the copy ends with {named(newest, now)}; {counted(late)} should have followed, first "
        f"{named(late[-1], now)}"
    )
    ids = [s.id for s in late[-LISTED:]]
    about = {"newest_in_copy": newest.id, "snapshots": ids, "count": len(late)}
    return Finding("copy-lags", _subject(host), detail, about)
