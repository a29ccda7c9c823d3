"""The files of a repository, opened for reading only: what a storage answers, and the local one.

What is not there, or what the disk cannot read back, is a flaw; what we are not allowed to open is
an error, for nothing is then known about it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verifier.core.errors import RepositoryUnreadable
from verifier.reader.damage import Flaw
from verifier.reader.plain import is_id

# Without NONBLOCK a named pipe in place of a pack would stop us for ever.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_LOST = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.EBADMSG, errno.EUCLEAN})


def pack_name(pack: str) -> str:
    """Return where the pack with this ID lies."""
    return f"data/{pack[:2]}/{pack}"


def file_id(name: str) -> str:
    """Return the last part of a file's name: what its SHA-256 must be."""
    return name.rpartition("/")[2]


class Storage(Protocol):
    """Where a repository's files lie. Read-only, picklable, and usable in many processes at once.

    Names are relative to the repository: `config`, `index/…`, `data/3f/3f…`. Every method raises
    `RepositoryUnreadable` where we could not look.
    """

    @property
    def location(self) -> str:
        """Where it is, as a person would write it, without secrets."""

    def list(self, kind: str) -> Iterator[str]:
        """Yield the names of one kind of files (`data`, `index`, `keys`, `snapshots`, `locks`).

        In order. Files whose name is no ID are passed over, as restic does: a writer's temporary
        files.
        """

    def sizes(self, kind: str) -> Iterator[tuple[str, int]]:
        """Yield the same names with their sizes in bytes, from listings where these tell.

        What is no regular file has no size and is left out.
        """

    def size(self, name: str) -> int | Flaw:
        """Return a file's size in bytes."""

    def read_whole(self, name: str, max_bytes: int) -> bytes | Flaw:
        """Read a whole file of at most `max_bytes`."""

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes | Flaw:
        """Read a file, or a part of it; what the file's end cuts short comes back short."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A repository's folder on this machine, as restic's local and sftp backends lay it out.

    Not by way of fsspec, as the remote ones: its local file system would wait for ever at a named
    pipe in place of a pack, and does not tell a bad sector from a missing right.
    """

    root: Path

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self.root)

    def list(self, kind: str) -> Iterator[str]:
        """Yield the names of one kind of files in order; see `Storage`."""
        folders = [kind]
        if kind == "data":
            folders = [f"{kind}/{part}" for part in sorted(self._names(kind)) if len(part) == 2]
        for folder in folders:
            yield from (f"{folder}/{name}" for name in sorted(filter(is_id, self._names(folder))))

    def sizes(self, kind: str) -> Iterator[tuple[str, int]]:
        """Yield the same names with their sizes in bytes; see `Storage`."""
        for name in self.list(kind):
            size_bytes = self.size(name)
            if isinstance(size_bytes, int):
                yield name, size_bytes

    def size(self, name: str) -> int | Flaw:
        """Return a file's size in bytes."""
        try:
            found = (self.root / name).stat()
        except OSError as error:
            return self._flaw(name, error)
        return found.st_size if stat.S_ISREG(found.st_mode) else Flaw("is no regular file")

    def read_whole(self, name: str, max_bytes: int) -> bytes | Flaw:
        """Read a whole file of at most `max_bytes`."""
        size_bytes = self.size(name)
        if isinstance(size_bytes, int) and size_bytes > max_bytes:
            return Flaw(f"is {size_bytes} bytes long, over the limit of {max_bytes}")
        return size_bytes if isinstance(size_bytes, Flaw) else self.read(name, 0, max_bytes)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes | Flaw:
        """Read a file, or a part of it; what the file's end cuts short comes back short."""
        try:
            handle = os.open(self.root / name, _FLAGS)
        except OSError as error:
            return self._flaw(name, error)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                return Flaw("is no regular file")
            # Never more than there is: a length from a hostile index must not become memory.
            there = max(0, found.st_size - offset)
            return _read_fully(handle, offset, there if length is None else min(length, there))
        except OSError as error:
            return self._flaw(name, error)
        finally:
            os.close(handle)

    def _names(self, folder: str) -> tuple[str, ...]:
        try:
            return tuple(entry.name for entry in (self.root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise self._unreadable(folder, error) from error

    def _flaw(self, name: str, error: OSError) -> Flaw:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Flaw("is missing")
        if error.errno in _LOST:
            return Flaw(f"cannot be read back from the disk ({error.strerror})")
        raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: OSError) -> RepositoryUnreadable:
        return RepositoryUnreadable(
            str(self.root / name),
            f"cannot be opened: {error.strerror}",
            "let the user that runs this read the repository's folder",
        )


def _read_fully(handle: int, offset: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length > 0 and (part := os.pread(handle, length, offset)):
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
