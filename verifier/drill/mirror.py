"""A copy made file by file, as `rclone sync` does, against its repository.

Names and sizes of all files come from listings, and the small files are read. A pack's content is
not: its name is its SHA-256, which `check_packs` recomputes. A mirror may lag: it is then an older
state of the repository, and judged by the snapshots that can be restored from it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter

from verifier.core.finding import Finding
from verifier.drill.matching import LISTED
from verifier.drill.offsite import Compared, compare_snapshots, damaged
from verifier.reader.damage import Flaw
from verifier.reader.plain import MAX_DOCUMENT_BYTES
from verifier.reader.repository import Repository
from verifier.reader.storage import Storage

KINDS = ("keys", "snapshots", "index", "data")
"""Every kind of file but locks, which say nothing about a copy."""


@dataclass(slots=True)
class _Files:
    """What two listings show.

    Attributes:
        differing: names of one file with two sizes: (in the repository, in the mirror).
        absent, extra: kind -> files of the repository alone, of the mirror alone.
    """

    differing: dict[str, tuple[int, int]] = field(default_factory=dict)
    absent: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)
    both: Counter[str] = field(default_factory=Counter)


def compare_mirror(
    primary: Repository, mirror: Storage, *, now: datetime, max_lag: timedelta
) -> Compared:
    """Compare a repository with its mirror; both are to be at rest.

    The mirror is opened with the repository's own master key, so that it can be judged even where
    its key files are lost.

    Args:
        max_lag: how long a snapshot may take to reach the mirror.

    Raises:
        RepositoryUnreadable: one of the two cannot be read at all.
    """
    copy = Repository(mirror, primary.keys)
    files = _compare_files(primary.storage, mirror)
    compared = compare_snapshots(primary, copy, now=now, max_lag=max_lag)
    told = {"config", *files.differing}
    findings = (
        *_config(primary.storage, mirror),
        *_keys(files),
        *_sizes(files),
        *damaged(damage for damage in copy.damages() if damage.file not in told),
        *compared.findings,
    )
    section = {"method": "rclone-sync", **compared.section, "files": _counts(files)}
    return Compared(findings, section, compared.checked, compared.total)


def _compare_files(primary: Storage, mirror: Storage) -> _Files:
    files = _Files()
    for kind in KINDS:
        for name, ours, theirs in _align(primary, mirror, kind):
            if theirs is None:
                files.absent[kind] += 1
            elif ours is None:
                files.extra[kind] += 1
            else:
                files.both[kind] += 1
                if ours != theirs:
                    files.differing[name] = ours, theirs
    return files


def _align(
    primary: Storage, mirror: Storage, kind: str
) -> Iterator[tuple[str, int | None, int | None]]:
    # Both listings come in order, so neither is ever whole in memory.
    merged = heapq.merge(_sized(0, primary, kind), _sized(1, mirror, kind))
    for name, group in groupby(merged, key=itemgetter(0)):
        found = {side: size_bytes for _, side, size_bytes in group}
        yield name, found.get(0), found.get(1)


def _sized(side: int, storage: Storage, kind: str) -> Iterator[tuple[str, int, int]]:
    for name, size_bytes in storage.sizes(kind):
        yield name, side, size_bytes


def _config(primary: Storage, mirror: Storage) -> Iterator[Finding]:
    theirs = mirror.read_whole("config", MAX_DOCUMENT_BYTES)
    if isinstance(theirs, Flaw):
        yield Finding("copy-lacks", "off-site config", f"{theirs.what}; nothing opens without it")
        return
    ours = primary.read_whole("config", MAX_DOCUMENT_BYTES)
    if isinstance(ours, bytes) and ours != theirs:
        yield Finding("copy-differs", "off-site config", "is another than the repository's")


def _keys(files: _Files) -> Iterator[Finding]:
    if not files.both["keys"]:
        detail = "none of the repository's key files is in the copy; no password opens it"
        yield Finding("copy-lacks", "off-site keys", detail)
    elif files.absent["keys"]:
        detail = f"{files.absent['keys']} of the repository's key files is not in the copy yet"
        yield Finding("copy-lags", "off-site keys", detail)
    if files.extra["keys"]:
        detail = f"{files.extra['keys']} that the repository has no more still open the copy"
        yield Finding("copy-extra", "off-site keys", detail)


def _sizes(files: _Files) -> Iterator[Finding]:
    for name, (ours, theirs) in islice(files.differing.items(), LISTED):
        detail = f"is {theirs} bytes long where the repository's is {ours}"
        sizes = {"bytes": theirs, "repository_bytes": ours}
        yield Finding("copy-differs", f"off-site {name}", detail, sizes)
    rest = len(files.differing) - LISTED
    if rest > 0:
        detail = f"{rest} more files have another size than the repository's"
        yield Finding("copy-differs", "off-site files", detail, {"count": rest})


def _counts(files: _Files) -> dict[str, object]:
    return {
        kind: {
            "both": files.both[kind],
            "absent": files.absent[kind],
            "extra": files.extra[kind],
        }
        for kind in KINDS
    }
