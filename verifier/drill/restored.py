"""A restored sample: what restic is told to bring back, and what of it is there afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from verifier.core.entry import Entry, path_order
from verifier.drill.live import parse_record
from verifier.drill.places import Places, covers
from verifier.drill.probe import Walk
from verifier.drill.recorded import Record
from verifier.drill.sample import Sample


def tree_path(places: Places, live: str) -> str:
    """Return where in the tree a path of the host stands."""
    within = [pair for pair in places.pairs if covers(pair[1], live)]
    assert within, f"{live!r} lies under no root of its snapshot"
    tree, root = max(within, key=lambda pair: len(pair[1]))
    return tree.rstrip("/") + live[len(root.rstrip("/")) :] or "/"


def includes(sample: Sample, places: Places) -> list[list[str]]:
    """Return what restic is told to restore: links of one file together, all else by itself."""
    groups: dict[object, list[str]] = {}
    for one in sample.entries:
        if not within(one.entry.path, sample.whole):
            tree = tree_path(places, one.entry.path)
            groups.setdefault(one.entry.inode or tree, []).append(tree)
    return list(groups.values())


def within(path: str, folders: Collection[str]) -> bool:
    """Say whether a path lies beneath one of the folders."""
    return any(path != folder and covers(folder, path) for folder in folders)


def look_at(folder: Path, record: Record, sample: Sample) -> list[Entry]:
    """Return what was restored below a folder, by its path on the host, in order.

    Directories above what was chosen are left off: restic makes them, and no more.
    """
    chosen = {one.entry.path for one in sample.entries}
    above = {path[:at] for path in chosen for at in range(1, len(path)) if path[at] == "/"}
    walk = Walk(prefix=str(folder), unlock=_unlock)
    found = []
    for entry in map(parse_record, walk.records(["/"], _requests(record, sample))):
        live = record.places.live(entry.path)
        if live is not None and entry.path != "/" and (live in chosen or live not in above):
            found.append(replace(entry, path=live))
    return sorted(found, key=lambda entry: path_order(entry.path))


def _requests(record: Record, sample: Sample) -> list[tuple[str, list[int]]]:
    lengths = record.repository.plain_lengths
    found = [
        (tree_path(record.places, one.entry.path), lengths(one.content) or [])
        for one in sample.entries
        if one.entry.type == "file"
    ]
    return sorted(found, key=lambda request: path_order(request[0]))


def _unlock(path: bytes) -> None:
    own = Path(path.decode(errors="surrogateescape"))
    own.chmod(own.stat().st_mode | 0o700)
