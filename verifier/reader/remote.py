"""The files of a repository behind an fsspec file system, opened for reading only.

Three verbs are all that is ever asked of it: `ls`, `info` and `cat_file`. What is not there is a
flaw; a server that refuses us, or does not answer for about a minute, is an error.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NoReturn, Protocol, TypeVar

from verifier.core.errors import RepositoryUnreadable
from verifier.reader.damage import Flaw
from verifier.reader.nearby import PIECE_BYTES, Nearby
from verifier.reader.plain import is_id

PATIENCE_S = 60.0
"""How long one question is asked again before a server is given up."""

DISK_PATIENCE_S = 15.0
"""The same for one file that a server fails to give back while it answers."""

MAX_UNSERVABLE = 16
"""With more files than this it is no disk that fails, but the server."""

MAX_FAILURES = 32
"""After so many a file is asked for no more: a server may take long over each."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_LISTED_TOGETHER = 16
_TRUSTED_BYTES = 32 << 20
"""More than this is asked for only where it is there: file systems make room for it first."""


# Answers about the question itself: asking again gives the same.
_FINAL = frozenset({
    errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENAMETOOLONG, errno.ELOOP,
})  # fmt: skip

# What a server says whose own disk fails: S3's `InternalError`, for one.
_DISK = frozenset({errno.EIO, errno.EREMOTEIO})

_MISSING = Flaw("is missing")

Entry = tuple[str, int, bool]
"""Name, size in bytes, whether it is a regular file."""

Entries = list[Entry]

T = TypeVar("T")


class Unservable(OSError):
    """The server is there and answers, but does not give this file back: its disk, mostly."""


class FileSystem(Protocol):
    """The verbs of an fsspec file system that are used here."""

    def ls(self, path: str, detail: bool = True) -> list[dict[str, Any]]:
        """List a directory: `name`, `size` and `type` of each entry."""

    def info(self, path: str) -> dict[str, Any]:
        """Describe one path: the same three."""

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read a file from `start` up to `end`."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository in a remote file system; a `Storage`.

    Args:
        files: reconnects by itself where it arrives in another process.
        root: the repository's path in it.
        location: for people, without secrets.
        remedy: what to look at when the server refuses us or does not answer.
        transient: errors of the file system's own libraries that may pass; `OSError` is among them
            always.
        final: errors of the same that will not.
        patience_s: how long one question is asked again.
    """

    files: FileSystem
    root: str
    location: str
    remedy: str
    transient: tuple[type[Exception], ...] = ()
    final: tuple[type[Exception], ...] = ()
    patience_s: float = PATIENCE_S
    _nearby: Nearby = field(default_factory=Nearby, compare=False, repr=False)

    def list(self, kind: str) -> Iterator[str]:
        """Yield the names of one kind of files in order; see `Storage`."""
        return (name for name, _, _ in self._entries(kind))

    def sizes(self, kind: str) -> Iterator[tuple[str, int]]:
        """Yield the same names with their sizes in bytes; see `Storage`."""
        return ((name, size) for name, size, regular in self._entries(kind) if regular)

    def size(self, name: str) -> int | Flaw:
        """Return a file's size in bytes."""
        found = self._ask(name, lambda: self.files.info(self._path(name)))
        if isinstance(found, Flaw):
            return found
        return int(found["size"]) if found["type"] == "file" else Flaw("is no regular file")

    def read_whole(self, name: str, max_bytes: int) -> bytes | Flaw:
        """Read a whole file of at most `max_bytes`."""
        size_bytes = self.size(name)
        if isinstance(size_bytes, int) and size_bytes > max_bytes:
            return Flaw(f"is {size_bytes} bytes long, over the limit of {max_bytes}")
        return size_bytes if isinstance(size_bytes, Flaw) else self.read(name, 0, size_bytes)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes | Flaw:
        """Read a file, or a part of it; what the file's end cuts short comes back short."""
        piece = None
        if length is not None and 0 < length <= PIECE_BYTES and name.startswith("data/"):
            size, read = partial(self.size, name), partial(self._read, name)
            piece = self._nearby.piece(name, offset, length, size=size, read=read)
        return self._read(name, offset, length) if piece is None else piece

    def _read(self, name: str, offset: int, length: int | None) -> bytes | Flaw:
        if length is None or not 0 < length <= _TRUSTED_BYTES:
            size_bytes = self.size(name)
            if isinstance(size_bytes, Flaw):
                return size_bytes
            there = max(0, size_bytes - offset)
            length = there if length is None else min(length, there)
        if length == 0:
            return b""
        part = (offset, length)
        return self._ask(name, lambda: self._part(self._path(name), *part))

    def _part(self, path: str, offset: int, length: int) -> bytes:
        try:
            part = self.files.cat_file(path, start=offset, end=offset + length)
        except OSError as error:
            # An object store refuses a range that begins behind the end.
            if error.errno != errno.EINVAL or self._left(path, offset) > 0:
                raise
            return b""
        # A transfer cut short must not pass for a file cut short.
        if len(part) != length and len(part) != min(length, self._left(path, offset)):
            raise ConnectionError(f"{len(part)} of {length} bytes came")
        return part

    def _left(self, path: str, offset: int) -> int:
        found = self.files.info(path)
        if found["type"] != "file":
            raise IsADirectoryError(errno.EISDIR, "is no regular file", path)
        return max(0, int(found["size"]) - offset)

    def _entries(self, kind: str) -> Iterator[Entry]:
        folders = [kind]
        if kind == "data":
            parts = (name for name, _, regular in self._listed(kind) if not regular)
            folders = sorted(name for name in parts if len(name) == len("data/aa"))
        for first in range(0, len(folders), _LISTED_TOGETHER):
            with ThreadPoolExecutor(_LISTED_TOGETHER) as listing:
                for entries in listing.map(self._listed, folders[first : first + _LISTED_TOGETHER]):
                    yield from sorted(e for e in entries if is_id(e[0].rpartition("/")[2]))

    def _listed(self, folder: str) -> Entries:
        found = self._ask(folder, lambda: self.files.ls(self._path(folder), detail=True))
        if isinstance(found, Flaw):
            if found != _MISSING:
                # What lies there is not known: that is not nothing.
                self._give_up(folder, OSError(found.what))
            return []
        entries = ((entry["name"].rpartition("/")[2], entry) for entry in found)
        return [(f"{folder}/{n}", int(e["size"] or 0), e["type"] == "file") for n, e in entries]

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if self.root else name

    def _ask(self, name: str, question: Callable[[], T]) -> T | Flaw:
        passing: tuple[type[Exception], ...] = (OSError, *self.transient)
        begun_s, wait_s = time.perf_counter(), _FIRST_WAIT_S
        if self._failures.get(name, 0) >= MAX_FAILURES:
            return Flaw("cannot be read back by the server, as was seen before")
        while True:
            try:
                return question()
            except (FileNotFoundError, NotADirectoryError):
                return _MISSING
            except IsADirectoryError:
                return Flaw("is no regular file")
            except passing as error:
                spent_s = time.perf_counter() - begun_s + wait_s
                if getattr(error, "errno", None) in _FINAL or isinstance(error, PermissionError):
                    self._give_up(name, error)
                if _is_disk(error) and self._is_hopeless(name, spent_s):
                    return self._not_served(name, error)
                if spent_s > self.patience_s:
                    self._give_up(name, error)
            except self.final as error:
                self._give_up(name, error)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    @property
    def _failures(self) -> dict[str, int]:
        return _failures_at(self.location, self.root)

    def _is_hopeless(self, name: str, spent_s: float) -> bool:
        # One look is enough at a file that failed before: a damaged pack is read blob by blob.
        return name in self._failures or spent_s > min(DISK_PATIENCE_S, self.patience_s)

    def _not_served(self, name: str, error: Exception) -> Flaw:
        self._failures[name] = self._failures.get(name, 0) + 1
        if len(self._failures) > MAX_UNSERVABLE:
            self._give_up(name, error)
        return Flaw(f"cannot be read back by the server ({_said(error)})")

    def _give_up(self, name: str, error: Exception) -> NoReturn:
        raise RepositoryUnreadable(
            f"{self.location}/{name}", f"cannot be read: {_said(error)}", self.remedy
        ) from error


@cache
def _failures_at(location: str, root: str) -> dict[str, int]:
    """Return name -> how often it was not given back, in this process: calls bring new storages."""
    return {}


def _is_disk(error: Exception) -> bool:
    return isinstance(error, Unservable) or getattr(error, "errno", None) in _DISK


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
