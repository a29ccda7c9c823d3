"""Whether a simulated repository and its copy are sound, read without restic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from verifier.core.errors import RepositoryUnreadable
from verifier.core.finding import Finding
from verifier.reader.repository import Repository, open_repository
from verifier.reader.verify import unreachable, verify

UNUSED_SHARE = 0.05
"""What `restic prune` leaves unused by default: 5 % of the repository (`--max-unused`)."""


def check_repository(repository: Repository, day: str, *, pruned: bool) -> Iterator[Finding]:
    """Yield what is damaged and, after a prune, what prune should not have left."""
    for damage in verify(repository, read_data=True).damages:
        yield Finding("lost", damage.file, f"on {day}: {damage.what}")
    if not pruned:
        return
    spare = unreachable(repository)
    spare_bytes = sum(blob.length for blob in spare.blobs)
    held_bytes = sum(blob.length for blob in repository.blobs())
    if spare_bytes > UNUSED_SHARE * held_bytes or spare.packs:
        detail = f"on {day}, after prune: {spare_bytes} of {held_bytes} bytes serve no snapshot"
        yield Finding("unreachable-data", day, detail, {"packs": list(spare.packs[:20])})


def check_offsite(
    repository: Repository, target: Path, password: str, day: str
) -> Iterator[Finding]:
    """Yield what the off-site copy lacks."""
    try:
        copy = open_repository(target, password)
    except RepositoryUnreadable as error:
        yield Finding("step-failed", "off-site", f"on {day} there is no copy: {error}")
        return
    held = {(s.host, s.taken_at, s.paths) for s in copy.snapshots()}
    missing = [s for s in repository.snapshots() if (s.host, s.taken_at, s.paths) not in held]
    if missing:
        detail = (
            f"on {day} the off-site copy lacks {len(missing)} snapshots, the newest of "
            f"{missing[-1].taken_at}"
        )
        yield Finding("step-failed", "off-site", detail)
    for damage in verify(copy, read_data=False).damages:
        detail = f"on {day} the off-site copy is damaged: {damage.what}"
        yield Finding("lost", f"off-site {damage.file}", detail)
