"""What a manifest settles: where a live file and its backup differ, which of the two has rotted.

Reads what `manifest_script.py` writes, out of the snapshot that holds it, blob by blob; nothing is
restored. A manifest that is not whole to its last byte settles nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from verifier.core.entry import Entry
from verifier.core.snapshot import Snapshot, parse_instant
from verifier.core.tree import Node
from verifier.reader.damage import Damage, Flaw
from verifier.reader.plain import parse_json
from verifier.reader.repository import Repository

FORMAT = 1
MAX_LINE_BYTES = 64 << 10
"""A path of 4,096 bytes, each of them escaped, is less than half of that."""

ROTTEN_KEPT = 1_000

_NEVER = datetime.min.replace(tzinfo=UTC)


class Side(Enum):
    """Which side of a difference is not what was once written."""

    NEITHER = "neither"
    LIVE = "live"
    BACKUP = "backup"
    BOTH = "both"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Settled:
    """Which side is bad, and a sentence that says why."""

    side: Side
    sentence: str


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """What a manifest says of one file.

    Attributes:
        sha256: of its whole content, as it was first read under these times.
        since: the start of the run that read it then.
        rotten: SHA-256 of another content found later under the same times; empty for none.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str
    since: datetime
    rotten: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, as far as it was asked for.

    Attributes:
        entries: path -> entry, of the wanted paths that it has.
        rotten: the first `ROTTEN_KEPT` entries, wanted or not, that were found rotten when the
            manifest was made.
        count: files in it.
    """

    host: str
    started_at: datetime
    count: int
    entries: Mapping[str, ManifestEntry]
    rotten: tuple[ManifestEntry, ...]


def settle(
    recorded: Entry, recorded_sha256: str, live_sha256: str, entry: ManifestEntry | None
) -> Settled:
    """Say which side of one file is bad.

    Both hashes are of whole contents, for which `Repository.blob` and the probe's `detail` serve.

    Args:
        recorded: the file as the snapshot recorded it.
        recorded_sha256: of the content that the backup would give back.
        live_sha256: of the content that the live file has.
        entry: what the manifest in that snapshot says of the file.
    """
    if entry is None:
        return Settled(Side.UNKNOWN, "the manifest does not have this file")
    if not _is_of(entry, recorded):
        sentence = "the manifest has it under another size or other times: it was written between"
        return Settled(Side.UNKNOWN, sentence)
    read = f"what was read on {entry.since:%Y-%m-%d}"
    backup, live = recorded_sha256 == entry.sha256, live_sha256 == entry.sha256
    if backup and live:
        return Settled(Side.NEITHER, f"both are {read}")
    if backup:
        return Settled(Side.LIVE, f"the backup is {read}; the live file has rotted since")
    if live:
        return Settled(Side.BACKUP, f"the live file is {read}; the backup holds something else")
    if recorded_sha256 == live_sha256:
        return Settled(Side.BOTH, f"it had rotted before the backup: neither side is {read}")
    return Settled(Side.BOTH, f"neither side is {read}, and the two differ: it rotted twice")


def read_manifest(lines: Iterable[bytes], wanted: Collection[str]) -> Manifest | Flaw:
    """Read a manifest line by line; of its files only the wanted and the rotten are kept.

    Args:
        lines: as written, line ends included.
        wanted: paths on the host, as `Entry.path`.
    """
    reading = _Reading(frozenset(wanted))
    for number, line in enumerate(lines, start=1):
        if not reading.take(line):
            return Flaw(f"is no manifest in line {number}")
    return reading.finish()


def load_manifest(
    repository: Repository, snapshot: Snapshot, path: str, wanted: Collection[str]
) -> Manifest | Damage | None:
    """Read the manifest that a snapshot holds; none where it holds no such file.

    Args:
        path: of the manifest, in the snapshot's tree.
        wanted: paths on the host, as the manifest has them.
    """
    node = _find(repository, snapshot.tree, path)
    if node is None or isinstance(node, Damage):
        return node
    damages: list[Damage] = []
    found = read_manifest(_lines(_pieces(repository, node.content, damages)), wanted)
    if damages:
        return damages[0]
    if isinstance(found, Flaw):
        return Damage(f"snapshots/{snapshot.id}", 0, "", f"holds a {path} that {found.what}")
    return found


def content_sha256(repository: Repository, content: Sequence[str]) -> str | Damage:
    """Return the SHA-256 of the whole content that a backup would give back for a file.

    Args:
        content: IDs of its blobs in order, as `Node.content`.
    """
    digest, damages = hashlib.sha256(), list[Damage]()
    for piece in _pieces(repository, content, damages):
        digest.update(piece)
    return damages[0] if damages else digest.hexdigest()


@dataclass
class _Reading:
    """A manifest while it is read: `take` says whether a line may stand where it stands."""

    wanted: frozenset[str]
    entries: dict[str, ManifestEntry] = field(default_factory=dict)
    rotten: list[ManifestEntry] = field(default_factory=list)
    count: int = -1
    whole: bool = False

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()
        self._of = ("", _NEVER)

    def take(self, line: bytes) -> bool:
        record = parse_json(line) if len(line) <= MAX_LINE_BYTES else None
        if not isinstance(record, dict) or self.whole:
            return False
        if "end" in record:
            self.whole = record == {"end": self.count, "sha256": self._digest.hexdigest()}
            return self.whole
        self._digest.update(line)
        self.count += 1
        try:
            return self._header(record) if self.count == 0 else self._file(record)
        except (KeyError, TypeError, ValueError, OverflowError):
            return False

    def finish(self) -> Manifest | Flaw:
        if not self.whole:
            return Flaw("ends before its end")
        host, started_at = self._of
        return Manifest(host, started_at, self.count, self.entries, tuple(self.rotten))

    def _header(self, record: Mapping[str, Any]) -> bool:
        self._of = (str(record["host"]), parse_instant(record["started"]))
        return (record["manifest"], record["algorithm"]) == (FORMAT, "sha256")

    def _file(self, record: Mapping[str, Any]) -> bool:
        path = str(record["path"])
        keeps = "rotten" in record and len(self.rotten) < ROTTEN_KEPT
        if "sha256" in record and (keeps or path in self.wanted):
            entry = _parse_entry(path, record)
            self.entries |= {path: entry} if path in self.wanted else {}
            self.rotten += [entry] if keeps else []
        return True


def _parse_entry(path: str, record: Mapping[str, Any]) -> ManifestEntry:
    return ManifestEntry(
        path=path,
        size=int(record["size"]),
        mtime_ns=int(record["mtime_ns"]),
        ctime_ns=int(record["ctime_ns"]),
        sha256=str(record["sha256"]),
        since=parse_instant(record["since"]),
        rotten=str(record.get("rotten", "")),
    )


def _is_of(entry: ManifestEntry, recorded: Entry) -> bool:
    # A source without ctimes leaves none to compare.
    ctime = recorded.ctime_ns is None or recorded.ctime_ns == entry.ctime_ns
    return ctime and (recorded.size, recorded.mtime_ns) == (entry.size, entry.mtime_ns)


def _find(repository: Repository, tree_id: str, path: str) -> Node | Damage | None:
    node: Node | None = None
    for name in filter(None, path.split("/")):
        if node is not None and not node.subtree:
            return None
        nodes = repository.tree(node.subtree if node is not None else tree_id)
        if isinstance(nodes, Damage):
            return nodes
        node = next((node for node in nodes if node.name == name), None)
        if node is None:
            return None
    return node


def _pieces(
    repository: Repository, content: Sequence[str], damages: list[Damage]
) -> Iterator[bytes]:
    """Yield a file's content blob by blob, up to the first that is damaged: `damages` gets that."""
    for blob_id in content:
        piece = repository.blob(blob_id)
        if isinstance(piece, Damage):
            damages.append(piece)
            return
        yield piece


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in whole)
        if len(rest) > MAX_LINE_BYTES:
            break
    if rest:
        yield rest
