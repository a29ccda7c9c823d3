"""Where the files of a snapshot live: paths in its tree against paths on the host.

A backup of relative paths stores its tree without the folder it was taken in; only the snapshot's
`paths` know that. Source: `internal/archiver/tree.go`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from verifier.core.errors import CannotVerify


@dataclass(frozen=True, slots=True)
class Places:
    """Pairs of a folder or file in the tree and its place on the host."""

    pairs: tuple[tuple[str, str], ...]

    @property
    def roots(self) -> tuple[str, ...]:
        """The places on the host that the snapshot is of."""
        return tuple(live for _, live in self.pairs)

    @property
    def unrecorded(self) -> frozenset[str]:
        """Roots whose own entry no tree holds: of `backup .` it holds what is in the folder."""
        return frozenset(live for tree, live in self.pairs if tree == "/")

    def live(self, path: str) -> str | None:
        """Return where a path of the tree lives; none for what lies above the roots."""
        found = [pair for pair in self.pairs if covers(pair[0], path)]
        if not found:
            return None
        tree, live = max(found, key=lambda pair: len(pair[0]))
        if path == tree:
            return live
        return live.rstrip("/") + path[len(tree.rstrip("/")) :]

    def tree(self, path: str) -> str | None:
        """Return where in the tree a path on the host is recorded; none for what lies elsewhere."""
        found = [pair for pair in self.pairs if covers(pair[1], path)]
        if not found:
            return None
        tree, live = max(found, key=lambda pair: len(pair[1]))
        return (tree.rstrip("/") + path[len(live.rstrip("/")) :]) or "/"


def covers(folder: str, path: str) -> bool:
    """Say whether the path is the folder or lies in it."""
    folder = folder.rstrip("/")
    return path == folder or path.startswith(folder + "/")


def uncovered(paths: Iterable[str], by: Collection[str]) -> tuple[str, ...]:
    """Return the paths that lie in none of the folders."""
    return tuple(path for path in paths if not any(covers(folder, path) for folder in by))


def find_places(paths: Iterable[str], tree: Collection[str], *, subject: str) -> Places:
    """Find where a tree's entries live, from the paths that the snapshot was taken of.

    Args:
        paths: the snapshot's own, absolute.
        tree: every path in its tree.
        subject: what an error is about.

    Raises:
        CannotVerify: the paths do not say.
    """
    wanted = tuple(dict.fromkeys(paths))
    found = {path: find_in_tree(path, tree) for path in wanted}
    lacking = [path for path, place in found.items() if place is None]
    pairs = tuple((place, path) for path, place in found.items() if place is not None)
    if lacking or not _hold_all(pairs, tree):
        # `backup .` stores what is in the folder, and not the folder.
        folder = lacking or wanted
        if len(folder) != 1:
            raise _unknown(subject, folder)
        pairs = (*(pair for pair in pairs if pair[1] != folder[0]), ("/", folder[0]))
    if len({place for place, _ in pairs}) < len(pairs):
        raise _unknown(subject, wanted)
    return Places(pairs)


def endings(path: str) -> Iterator[str]:
    """Yield where in a tree a path may have been stored: whole first, then without its folders."""
    parts = [part for part in path.split("/") if part]
    return ("/" + "/".join(parts[at:]) for at in range(len(parts)))


def find_in_tree(path: str, tree: Collection[str]) -> str | None:
    """Return where in a tree a path was stored; none where no such path is there."""
    if not path.strip("/"):
        return "/"
    return next((ending for ending in endings(path) if ending in tree), None)


def _hold_all(pairs: Collection[tuple[str, str]], tree: Iterable[str]) -> bool:
    roots = [place for place, _ in pairs]
    if "/" in roots:
        return True
    above = {root[:at] for root in roots for at in range(1, len(root)) if root[at] == "/"}
    return all(path in above or any(covers(root, path) for root in roots) for path in tree)


def _unknown(subject: str, paths: Collection[str]) -> CannotVerify:
    message = f"its tree does not show where {', '.join(paths)} lie in it"
    return CannotVerify(subject, message, "give `restic backup` absolute paths")
