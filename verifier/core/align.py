"""What all comparisons share: two sides of a tree paired by path, and counts of what is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from verifier.core.entry import Entry, path_order, shown
from verifier.core.finding import KINDS, Finding, Verdict

LISTED_PER_KIND = 20
"""How many findings of an OK kind are listed; the counts are always whole."""

EXCLUDED_LISTED = 5
"""The same for what rules leave out: rules are counted by themselves."""

TOLD_PER_KIND = 1_000
"""How many findings of any kind a report lists of one snapshot; one more counts the rest."""

_LOOKED_INTO = frozenset({"corrupted", "lost", "could-not-verify"})
"""Kinds of which every path is asked for once more, so that none is dropped before that."""

Row = tuple[Entry | None, Entry | None]

_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found.

    Attributes:
        findings: in the order of the paths; of most kinds the first ones, never `identical`.
        counts: kind -> paths, whole.
        skipped: what was not compared and why -> paths.
        places: path of every finding of `findings`, as it is and not as it is shown.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    places: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many paths got a finding."""
        return sum(self.counts.values())

    @property
    def checked(self) -> int:
        """How many of them were looked at on all sides that have them."""
        unseen = ("excluded", "unreadable", "could-not-verify")
        return self.total - sum(self.counts.get(kind, 0) for kind in unseen)


@dataclass(frozen=True, slots=True)
class Links:
    """Hard links seen so far, on each of two sides."""

    _first: tuple[dict[tuple[int, int], str], dict[tuple[int, int], str]] = field(
        default_factory=lambda: ({}, {})
    )

    def differ(self, one: Entry, other: Entry) -> bool:
        """Say whether two entries of one path are linked to other paths on one side."""
        if one.inode is None and other.inode is None:
            return False
        # Of each set of links the first one seen on both sides stands for it.
        first = [
            table.setdefault(entry.inode, entry.path) if entry.inode else entry.path
            for table, entry in zip(self._first, (one, other), strict=True)
        ]
        return first[0] != first[1]


def tally(judged: Iterable[tuple[Row, Finding | None]], skipped: Counter[str]) -> Comparison:
    """Count and list the findings of all rows; `skipped` is read at the end."""
    findings: list[Finding] = []
    places: list[str] = []
    counts: Counter[str] = Counter()
    for row, finding in judged:
        if finding is None:
            continue
        counts[finding.kind] += 1
        if _is_listed(finding, counts[finding.kind]):
            findings.append(finding)
            places.append(next(entry.path for entry in row if entry is not None))
    return Comparison(tuple(findings), dict(counts), dict(skipped), tuple(places))


def told(comparison: Comparison, host: str) -> Iterator[Finding]:
    """Yield the findings that a report lists of a host, and one of each kind for all the rest."""
    listed: Counter[str] = Counter()
    for finding in comparison.findings:
        listed[finding.kind] += 1
        if listed[finding.kind] <= TOLD_PER_KIND:
            yield replace(finding, subject=f"{host}:{finding.subject}")
    for kind, count in comparison.counts.items():
        rest = count - TOLD_PER_KIND
        if rest > 0 and KINDS[kind].severity is not Verdict.OK:
            detail = f"{rest} more paths; the first {TOLD_PER_KIND} by name are listed"
            yield Finding(kind, host, detail, {"count": rest})


def align(one: Iterable[Entry], other: Iterable[Entry]) -> Iterator[Row]:
    """Pair the entries of two sides, each sorted by `path_order`, by their paths.

    A row is given before the next entry of either side that it holds is asked for.
    """
    lefts, rights = _keyed(one), _keyed(other)
    left, right = next(lefts, None), next(rights, None)
    while left or right:
        if right is None or (left and left[0] < right[0]):
            assert left is not None, "one of both is left"
            yield left[1], None
            left = next(lefts, None)
        elif left is None or right[0] < left[0]:
            yield None, right[1]
            right = next(rights, None)
        else:
            yield left[1], right[1]
            left, right = next(lefts, None), next(rights, None)


def evidence(**sides: Entry | None) -> dict[str, object]:
    """Return what the sides show, JSON-ready."""
    return {name: _side(entry) for name, entry in sides.items() if entry is not None}


def listing(names: tuple[str, ...]) -> str:
    """Return names as people list them: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is_listed(finding: Finding, count: int) -> bool:
    if finding.severity is not Verdict.OK:
        return finding.kind in _LOOKED_INTO or count <= TOLD_PER_KIND
    limits = {"identical": 0, "excluded": EXCLUDED_LISTED}
    return count <= limits.get(finding.kind, LISTED_PER_KIND)


def _keyed(entries: Iterable[Entry]) -> Iterator[tuple[bytes, Entry]]:
    before = b""
    for entry in entries:
        key = path_order(entry.path)
        assert before < key or not before, f"{entry.path!r} comes after what follows it"
        before = key
        yield key, entry


def _side(entry: Entry) -> dict[str, object]:
    values: dict[str, object] = {
        "type": entry.type,
        "size": entry.size,
        "mode": f"{entry.permissions:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": _instant(entry.mtime_ns),
        "ctime": _instant(entry.ctime_ns),
        "content": entry.sha256,
        "linktarget": None if entry.linktarget is None else shown(entry.linktarget),
    }
    return {name: value for name, value in values.items() if value is not None}


def _instant(ns: int | None) -> str | None:
    if ns is None:
        return None
    try:
        whole = _EPOCH + timedelta(seconds=ns // _SECOND_NS)
    except OverflowError:
        return f"{ns} ns"
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ns % _SECOND_NS:09}Z"
