"""What a reader of the survivors would not expect, said in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from verifier.core.decision import Decision, GroupDecision
from verifier.core.policy import UNLIMITED, Policy
from verifier.retention.decide import Forget
from verifier.retention.surprises import surprises
from verifier.simulate.simulation import Simulation

NOTES_MAX = 12
"""Notes in one report; of fifty hosts with one outage the first few say it all."""

_UNITS = {
    "last": "snapshots",
    "hourly": "hours",
    "daily": "days",
    "weekly": "weeks",
    "monthly": "months",
    "yearly": "calendar years",
}
_TOLD = ("frozen-group", "stretched-days", "mixed-offsets")


def notes(simulation: Simulation, groups: Sequence[GroupDecision], now: datetime) -> list[str]:
    """Return the notes on what survives at the end of a timeline.

    Args:
        groups: the last decision on every group that still has snapshots.
        now: the end of the timeline.
    """
    found = surprises(
        Decision(tuple(replace(group, remove=()) for group in groups)),
        simulation.policy,
        simulation.rules,
        now=now,
        reader_zone=simulation.zone,
    )
    told = [f"{f.subject}: {f.detail}" for f in found if f.kind in _TOLD]
    if len(told) > NOTES_MAX:
        told = [*told[:NOTES_MAX], f"... and {len(told) - NOTES_MAX} more of the same kinds"]
    return [*_oldest_note(simulation, groups, now), *told]


def _oldest_note(
    simulation: Simulation, groups: Sequence[GroupDecision], now: datetime
) -> Iterator[str]:
    counts = sorted({len(group.keep) for group in groups})
    if not counts:
        return
    release = simulation.rules.release
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if not simulation.rules.oldest_kept:
        if not any(_has_room(simulation.policy, group) for group in groups):
            return
        yield (
            f"{many} snapshots a group under restic {release}: before 0.16 the very first snapshot "
            "of a group is not kept for being the oldest; from 0.16 on it stays, one more a group."
        )
        return
    held = {rule for group in groups for rule in _oldest_rules(simulation, group, now)}
    for rule in [rule for rule in reversed(_UNITS) if rule in held][:1]:
        count = getattr(simulation.policy, rule)
        until = "for ever" if count == UNLIMITED else f"until {count} {_UNITS[rule]} have snapshots"
        yield (
            f"{many} snapshots a group under restic {release}: since 0.16 the very first snapshot "
            f"of a group stays as `oldest {rule} snapshot` {until}; 0.14 would have removed it."
        )


def _has_room(policy: Policy, group: GroupDecision) -> bool:
    """Say whether a rule's count is not used up: until then the oldest would stay for it."""
    for rule in _UNITS:
        count = getattr(policy, rule)
        used = sum(f"{rule} snapshot" in words for words in group.reasons)
        if rule != "last" and count and (count == UNLIMITED or used < count):
            return True
    return False


def _oldest_rules(simulation: Simulation, group: GroupDecision, now: datetime) -> list[str]:
    # 0.16 and 0.17 keep the oldest without saying so, so the later words are asked for.
    named = replace(simulation.rules, oldest_named=True)
    again = Forget(simulation.policy, named, simulation.zone).decide(group.key, group.keep, now)
    words = again.reasons[-1] if again.reasons else ()
    return [w.split()[1] for w in words if w.startswith("oldest ") and w.endswith(" snapshot")]
