"""Settle what looks corrupted: read both sides once more before anything is said.

The live file is hashed again piece by piece, the repository's blobs are read and hashed, and where
the backup holds a manifest of its own it says which of the two is the file as it once was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, zip_longest
from pathlib import Path

from verifier.core.align import Comparison
from verifier.core.entry import CHANGING, VANISHED, shown
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.drill.live import Inspection
from verifier.drill.manifest import Manifest, content_sha256, load_manifest
from verifier.drill.manifest import settle as settle_sides
from verifier.drill.recorded import Record, Recorded
from verifier.drill.target import Target
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository


@dataclass(frozen=True, slots=True)
class Suspect:
    """A file whose content differs though nothing says that it changed.

    Attributes:
        lengths: of its recorded pieces.
    """

    recorded: Recorded
    lengths: Sequence[int]


def settle(
    comparison: Comparison, record: Record, target: Target, folder: Path
) -> tuple[Comparison, tuple[Finding, ...]]:
    """Return the comparison with every `corrupted` settled, and what the manifest says by itself.

    Args:
        folder: scratch space for what travels to and from the host.

    Raises:
        CannotVerify: the host cannot be asked again.
    """
    suspects = _suspects(comparison, record)
    manifest, told = _manifest(record, target, suspects.keys())
    files = [(path, suspect.lengths) for path, suspect in suspects.items()]
    seen = target.inspect(files, folder) if files else {}
    findings, counts = list(comparison.findings), dict(comparison.counts)
    for at, (path, finding) in enumerate(zip(comparison.places, findings, strict=True)):
        if path not in suspects or finding.kind != "corrupted":
            continue
        findings[at] = _settled(finding, suspects[path], seen[path], record.repository, manifest)
        counts["corrupted"] -= 1
        counts[findings[at].kind] = counts.get(findings[at].kind, 0) + 1
    kept = {kind: count for kind, count in counts.items() if count}
    return replace(comparison, findings=tuple(findings), counts=kept), told


def _manifest(
    record: Record, target: Target, wanted: Collection[str]
) -> tuple[Manifest | None, tuple[Finding, ...]]:
    """Return the manifest in the snapshot, and a finding for what it found rotten, or its lack."""
    path = record.places.tree(target.manifest) if target.manifest else None
    if path is None:
        return None, ()
    snapshot = record.snapshot
    found = load_manifest(record.repository, snapshot, path, wanted)
    subject = f"{target.name}:{target.manifest}"
    if found is None:
        detail = f"snapshot {snapshot.short_id} holds no manifest: see what `backup-restic` says"
        return None, (Finding("could-not-verify", subject, detail),)
    if isinstance(found, Damage):
        return None, (Finding("could-not-verify", subject, f"is of no use: {found.what}"),)
    return found, (*_stale(found, record, subject), *_rotten(found, target.name))


def _stale(manifest: Manifest, record: Record, subject: str) -> Iterator[Finding]:
    # Each backup makes one right before it begins; it states whole seconds.
    before = _before(record)
    if before is not None and manifest.started_at < _made_at(before).replace(microsecond=0):
        began = f"was begun at {manifest.started_at:%Y-%m-%d %H:%M} UTC"
        detail = (
            f"the one in snapshot {record.snapshot.short_id} {began}, before snapshot "
            f"{before.short_id}: it settles nothing that was written since; see what "
            "`backup-restic` says"
        )
        yield Finding("stale-manifest", subject, detail)


def _before(record: Record) -> Snapshot | None:
    """Return the backup before, of the same paths of the same host."""
    own = record.snapshot
    group = (
        snapshot
        for snapshot in record.repository.snapshots()
        if (snapshot.host, snapshot.paths) == (own.host, own.paths)
        and _made_at(snapshot) < _made_at(own)
    )
    return max(group, key=_made_at, default=None)


def _made_at(snapshot: Snapshot) -> datetime:
    return snapshot.made_at or snapshot.taken_at


def _rotten(manifest: Manifest, host: str) -> Iterator[Finding]:
    for entry in manifest.rotten:
        yield Finding(
            "corrupted",
            f"{host}:{shown(entry.path)}",
            f"had rotted before the backup: it is not what was read on {entry.since:%Y-%m-%d}",
            {"sha256": entry.sha256, "rotten_sha256": entry.rotten},
        )


def _suspects(comparison: Comparison, record: Record) -> Mapping[str, Suspect]:
    found: dict[str, Suspect] = {}
    for path, finding in zip(comparison.places, comparison.findings, strict=True):
        recorded = record.at(path) if finding.kind == "corrupted" else None
        if recorded is None:
            continue
        lengths = record.repository.plain_lengths(recorded.content)
        if lengths is not None:
            found[path] = Suspect(recorded, lengths)
    return found


def _settled(
    finding: Finding,
    suspect: Suspect,
    seen: Inspection,
    repository: Repository,
    manifest: Manifest | None,
) -> Finding:
    recorded = suspect.recorded
    if seen.error == VANISHED:
        return replace(finding, kind="deleted", detail="was deleted while the drill ran")
    if seen.error == CHANGING or seen.ctime_ns != (recorded.entry.ctime_ns or seen.ctime_ns):
        return replace(finding, kind="changed", detail="was written to while the drill ran")
    if seen.error:
        detail = f"the live file could not be read: {seen.error}"
        return replace(finding, kind="unreadable", detail=detail)
    if seen.pieces == recorded.content:
        detail = "was read differently twice: see to the memory and the disks of this host"
        return replace(finding, kind="could-not-verify", detail=detail)
    backup = content_sha256(repository, recorded.content)
    if isinstance(backup, Damage):
        return replace(finding, kind="lost", detail=f"the repository cannot produce it: {backup}")
    where, evidence = _differences(suspect, seen)
    evidence = {**finding.evidence, **evidence, "backup_sha256": backup, "live_sha256": seen.sha256}
    detail = f"{finding.detail}; both sides were read twice{where}"
    if manifest is not None:
        entry = manifest.entries.get(recorded.entry.path)
        settled = settle_sides(recorded.entry, backup, seen.sha256, entry)
        detail = f"{detail}; by the manifest: {settled.sentence}"
        evidence["rotten_side"] = settled.side.value
    return replace(finding, detail=detail, evidence=evidence)


def _differences(suspect: Suspect, seen: Inspection) -> tuple[str, dict[str, object]]:
    """Return where the content differs, in words and as evidence."""
    ends = list(accumulate(suspect.lengths))
    pairs = zip_longest(suspect.recorded.content, seen.pieces)
    differing = [at for at, (one, other) in enumerate(pairs) if one != other and at < len(ends)]
    if not differing:
        return "", {}
    first = differing[0]
    start = ends[first] - suspect.lengths[first]
    where = f": the first difference lies in bytes {start} to {ends[first] - 1}"
    return where, {"pieces": len(ends), "differing": len(differing), "first_offset": start}
