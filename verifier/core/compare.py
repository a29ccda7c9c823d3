"""Compare a backup with the live files: what a snapshot recorded, and what is there.

Pure, and one pass over both sides. Every path gets one finding; which one rests on the ctime, which
no program can set: content that differs under a recorded ctime has rotted, under a newer one it was
written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from verifier.core.align import Comparison, Links, align, evidence, listing, tally
from verifier.core.entry import CHANGING, VANISHED, Entry, shown
from verifier.core.finding import Finding

_SECOND_NS = 1_000_000_000
_TICK_NS = 10_000_000
_NOWHERE = "\0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DENIED = frozenset({"EACCES", "EPERM"})
_HINT = "; `restic-verify render all` prints what lets the probe read it, and nothing else"
_OWN_RIGHTS = "trusted."
"""Only root sees these attributes: a backup and a probe with other rights differ in them."""

LEFT = "content left to another run"
BENEATH = "beneath a directory that is lost"


def compare(
    recorded: Iterable[Entry],
    observed: Iterable[Entry],
    *,
    taken_at: datetime,
    excluded: Callable[[str], bool] = lambda _: False,
    lost: Mapping[str, str] | None = None,
    proven: Callable[[Entry], object] = lambda _: None,
) -> Comparison:
    """Compare the two sides, each sorted by `path_order`.

    Args:
        taken_at: when the backup began to read, by the clock of the host that has the files.
        excluded: whether a rule leaves a path out of the backup.
        lost: path -> why the repository cannot produce it; may fill while `recorded` is read.
        proven: told of every recorded file whose live content was read and is the same, before the
            next one is read.
    """
    judge = _Judge(taken_at, excluded, {} if lost is None else lost, proven)
    rows = ((row, judge.judge(*row)) for row in align(recorded, observed))
    return tally(rows, judge.skipped)


@dataclass(slots=True)
class _Judge:
    """Judges path after path; what it remembers reaches down a directory or along hard links."""

    taken_at: datetime
    excluded: Callable[[str], bool]
    lost: Mapping[str, str]
    proven: Callable[[Entry], object]
    skipped: Counter[str] = field(default_factory=Counter)
    _moved_in: str = _NOWHERE
    _beneath_lost: str = _NOWHERE
    _not_entered: tuple[str, str] = (_NOWHERE, "")
    _links: Links = field(default_factory=Links)

    def judge(self, recorded: Entry | None, observed: Entry | None) -> Finding | None:
        if observed is not None and observed.error == VANISHED:
            observed = None
        if observed is not None and not observed.entered:
            kind = "unreadable" if observed.error else "excluded"
            self._not_entered = (_below(observed.path), kind)
        if recorded is None:
            return None if observed is None else self._live_only(observed)
        if recorded.path in self.lost:
            if recorded.type == "dir":
                self._beneath_lost = _below(recorded.path)
            detail = f"the repository cannot produce it: {self.lost[recorded.path]}"
            sides = evidence(recorded=recorded, live=observed)
            return Finding("lost", shown(recorded.path), detail, sides)
        return self._recorded(recorded, observed)

    def _live_only(self, observed: Entry) -> Finding | None:
        path, subject = observed.path, shown(observed.path)
        if path.startswith(self._beneath_lost):
            self.skipped[BENEATH] += 1
            return None
        if self.excluded(path):
            return Finding("excluded", subject, "left out by an exclude rule")
        if observed.type == "socket":
            return Finding("excluded", subject, "a socket, which restic never backs up")
        if path.startswith(self._moved_in):
            return Finding("added", subject, "came with a directory that is newer than the backup")
        if observed.ctime_ns is None or _latest(observed.ctime_ns) >= _ns(self.taken_at):
            if observed.type == "dir":
                self._moved_in = _below(path)
            return Finding("added", subject, "created, or moved there, since the backup began")
        detail = "unchanged since before the backup and not excluded, yet not in the snapshot"
        return Finding("missing", subject, detail, evidence(live=observed))

    def _recorded(self, recorded: Entry, observed: Entry | None) -> Finding | None:
        path, subject = recorded.path, shown(recorded.path)
        above, kind = self._not_entered
        if path.startswith(above):
            return Finding(kind, subject, f"beneath {shown(above)}, which was not entered")
        if self.excluded(path):
            detail = "left out by an exclude rule, though this snapshot still holds it"
            return Finding("excluded", subject, detail)
        if observed is None:
            return Finding("deleted", subject, "deleted, or moved away, since the backup")
        if observed.error == CHANGING:
            return Finding("changed", subject, "is being written to while it is read")
        if observed.error:
            hint = _HINT if observed.error in _DENIED else ""
            detail = f"the live {observed.type} could not be read: {observed.error}{hint}"
            return Finding("unreadable", subject, detail)
        return self._pair(recorded, observed)

    def _pair(self, recorded: Entry, observed: Entry) -> Finding | None:
        content = _content_differs(recorded, observed)
        if content is False and recorded.type == observed.type == "file":
            self.proven(recorded)
        names = self._differences(recorded, observed)
        if content is None and not names:
            self.skipped[LEFT] += 1
            return None
        if not content and not names:
            return Finding("identical", shown(recorded.path), "")
        kind, detail = _classify(recorded, observed, content=bool(content), names=names)
        sides = evidence(recorded=recorded, live=observed)
        return Finding(kind, shown(recorded.path), detail, sides)

    def _differences(self, recorded: Entry, observed: Entry) -> tuple[str, ...]:
        """Name what differs besides content."""
        if recorded.type != observed.type:
            return (f"type ({recorded.type}, now {observed.type})",)
        mode = recorded.type != "symlink" and recorded.permissions != observed.permissions
        differs = {
            "mode": mode,
            "uid": recorded.uid != observed.uid,
            "gid": recorded.gid != observed.gid,
            "mtime": recorded.mtime_ns != observed.mtime_ns,
            "link target": recorded.linktarget != observed.linktarget,
            "device number": recorded.device != observed.device,
            "extended attributes": _attributes_differ(recorded, observed),
            "hard links": self._links.differ(recorded, observed),
        }
        return tuple(name for name, found in differs.items() if found)


def _classify(
    recorded: Entry, observed: Entry, *, content: bool, names: tuple[str, ...]
) -> tuple[str, str]:
    what = listing(("content", *names) if content else names)
    mtime_kept = recorded.mtime_ns == observed.mtime_ns
    if recorded.ctime_ns is None:
        untouched, newer, by = mtime_kept, False, "mtime, for the snapshot holds no ctime"
    else:
        untouched = recorded.ctime_ns == observed.ctime_ns
        newer, by = (observed.ctime_ns or 0) > recorded.ctime_ns, "ctime"
    if untouched:
        kind = "corrupted" if content else "metadata"
        return kind, f"differs in {what}, though nothing says that it changed (judged by {by})"
    if content and mtime_kept and newer:
        return (
            "changed-mtime-kept",
            f"differs in {what} under an unchanged mtime; the ctime is newer",
        )
    return "changed", f"changed in {what} since the backup (judged by {by})"


def _content_differs(recorded: Entry, observed: Entry) -> bool | None:
    """Say whether the contents differ; None where the live one was not read."""
    if not recorded.type == observed.type == "file":
        return False
    if recorded.size != observed.size:
        return True
    assert recorded.sha256, f"the recorded {recorded.path!r} has no content"
    return None if observed.sha256 is None else recorded.sha256 != observed.sha256


def _attributes_differ(recorded: Entry, observed: Entry) -> bool:
    if recorded.attributes is None or observed.attributes is None:
        return False
    if recorded.attributes == observed.attributes:
        return False
    sides = [
        {name: value for name, value in attributes.items() if not name.startswith(_OWN_RIGHTS)}
        for attributes in (recorded.attributes, observed.attributes)
    ]
    return sides[0] != sides[1]


def _below(directory: str) -> str:
    return directory.rstrip("/") + "/"


def _latest(ctime_ns: int) -> int:
    # The kernel stamps with the time of its last tick, some file systems with the last second.
    return ctime_ns + (_TICK_NS if ctime_ns % _SECOND_NS else _SECOND_NS)


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
