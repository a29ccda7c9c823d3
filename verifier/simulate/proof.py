"""The proof a timeline ends in: survivors, invariants, recovery points, in JSON's shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.snapshot import Snapshot
from verifier.retention.checks import Tally
from verifier.simulate.notes import notes
from verifier.simulate.simulation import Result, Simulation
from verifier.simulate.timeline import Following, History, Record

AGES_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 730, 1095, 1825, 3650)
"""Ages at which the recovery point is stated."""


def snapshot_section(snapshot: Snapshot) -> dict[str, object]:
    """Return a snapshot in JSON's shape."""
    return {
        "id": snapshot.id,
        "host": snapshot.host,
        "paths": list(snapshot.paths),
        "time": snapshot.taken_at.isoformat(),
    }


def step_section(record: Record) -> dict[str, object]:
    """Return one step in JSON's shape."""
    return {
        "time": record.step.at.isoformat(),
        "created": [snapshot_section(s) for s in record.created],
        "removed": [{**snapshot_section(s), "reasons": list(why)} for s, why in record.removed],
        "kept": record.kept,
        "missed": list(record.step.missed),
        "findings": [
            {"kind": f.kind, "subject": f.subject, "detail": f.detail} for f in record.findings
        ],
        "duration_s": record.duration_s,
        "repository_bytes": record.repository_bytes,
    }


def survivors_section(groups: Sequence[GroupDecision]) -> list[dict[str, object]]:
    """Return what survives, group by group, newest first, with reasons."""
    return [
        {**snapshot_section(s), "reasons": list(why)}
        for group in groups
        for s, why in zip(group.keep, group.reasons, strict=True)
    ]


def group_section(
    group: GroupDecision, groups: Mapping[GroupKey, History], bound: int | None, now: datetime
) -> dict[str, object]:
    """Return one group's figures: how many survive, the worst gap, the recovery point by age."""
    history, gap = groups[group.key], _worst_gap(group.key, groups, now)
    return {
        "host": group.key.host,
        "paths": list(group.key.paths),
        "survivors": len(group.keep),
        "bound": bound,
        "worst_gap_s": None if gap is None else round(gap.total_seconds()),
        "recovery": recovery(group.keep, history.first_at, now),
    }


def _worst_gap(
    key: GroupKey, groups: Mapping[GroupKey, History], now: datetime
) -> timedelta | None:
    history = groups[key]
    if history.last_at is None:
        # Nobody expected a snapshot of it: that it is there is a finding, and its age is none.
        return None
    later = (
        other.last_at for known, other in groups.items() if key.host and known.host == key.host
    )
    if any(at is not None and at > history.last_at for at in later):
        # The host goes on in another group, with other paths: this one is over.
        return history.worst_gap
    return max(history.worst_gap, now - history.last_at)


def recovery(
    keep: Sequence[Snapshot], first_at: datetime | None, now: datetime
) -> list[dict[str, object]]:
    """Say, age by age, how much older than wanted the nearest restore point is.

    Args:
        keep: survivors, newest first.
        first_at: when the group's first snapshot was taken; nothing older was ever promised.

    Returns:
        For each age that the history reaches: `age_days`, and `loss_s` from that instant back to
        the newest restore point not younger than it; none where everything that old is gone.
    """
    points: list[dict[str, object]] = []
    for age_days in AGES_DAYS:
        wanted_at = now - timedelta(days=age_days)
        if first_at is None or wanted_at < first_at:
            break
        nearest = next((s.taken_at for s in keep if s.taken_at <= wanted_at), None)
        loss = None if nearest is None else round((wanted_at - nearest).total_seconds())
        points.append({"age_days": age_days, "loss_s": loss})
    return points


def invariants_section(tallies: Sequence[Tally]) -> list[dict[str, object]]:
    """Return each invariant with what was checked."""
    return [
        {"name": t.name, "stated": t.stated, "checked": t.checked, "violated": t.violated}
        for t in tallies
    ]


def _soundness(followed: Following) -> tuple[Tally, ...]:
    if not followed.read:
        return ()
    # Read without restic, every seventh cycle; 5 % is what `restic prune` leaves unused by default.
    stated = "No blob is damaged, prune leaves at most 5 % unused, an off-site copy is complete."
    return (Tally("repository-sound", stated, followed.read, followed.unsound),)


def summary_figures(state: Following, tallies: Sequence[Tally]) -> dict[str, object]:
    """Return the measurements of a timeline, units last."""
    durations = [r.duration_s for r in state.records if r.duration_s is not None]
    sizes = [r.repository_bytes for r in state.records if r.repository_bytes is not None]
    figures: dict[str, object] = {
        "steps": len(state.records),
        "snapshots_created": sum(len(r.created) for r in state.records),
        "snapshots_removed": sum(len(r.removed) for r in state.records),
        "snapshots_kept": state.records[-1].kept if state.records else 0,
        "invariant_checks": sum(t.checked for t in tallies),
    }
    if durations:
        figures["cycle_mean_s"] = round(sum(durations) / len(durations), 3)
    if sizes:
        figures["repository_bytes"] = sizes[-1]
    return figures


def timeline_section(
    simulation: Simulation,
    result: Result,
    *,
    fidelity: str,
    days: int,
    with_steps: bool,
    next_command: str,
) -> dict[str, object]:
    """Return the report's `timeline` section.

    Args:
        with_steps: list every step; a summary for a terminal needs none.
        next_command: what to run next, one rung up.
    """
    followed, steps = result.followed, simulation.steps
    survivors = followed.survivors()
    now = steps[-1].forget_at
    agreement = (
        {"decisions": followed.compared, "agreed": followed.agreed} if followed.compared else None
    )
    return {
        "fidelity": fidelity,
        "restic": simulation.rules.release,
        "days": days,
        "first": steps[0].at.isoformat(),
        "last": steps[-1].at.isoformat(),
        "created": sum(len(record.created) for record in followed.records),
        "steps": [step_section(record) for record in followed.records] if with_steps else [],
        "survivors": survivors_section(survivors),
        "groups": [
            group_section(group, followed.groups, result.promises.bound, now) for group in survivors
        ],
        "agreement": agreement,
        "invariants": invariants_section((*result.promises.tallies(), *_soundness(followed))),
        "notes": notes(simulation, survivors, now),
        "next": next_command,
    }
