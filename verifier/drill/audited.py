"""What an audit has to say: the parts of a report, and its own section of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.core.decision import GroupKey
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.retention.ages import Age
from verifier.retention.anomalies import Change
from verifier.retention.dating import Suspect
from verifier.retention.gaps import Gap, gap_text


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit has to say: the parts of a report.

    Attributes:
        checked, total: snapshots.
        skipped: reason -> how many were not looked at for it.
    """

    findings: tuple[Finding, ...]
    section: Mapping[str, object]
    measurements: Mapping[str, object]
    checked: int
    total: int
    skipped: Mapping[str, int]


def group_section(
    key: GroupKey,
    group: Sequence[Snapshot],
    gaps: Sequence[Gap],
    changes: Sequence[Change],
    next_removed: int,
) -> dict[str, object]:
    """Return one group: its snapshots are given oldest first."""
    return {
        "host": key.host,
        "paths": list(key.paths),
        "tags": list(key.tags),
        "snapshots": len(group),
        "oldest": group[0].taken_at.isoformat(),
        "newest": group[-1].taken_at.isoformat(),
        "next_removed": next_removed,
        "gaps": [{"rule": gap.rule, "words": gap_text(gap)} for gap in gaps],
        "changes": [_change(change) for change in changes],
    }


def host_section(age: Age) -> dict[str, object]:
    """Return one host and the age of its newest snapshot."""
    return {
        "host": age.host,
        "expected": age.expected,
        "newest": age.newest.taken_at.isoformat() if age.newest else None,
        "age_s": round(age.age.total_seconds()) if age.age is not None else None,
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "snapshot": change.after.id,
        "time": change.after.taken_at.isoformat(),
        "files": change.files_after,
        "bytes": change.bytes_after,
        "added": change.added,
        "removed": change.removed,
        "changed": change.changed,
        "scrambled": change.scrambled,
    }


def suspect_section(suspect: Suspect) -> dict[str, object]:
    """Return one snapshot whose date is not believed."""
    snapshot = suspect.snapshot
    return {
        "id": snapshot.id,
        "host": snapshot.host,
        "time": snapshot.taken_at.isoformat(),
        "kind": suspect.kind,
        "why": suspect.why,
    }
