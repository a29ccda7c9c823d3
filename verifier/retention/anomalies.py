"""Anomalies between two neighbouring snapshots of a group: what shrank, changed or was scrambled.

Each change is held against the ones before it in the same group, by their median and its absolute
deviation, which a few odd nights do not move, and against fixed floors, without which a group that
never changes would alarm at its first change. docs/audit.md has the numbers' reasons and the rate
of false alarms that was measured with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot

SPREAD = 6.0
"""How many scaled deviations above the median are unusual."""

_SCALE = 1.4826
"""What makes the median absolute deviation of normal values their standard deviation."""

SHRUNK_FILES, SHRUNK_FILES_MIN = 0.20, 10
SHRUNK_BYTES, SHRUNK_BYTES_MIN = 0.50, 1 << 20
CHANGED_FILES, CHANGED_FILES_MIN = 0.40, 20
"""Floors: the share below which nothing is said, and the number below which no share is."""

SCRAMBLED_MIN = 8
"""Fewer scrambled files than this are no signal."""

SCRAMBLED_SHARE = 0.5
"""Of the files that could be judged (compressible before, changed since), so many scrambled."""

SCRAMBLED_MANY = 100
"""So many scrambled files alarm whatever else changed."""

SCRAMBLED_ALL = 0.9
"""Where so large a share of a set has other content, two scrambled files are enough, if no file
that could be judged is anything else: some sets are three large files."""

REVERSED = 4
"""As long as there are so many times fewer files that went the other way: a cache that is reused
turns as many texts to pictures as pictures to texts, an attack does not."""


@dataclass(frozen=True, slots=True)
class Change:
    """What lies between two neighbouring snapshots of one group.

    Attributes:
        files_before, bytes_before, files_after, bytes_after: of the whole trees.
        added, removed, changed: files, those that only moved not counted among them.
        judged: changed files that were compressible before and can be judged now.
        scrambled: those of them whose content cannot be compressed any more.
        reversed: changed files that could not be compressed before and now can.
        examples: paths of some scrambled files.
        whole: both trees could be read to their end.
        counted: files and bytes are those of whole trees, or as the backups stated them.
    """

    before: Snapshot
    after: Snapshot
    files_before: int
    bytes_before: int
    files_after: int
    bytes_after: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    judged: int = 0
    scrambled: int = 0
    reversed: int = 0
    examples: tuple[str, ...] = ()
    whole: bool = True
    counted: bool = True

    @property
    def days(self) -> float:
        """The time between the two snapshots."""
        return (self.after.taken_at - self.before.taken_at) / timedelta(days=1)

    @property
    def lost_files(self) -> float:
        """The share of files by which the set shrank; below 0 where it grew."""
        return 1 - self.files_after / self.files_before if self.files_before else 0.0

    @property
    def lost_bytes(self) -> float:
        """The share of bytes by which the set shrank; below 0 where it grew."""
        return 1 - self.bytes_after / self.bytes_before if self.bytes_before else 0.0

    @property
    def replaced(self) -> int:
        """Files with other content than before, under the same name or a new one."""
        return self.changed + min(self.added, self.removed)

    @property
    def changed_files(self) -> float:
        """The share of the files that have other content than before."""
        return self.replaced / self.files_before if self.files_before else 0.0


def check_changes(changes: Sequence[Change], subject: str, *, since: datetime) -> Iterator[Finding]:
    """Yield what is unusual about a group's changes.

    Args:
        changes: oldest first; those before `since` are the history that the others are held
            against, and are not judged again.
    """
    for number, change in enumerate(changes):
        if change.after.taken_at >= since:
            yield from _check(change, changes[:number], subject)


def _check(change: Change, history: Sequence[Change], subject: str) -> Iterator[Finding]:
    known = [c for c in history if c.whole]
    if change.counted:
        yield from _shrunk(change, known, subject)
    # What lies longer between two snapshots may change more: the history is taken by the day.
    rates = [c.changed_files / max(c.days, 1.0) for c in known]
    most = max(CHANGED_FILES, _limit(rates, 0.0) * max(change.days, 1.0))
    if change.changed_files > most and change.replaced >= CHANGED_FILES_MIN:
        detail = f"has other content in {change.replaced} of {change.files_before} files"
        yield _finding("mass-change", subject, change, detail, change.changed_files, most)
    if is_scrambled(change):
        yield _scrambled(subject, change)


def _shrunk(change: Change, known: Sequence[Change], subject: str) -> Iterator[Finding]:
    unusual = _limit([c.lost_files for c in known], SHRUNK_FILES)
    files, bytes_ = change.files_before - change.files_after, change.bytes_before
    bytes_ -= change.bytes_after
    if change.lost_files > unusual and files >= SHRUNK_FILES_MIN:
        detail = f"holds {files} of {change.files_before} files less"
        yield _finding("shrunk", subject, change, detail, change.lost_files, unusual)
    elif (
        change.lost_bytes > (least := _limit([c.lost_bytes for c in known], SHRUNK_BYTES))
        and bytes_ >= SHRUNK_BYTES_MIN
    ):
        detail = f"holds {bytes_} of {change.bytes_before} bytes less"
        yield _finding("shrunk", subject, change, detail, change.lost_bytes, least)


def _limit(shares: Sequence[float], floor: float) -> float:
    if not shares:
        return floor
    middle = median(shares)
    deviation = median(abs(share - middle) for share in shares)
    return max(floor, middle + SPREAD * _SCALE * deviation)


def is_scrambled(change: Change) -> bool:
    """Tell whether a change looks like the work of who encrypts files to extort money."""
    scrambled, judged = change.scrambled, change.judged
    if scrambled < max(2, REVERSED * change.reversed):
        return False
    if scrambled < SCRAMBLED_MIN:
        return scrambled == judged and change.changed_files >= SCRAMBLED_ALL
    return scrambled >= SCRAMBLED_SHARE * judged or scrambled >= SCRAMBLED_MANY


def _finding(
    kind: str, subject: str, change: Change, detail: str, share: float, limit: float
) -> Finding:
    after, before = change.after, change.before
    text = (
        f"snapshot {after.short_id} of {_minute(after)} {detail} than {before.short_id} of "
        f"{_minute(before)}: {share:.0%}, where over {limit:.0%} is unusual"
    )
    return Finding(kind, subject, text, _evidence(change))


def _scrambled(subject: str, change: Change) -> Finding:
    after, before = change.after, change.before
    text = (
        f"of {change.judged} files that changed from snapshot {before.short_id} of "
        f"{_minute(before)} to {after.short_id} of {_minute(after)}, {change.scrambled} could be "
        "compressed before and cannot now, as if they had been encrypted: look at them, and keep "
        f"{before.short_id} (`restic tag`, keep-tag) before any forget"
    )
    evidence = {**_evidence(change), "examples": list(change.examples)}
    return Finding("scrambled", subject, text, evidence)


def _evidence(change: Change) -> dict[str, object]:
    return {
        "before": change.before.id,
        "after": change.after.id,
        "files_before": change.files_before,
        "files_after": change.files_after,
        "bytes_before": change.bytes_before,
        "bytes_after": change.bytes_after,
        "added": change.added,
        "removed": change.removed,
        "changed": change.changed,
        "judged": change.judged,
        "scrambled": change.scrambled,
    }


def _minute(snapshot: Snapshot) -> str:
    return snapshot.taken_at.isoformat(sep=" ", timespec="minutes")
