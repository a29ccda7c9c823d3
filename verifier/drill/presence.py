"""What passes by of one snapshot and its host: how much there is, and what is there on one side.

That a whole include is gone from the host is no drift: its file system is not mounted, or the live
tree stands elsewhere. Every file would be called deleted, and nothing compared.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from verifier.core.entry import VANISHED, Entry, shown
from verifier.core.finding import Finding
from verifier.drill.places import covers, uncovered
from verifier.drill.recorded import Record


@dataclass(slots=True)
class Presence:
    """The snapshot's size, and what of each include, or of each root, is on which side.

    Attributes:
        include: what is to be in the backup, without a slash at an end.
        files, size_bytes: regular files in the snapshot, and their content.
    """

    host: str
    include: Sequence[str]
    record: Record
    files: int = 0
    size_bytes: int = 0
    _watched: frozenset[str] = frozenset()
    _recorded: Counter[str] = field(default_factory=Counter)
    _there: set[str] = field(default_factory=set)
    _met: set[str] = field(default_factory=set)
    _links: dict[str, str] = field(default_factory=dict)
    _folder: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        self._watched = frozenset((*self.include, *self.record.places.roots))

    def recorded(self, entry: Entry) -> None:
        """Take note of a recorded entry."""
        if entry.type == "file":
            self.files += 1
            self.size_bytes += entry.size
            self._recorded[self._above(entry.path)] += 1
        if entry.path in self._watched:
            self._met.add(entry.path)
            if entry.linktarget is not None:
                self._links[entry.path] = entry.linktarget

    def live(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Take note of live entries, and yield them."""
        for entry in entries:
            if entry.path in self._watched:
                self._met.add(entry.path)
            if (entry.type != "dir" or not entry.entered) and entry.error != VANISHED:
                self._there.add(self._above(entry.path))
            yield entry

    def findings(self, further: Sequence[str], gone: Collection[str]) -> Iterator[Finding]:
        """Yield what is there to be compared and was not.

        Args:
            further: paths that were looked for on the host, though the snapshot is not of them.
            gone: paths that are lost.
        """
        snapshot = self.record.snapshot
        if not self.files and not gone:
            detail = f"snapshot {snapshot.short_id} holds no file"
            yield Finding("empty", self.host, detail)
        for path, count in sorted(self._recorded.items()):
            if path not in self._there:
                yield self._empty(path, f"the snapshot holds {_files(count)} of it, and the host "
                    "none, so nothing of it was compared: is its file system mounted there, and "
                    "`source-root` right?")  # fmt: skip
        for path, target in self._links.items():
            whole = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if uncovered([whole], self._watched):
                yield self._empty(path, f"is a link, and a backup follows none: what lies in "
                    f"{shown(whole)} is not in it; name that in `include`")  # fmt: skip
        elsewhere = uncovered(self.include, (*snapshot.paths, *further))
        for path in self.include:
            met = path in self._met or path in self.record.places.unrecorded
            if not met and path not in elsewhere and uncovered([path], gone):
                detail = "is to be backed up, but is neither in the snapshot nor on the host"
                yield self._empty(path, detail)

    def _empty(self, path: str, detail: str) -> Finding:
        return Finding("empty", f"{self.host}:{shown(path)}", detail)

    def _above(self, path: str) -> str:
        """Return the innermost include or root that a path lies in."""
        if path in self._watched:
            return path
        folder = path.rpartition("/")[0]
        # Paths come in order, so most lie where the one before did.
        if folder != self._folder[0]:
            above = [path for path in self._watched if covers(path, folder)]
            self._folder = folder, max(above, key=len, default="/")
        return self._folder[1]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
