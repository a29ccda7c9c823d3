"""Snapshots whose date is not to be believed, and what the next forget would remove for them.

Who may add snapshots but not remove any can have others removed: `forget` counts snapshots by the
dates that they carry, so a few with chosen dates use up the places of real ones (restic #22057).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import decide, group_key
from verifier.retention.rules import Rules
from verifier.retention.surprises import DATED_WRONG

FUTURE = timedelta(minutes=10)
"""Two honest clocks do not differ by more."""

CONTENT = timedelta(days=1)
"""A backup may go on for hours after its date; a file in it that changed later still came later."""

LISTED = 50
"""Snapshots that one finding names."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A snapshot with a date that something contradicts.

    Attributes:
        kind: `future-snapshot` or `back-dated`.
        why: what contradicts it.
    """

    snapshot: Snapshot
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What a snapshot tells of when it was made, whatever date it carries.

    Attributes:
        changed_at: the newest change time of any file in it, as its host's file system gave it.
        parent: the snapshot that its backup was built on; empty where it names none.
    """

    changed_at: datetime | None = None
    parent: str = ""


def suspects(
    snapshots: Sequence[Snapshot], traces: Mapping[str, Trace], *, now: datetime
) -> tuple[Suspect, ...]:
    """Find the snapshots dated after now, or before they can have been made.

    Args:
        traces: snapshot ID -> its trace, as far as known.
    """
    taken = {snapshot.id: snapshot.taken_at for snapshot in snapshots}
    none = Trace()
    found = (_suspect(s, traces.get(s.id, none), taken, now) for s in snapshots)
    dated_wrong = {suspect.snapshot.id: suspect for suspect in found if suspect}
    twins = {suspect.snapshot.id: suspect for suspect in _twins(snapshots)}
    return tuple((twins | dated_wrong).values())


def _suspect(
    snapshot: Snapshot, trace: Trace, taken: Mapping[str, datetime], now: datetime
) -> Suspect | None:
    dated, made_at, changed_at = snapshot.taken_at, snapshot.made_at, trace.changed_at
    parent_at = taken.get(trace.parent)
    if dated > now + FUTURE:
        return Suspect(snapshot, "future-snapshot", f"it is now {_minute(now)}")
    why = ""
    if made_at is not None and made_at - dated > DATED_WRONG:
        why = f"its backup ran on {_minute(made_at)}"
    elif parent_at is not None and parent_at - dated > DATED_WRONG:
        why = f"it builds on the snapshot {trace.parent[:8]} of {_minute(parent_at)}"
    elif changed_at is not None and CONTENT < changed_at - dated and changed_at <= now:
        # What changed after now shows a wrong clock on that host, and nothing about the snapshot.
        why = f"it holds a file that changed on {_minute(changed_at)}"
    return Suspect(snapshot, "back-dated", why) if why else None


def _twins(snapshots: Sequence[Snapshot]) -> Iterator[Suspect]:
    # One tree under one date twice is a copy, or a tag that was added: nothing is lost by it.
    first: dict[object, Snapshot] = {}
    for snapshot in snapshots:
        key = (snapshot.taken_at, snapshot.host, snapshot.paths)
        other = first.setdefault(key, snapshot)
        if other.tree != snapshot.tree:
            why = (
                f"{other.short_id} carries the very same instant with other content: it is chance "
                "which of the two forget keeps"
            )
            yield Suspect(snapshot, "back-dated", why)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What forget decides by, for every group alike."""

    policy: Policy
    rules: Rules
    zone: tzinfo
    group_by: tuple[str, ...]


def victims(
    snapshots: Sequence[Snapshot],
    suspected: Iterable[Suspect],
    forgetting: Forgetting,
    *,
    now: datetime,
) -> tuple[Snapshot, ...]:
    """Return what the next forget removes with the suspects there, and would keep without them."""
    ids = {suspect.snapshot.id for suspect in suspected}
    if not ids:
        return ()
    believed = tuple(snapshot for snapshot in snapshots if snapshot.id not in ids)
    removed = _removed(snapshots, forgetting, now)
    spared = {snapshot.id for snapshot in _removed(believed, forgetting, now)}
    return tuple(s for s in removed if s.id not in ids and s.id not in spared)


def _removed(snapshots: Sequence[Snapshot], by: Forgetting, now: datetime) -> tuple[Snapshot, ...]:
    decision = decide(snapshots, by.policy, by.rules, now=now, zone=by.zone, group_by=by.group_by)
    return decision.removed()


def check_dates(
    suspected: Iterable[Suspect], lost: Sequence[Snapshot], group_by: Sequence[str]
) -> Iterator[Finding]:
    """Yield a finding for each group and kind of suspects, with what the next forget would do.

    Args:
        lost: as `victims` returns it.
    """
    groups: dict[tuple[str, str], list[Suspect]] = {}
    for suspect in suspected:
        key = str(group_key(suspect.snapshot, group_by))
        groups.setdefault((suspect.kind, key), []).append(suspect)
    for (kind, key), found in groups.items():
        theirs = [s for s in lost if str(group_key(s, group_by)) == key]
        newest = max(found, key=lambda suspect: suspect.snapshot.taken_at)
        detail = (
            f"{_some(len(found))}: {newest.snapshot.short_id} says "
            f"{_minute(newest.snapshot.taken_at)}, but {newest.why}. {_harm(theirs)}"
        )
        evidence = {
            "snapshots": [suspect.snapshot.id for suspect in found[:LISTED]],
            "forget_would_remove": [snapshot.id for snapshot in theirs[:LISTED]],
        }
        yield Finding(kind, key, detail, evidence)


def _harm(theirs: Sequence[Snapshot]) -> str:
    if not theirs:
        return "The next forget removes nothing for it; see who made it"
    shown = ", ".join(f"{s.short_id} of {_minute(s.taken_at)}" for s in theirs[:3])
    more = f" and {len(theirs) - 3} more" if len(theirs) > 3 else ""
    return (
        f"The next forget would remove {shown}{more} because of it: run none before "
        "`restic forget ID` has removed the wrong one"
    )


def _some(number: int) -> str:
    if number == 1:
        return "the date of 1 snapshot is not to be believed"
    return f"the dates of {number} snapshots are not to be believed"


def _minute(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="minutes")
