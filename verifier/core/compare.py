"""Compare three sides of a tree: what a snapshot recorded, what was restored, what is live.

Pure. Every path gets one finding; which one rests on the ctime, which no program can set: content
that differs under a recorded ctime has rotted, under a newer one it was written.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter

from verifier.core.entry import CHANGING, VANISHED, Entry, Rights, path_order, shown
from verifier.core.finding import Finding, Verdict

LISTED_PER_KIND = 20
"""How many findings of an OK kind are listed; the counts are always whole."""

_SECOND_NS = 1_000_000_000
_TICK_NS = 10_000_000
_NOWHERE = "\0"
_DEVICES = frozenset({"dev", "chardev"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found.

    Attributes:
        findings: in the order of the paths; of OK kinds the first few, never `identical`.
        counts: kind -> paths, whole.
        skipped: what was not compared and why -> paths.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    skipped: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many paths there were."""
        return sum(self.counts.values())

    @property
    def checked(self) -> int:
        """How many of them were looked at on all sides that have them."""
        unseen = ("excluded", "unreadable", "could-not-verify")
        return self.total - sum(self.counts.get(kind, 0) for kind in unseen)


def compare(
    recorded: Iterable[Entry],
    restored: Iterable[Entry],
    observed: Iterable[Entry],
    *,
    taken_at: datetime,
    excluded: Callable[[str], bool] = lambda _: False,
    failures: Mapping[str, str] | None = None,
    rights: Rights | None = None,
) -> Comparison:
    """Compare the three sides, each sorted by `path_order`.

    Args:
        taken_at: when the backup began to read, by the clock of the host that has the files.
        excluded: whether a rule leaves a path out of the backup.
        failures: path -> what restic said when it could not restore its content.
        rights: what the restore was able to do; everything where none are given.
    """
    judge = _Judge(taken_at, excluded, failures or {}, rights or Rights())
    findings: list[Finding] = []
    counts: Counter[str] = Counter()
    for sides in _align(recorded, restored, observed):
        finding = judge.judge(*sides)
        if finding is None:
            continue
        counts[finding.kind] += 1
        if _is_listed(finding, counts[finding.kind]):
            findings.append(finding)
    return Comparison(tuple(findings), dict(counts), dict(judge.skipped))


def _is_listed(finding: Finding, count: int) -> bool:
    if finding.severity is not Verdict.OK:
        return True
    return finding.kind != "identical" and count <= LISTED_PER_KIND


def _keyed(side: int, entries: Iterable[Entry]) -> Iterator[tuple[bytes, int, Entry]]:
    before = b""
    for entry in entries:
        key = path_order(entry.path)
        assert before < key or not before, f"{entry.path!r} comes after what follows it"
        before = key
        yield key, side, entry


def _align(*sides: Iterable[Entry]) -> Iterator[list[Entry | None]]:
    streams = (_keyed(number, entries) for number, entries in enumerate(sides))
    merged = heapq.merge(*streams, key=itemgetter(0, 1))
    for _, group in groupby(merged, key=itemgetter(0)):
        row: list[Entry | None] = [None] * len(sides)
        for _, side, entry in group:
            row[side] = entry
        yield row


@dataclass(slots=True)
class _Judge:
    """Judges path after path; what it remembers reaches down a directory or along hard links."""

    taken_at: datetime
    excluded: Callable[[str], bool]
    failures: Mapping[str, str]
    rights: Rights
    skipped: Counter[str] = field(default_factory=Counter)
    _moved_in: str = _NOWHERE
    _not_entered: tuple[str, str] = (_NOWHERE, "")
    _links: tuple[dict[tuple[int, int], str], dict[tuple[int, int], str]] = field(
        default_factory=lambda: ({}, {})
    )

    def judge(
        self, recorded: Entry | None, restored: Entry | None, observed: Entry | None
    ) -> Finding | None:
        if observed is not None and observed.error == VANISHED:
            observed = None
        if observed is not None and not observed.entered:
            kind = "unreadable" if observed.error else "excluded"
            self._not_entered = (_below(observed.path), kind)
        if recorded is None:
            return self._unrecorded(restored, observed)
        bad = self._lost(recorded, restored, observed)
        if bad is not None:
            return bad
        finding = self._against_live(recorded, restored, observed)
        lacking = self._lacking(recorded, restored) if restored is not None else ()
        if lacking and finding.severity is Verdict.OK:
            evidence = _evidence(recorded=recorded, restored=restored)
            detail = f"the restored copy does not carry its recorded {_listing(lacking)}"
            return Finding("metadata", finding.subject, detail, evidence)
        return finding

    def _unrecorded(self, restored: Entry | None, observed: Entry | None) -> Finding | None:
        if observed is not None:
            return self._live_only(observed)
        if restored is None:
            return None
        detail = "was restored, though the snapshot does not list it"
        return Finding("metadata", shown(restored.path), detail)

    def _live_only(self, observed: Entry) -> Finding:
        path, subject = observed.path, shown(observed.path)
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
        return Finding("missing", subject, detail, _evidence(live=observed))

    def _lost(
        self, recorded: Entry, restored: Entry | None, observed: Entry | None
    ) -> Finding | None:
        detail = self._why_lost(recorded, restored)
        device = recorded.type in _DEVICES and not self.rights.devices
        failure = "" if device else self.failures.get(recorded.path, "")
        subject = shown(recorded.path)
        unread = restored.error if restored is not None else ""
        if not detail and not failure and not unread:
            return None
        evidence = _evidence(recorded=recorded, restored=restored, live=observed)
        if detail:
            return Finding("lost", subject, ": ".join(filter(None, (detail, failure))), evidence)
        if unread:
            detail = f"its restored copy could not be read: {unread}"
            return Finding("could-not-verify", subject, detail, evidence)
        if _proves(restored, observed):
            detail = f"restored with the content of the live file, but: {failure}"
            return Finding("metadata", subject, detail, evidence)
        return Finding("lost", subject, f"restic could not restore it: {failure}", evidence)

    def _why_lost(self, recorded: Entry, restored: Entry | None) -> str:
        if restored is None:
            if recorded.type == "socket":
                self.skipped["restic never restores a socket"] += 1
            elif recorded.type in _DEVICES and not self.rights.devices:
                self.skipped["device not restored: it takes more rights"] += 1
            else:
                return "the snapshot lists it, but it was not restored"
        elif recorded.type != restored.type:
            return f"recorded as {recorded.type}, restored as {restored.type}"
        elif recorded.type == "file" and recorded.size != restored.size:
            return f"recorded with {recorded.size} bytes, restored with {restored.size}"
        elif recorded.sha256 and restored.sha256 and recorded.sha256 != restored.sha256:
            return "its restored content is not the recorded one"
        return ""

    def _lacking(self, recorded: Entry, restored: Entry) -> tuple[str, ...]:
        owner = self.rights.owner
        if not owner:
            self.skipped["owner as restored: it takes more rights"] += 1
        # Without the owner's rights the kernel drops setuid and setgid again.
        mask = 0o7777 if owner else 0o777
        symlink = recorded.type == "symlink"
        differs = {
            "mode": not symlink and (recorded.permissions ^ restored.permissions) & mask,
            "uid": owner and recorded.uid != restored.uid,
            "gid": owner and recorded.gid != restored.gid,
            "mtime": recorded.mtime_ns != restored.mtime_ns,
        }
        return tuple(name for name, found in differs.items() if found)

    def _against_live(
        self, recorded: Entry, restored: Entry | None, observed: Entry | None
    ) -> Finding:
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
            detail = f"the live {observed.type} could not be read: {observed.error}"
            return Finding("unreadable", subject, detail)
        return self._pair(recorded, restored, observed)

    def _pair(self, recorded: Entry, restored: Entry | None, observed: Entry) -> Finding:
        content = restored is not None and _content_differs(restored, observed)
        names = self._differences(recorded, restored, observed)
        if not content and not names:
            return Finding("identical", shown(recorded.path), "")
        kind, detail = _classify(recorded, observed, content=content, names=names)
        evidence = _evidence(recorded=recorded, restored=restored, live=observed)
        return Finding(kind, shown(recorded.path), detail, evidence)

    def _differences(
        self, recorded: Entry, restored: Entry | None, observed: Entry
    ) -> tuple[str, ...]:
        """Name what differs besides content; links and attributes only a restore can show."""
        if recorded.type != observed.type:
            return (f"type ({recorded.type}, now {observed.type})",)
        mode = recorded.type != "symlink" and recorded.permissions != observed.permissions
        differs = {
            "mode": mode,
            "uid": recorded.uid != observed.uid,
            "gid": recorded.gid != observed.gid,
            "mtime": recorded.mtime_ns != observed.mtime_ns,
        }
        if restored is not None:
            differs |= {
                "link target": restored.linktarget != observed.linktarget,
                "device number": restored.device != observed.device,
                "extended attributes": self._attributes_differ(restored, observed),
                "hard links": self._links_differ(restored, observed),
            }
        return tuple(name for name, found in differs.items() if found)

    def _attributes_differ(self, restored: Entry, observed: Entry) -> bool:
        if restored.attributes is None or observed.attributes is None:
            return False
        known = [_within(e.attributes or {}, self.rights) for e in (restored, observed)]
        if known[1] != observed.attributes:
            self.skipped["extended attributes that take more rights to restore"] += 1
        return known[0] != known[1]

    def _links_differ(self, restored: Entry, observed: Entry) -> bool:
        # Of each set of links the first one seen on both sides stands for it.
        first = [
            table.setdefault(entry.inode, entry.path) if entry.inode else entry.path
            for table, entry in zip(self._links, (restored, observed), strict=True)
        ]
        return first[0] != first[1]


def _classify(
    recorded: Entry, observed: Entry, *, content: bool, names: tuple[str, ...]
) -> tuple[str, str]:
    what = _listing(("content", *names) if content else names)
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


def _content_differs(restored: Entry, observed: Entry) -> bool:
    if not restored.type == observed.type == "file":
        return False
    assert restored.sha256, f"the restored {restored.path!r} was not read"
    assert observed.sha256, f"the live {observed.path!r} was not read"
    return restored.sha256 != observed.sha256


def _proves(restored: Entry | None, observed: Entry | None) -> bool:
    # Where the live file has the restored content, whatever restic complained of spared it.
    if restored is None or observed is None or restored.sha256 is None:
        return False
    return restored.sha256 == observed.sha256


def _below(directory: str) -> str:
    return directory.rstrip("/") + "/"


def _within(attributes: Mapping[str, str], rights: Rights) -> dict[str, str]:
    return {n: v for n, v in attributes.items() if n.partition(".")[0] in rights.namespaces}


def _latest(ctime_ns: int) -> int:
    # The kernel stamps with the time of its last tick, some file systems with the last second.
    return ctime_ns + (_TICK_NS if ctime_ns % _SECOND_NS else _SECOND_NS)


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(ns: int | None) -> str | None:
    if ns is None:
        return None
    try:
        whole = _EPOCH + timedelta(seconds=ns // _SECOND_NS)
    except OverflowError:
        return f"{ns} ns"
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ns % _SECOND_NS:09}Z"


def _evidence(**sides: Entry | None) -> dict[str, object]:
    return {name: _side(entry) for name, entry in sides.items() if entry is not None}


def _side(entry: Entry) -> dict[str, object]:
    values: dict[str, object] = {
        "type": entry.type,
        "size": entry.size,
        "mode": f"{entry.permissions:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": _instant(entry.mtime_ns),
        "ctime": _instant(entry.ctime_ns),
        "sha256": entry.sha256,
        "linktarget": None if entry.linktarget is None else shown(entry.linktarget),
    }
    return {name: value for name, value in values.items() if value is not None}


def _listing(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
