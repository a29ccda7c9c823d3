"""What changed between two snapshots: only the directories that differ are read.

A file is the blobs that make it: content that moved to another name is neither new nor gone.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from verifier.core.tree import Node
from verifier.drill.entropy import (
    ARCHIVE_BYTES,
    COMPRESSIBLE,
    LEAST_BYTES,
    SCRAMBLED,
    Compressibility,
    is_archive,
)
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository
from verifier.reader.walk import MAX_DEPTH

JUDGED_MAX = 20_000
"""Changed files that are all judged; of those beyond it, one in `JUDGED_THEN`."""

JUDGED_THEN = 16

ARCHIVES_READ = 32
"""Files that are read to see how many of the seemingly scrambled ones are archives."""

GROWTH_BYTES = 1024
"""What encryption adds to a file at most: a header, a key, padding."""

BY_SIZE_MAX = 10_000
"""Files that went from one directory; where it is more, they are paired by their names alone."""

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Differences:
    """Files of one side that the other has not in that place; see `retention.anomalies.Change`.

    Attributes:
        flaws: why a tree could not be read, of each side; empty where all could.
    """

    added: int
    removed: int
    changed: int
    judged: int
    scrambled: int
    reversed: int
    examples: tuple[str, ...]
    whole: bool
    flaws: tuple[str, str] = ("", "")


@dataclass(slots=True)
class _Tally:
    # Content is remembered by a hash of 8 bytes: a million changed files must not fill the memory.
    added: array[int] = field(default_factory=lambda: array("q"))
    removed: array[int] = field(default_factory=lambda: array("q"))
    old: array[int] = field(default_factory=lambda: array("q"))
    new: array[int] = field(default_factory=lambda: array("q"))
    pairs: int = 0
    judged: int = 0
    reversed: int = 0
    scrambled: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    whole: bool = True
    flaws: list[str] = field(default_factory=lambda: ["", ""])


def differences(
    repository: Repository, before: str, after: str, compressibility: Compressibility
) -> Differences:
    """Compare two trees of one repository.

    Args:
        before, after: IDs of their root trees.
        compressibility: measures; with no reads left, uncompressed blobs stay unjudged.
    """
    tally = _Tally()
    for path, older, newer in _directories(repository, before, after, tally):
        _files(path, older, newer, tally, compressibility)
    olds, news = set(tally.old) | set(tally.removed), set(tally.new) | set(tally.added)
    return Differences(
        added=sum(key not in olds for key in tally.added),
        removed=sum(key not in news for key in tally.removed),
        changed=sum(key not in olds for key in tally.new),
        judged=tally.judged,
        scrambled=_without_archives(tally.scrambled, compressibility),
        reversed=tally.reversed,
        examples=tuple(path for path, _ in tally.scrambled[:EXAMPLES]),
        whole=tally.whole,
        flaws=(tally.flaws[0], tally.flaws[1]),
    )


_Nodes = dict[str, Node]


def _directories(
    repository: Repository, before: str, after: str, tally: _Tally
) -> Iterator[tuple[str, _Nodes, _Nodes]]:
    # Pairs of directories whose trees differ; one side is empty where it has no such directory.
    due = [("", before, after, 0)]
    while due:
        path, old_id, new_id, depth = due.pop()
        if old_id == new_id or depth > MAX_DEPTH:
            tally.whole = tally.whole and depth <= MAX_DEPTH
            continue
        sides = enumerate((old_id, new_id))
        older, newer = (_nodes(repository, tree_id, tally, side) for side, tree_id in sides)
        yield path, older, newer
        for name in older.keys() | newer.keys():
            ids = [side[name].subtree if name in side else "" for side in (older, newer)]
            if any(ids):
                due.append((f"{path}/{name}", ids[0], ids[1], depth + 1))


def _nodes(repository: Repository, tree_id: str, tally: _Tally, side: int) -> _Nodes:
    nodes = repository.tree(tree_id) if tree_id else ()
    if isinstance(nodes, Damage):
        tally.whole = False
        tally.flaws[side] = tally.flaws[side] or str(nodes)
        return {}
    return {node.name: node for node in nodes}


def _files(
    path: str, older: _Nodes, newer: _Nodes, tally: _Tally, compressibility: Compressibility
) -> None:
    gone: list[Node] = []
    come: list[Node] = []
    for name, old in older.items():
        new = newer.get(name)
        if old.type != "file":
            continue
        if new is None or new.type != "file":
            gone.append(old)
        elif old.content != new.content:
            tally.old.append(hash(old.content))
            tally.new.append(hash(new.content))
            _judge(f"{path}/{name}", old, new, tally, compressibility)
    for name, new in newer.items():
        if new.type == "file" and (name not in older or older[name].type != "file"):
            come.append(new)
    tally.removed.extend(hash(node.content) for node in gone)
    tally.added.extend(hash(node.content) for node in come)
    for old, new in _renamed(gone, come):
        _judge(f"{path}/{new.name}", old, new, tally, compressibility)


def _renamed(gone: Sequence[Node], come: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    """Pair what went with what came in one directory: `a.doc` with `a.doc.locked`, else by size."""
    left = {node.name: node for node in gone}
    unnamed: list[Node] = []
    for node in come if left else ():
        stem = node.name
        while stem and stem not in left:
            stem = stem.rpartition(".")[0]
        if stem:
            yield left.pop(stem), node
        else:
            unnamed.append(node)
    by_size = sorted(left.values(), key=lambda node: node.size)
    sizes = [node.size for node in by_size]
    unnamed.sort(key=lambda node: node.size)
    for node in unnamed if len(sizes) <= BY_SIZE_MAX else ():
        at = bisect_left(sizes, node.size - GROWTH_BYTES)
        if at < len(sizes) and sizes[at] <= node.size:
            yield by_size.pop(at), node
            sizes.pop(at)


def _judge(
    path: str, old: Node, new: Node, tally: _Tally, compressibility: Compressibility
) -> None:
    tally.pairs += 1
    if tally.pairs > JUDGED_MAX and tally.pairs % JUDGED_THEN:
        return
    if min(old.size, new.size) < LEAST_BYTES:
        return
    share = compressibility.share(old.content)
    if share is None or COMPRESSIBLE < share < SCRAMBLED:
        return
    now = compressibility.share(new.content)
    if now is None:
        return
    if share <= COMPRESSIBLE:
        tally.judged += 1
        if now >= SCRAMBLED:
            tally.scrambled.append((path, new.content))
    elif now <= COMPRESSIBLE:
        tally.reversed += 1


def _without_archives(
    scrambled: Sequence[tuple[str, tuple[str, ...]]], compressibility: Compressibility
) -> int:
    # Logs are packed every night: what unpacks to something that has structure was not encrypted.
    step = max(1, -(-len(scrambled) // ARCHIVES_READ))
    heads = [compressibility.head(content, ARCHIVE_BYTES) for _, content in scrambled[::step]]
    read = [head for head in heads if head is not None]
    if not read:
        return len(scrambled)
    noise = sum(not is_archive(head) for head in read)
    return round(len(scrambled) * noise / len(read))
