"""The folder of signed reports: one file each, numbered from 1, never changed again.

One writer at a time. A file appears whole or not at all: it is written beside, made durable, and
then given its name, so a writer that is killed leaves nothing that could be taken for evidence.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from verifier.core.errors import CannotVerify, NoSpace
from verifier.database.owned import give, make_folder, open_owned, remedy_for

_NAME = re.compile(r"(?P<number>\d{8,})-[a-z]+\.dsse\.json")
_NEW = ".new"
_LOCK = ".lock"
LARGEST_BYTES = 256 << 20
"""What is larger is no signed report."""

WAIT_S = 30.0
"""How long a writer waits for another one, which takes milliseconds."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REMEDY = "see that evidence.folder is there and that this user may write to it"


@dataclass(frozen=True, slots=True)
class Stored:
    """A signed report as it lies in the folder.

    Attributes:
        number: as its name has it.
    """

    number: int
    path: Path

    def read(self) -> bytes:
        """Return what it holds.

        Raises:
            CannotVerify: it cannot be read, or it is far too large.
        """
        return read_file(self.path)


def read_file(path: Path) -> bytes:
    """Return what a signed report's file holds.

    Raises:
        CannotVerify: it cannot be read, or it is far too large.
    """
    try:
        if not path.is_file():
            message = "is no file" if path.exists() else "is not there"
            raise CannotVerify(str(path), message, "name a signed report, or their folder")
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise CannotVerify(str(path), message, remedy_for(path)) from error
    if len(content) > LARGEST_BYTES:
        raise CannotVerify(str(path), "is too large for a signed report", "look at what it is")
    return content


def stored(folder: Path) -> tuple[Stored, ...]:
    """Return the signed reports of a folder by their numbers; other files are passed over.

    Raises:
        CannotVerify: the folder cannot be listed.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        message = f"the folder of signed reports cannot be read: {error.strerror}"
        remedy = "name another one"
        if isinstance(error, PermissionError):
            remedy = remedy_for(folder)
        raise CannotVerify(str(folder), message, remedy) from error
    found = [(_NAME.fullmatch(name), name) for name in names]
    numbered = [Stored(int(match["number"]), folder / name) for match, name in found if match]
    return tuple(sorted(numbered, key=lambda one: (one.number, one.path.name)))


def append(folder: Path, kind: str, make: Callable[[int, str | None], bytes]) -> Stored:
    """Add a signed report to the end of the chain, durably; the folder is made if need be.

    Args:
        kind: of the report, for its name.
        make: gives its content, from its number and the SHA-256 of the file before.

    Raises:
        CannotVerify: the folder cannot be written, or another writer does not end.
        NoSpace: the disk is full.
    """
    try:
        make_folder(folder)
        with _held(folder):
            return _append(folder, kind, make)
    except OSError as error:
        if error.errno in _FULL:
            remedy = "make room, or name another evidence.folder"
            raise NoSpace(str(folder), "has no room for a signed report", remedy) from error
        message = f"no signed report can be written there: {error.strerror}"
        raise CannotVerify(str(folder), message, _REMEDY) from error


def _append(folder: Path, kind: str, make: Callable[[int, str | None], bytes]) -> Stored:
    before = stored(folder)
    number = before[-1].number + 1 if before else 1
    previous = hashlib.sha256(before[-1].read()).hexdigest() if before else None
    path = folder / f"{number:08d}-{kind}.dsse.json"
    assert _NAME.fullmatch(path.name), f"no name of a signed report: {path.name}"
    new = folder / _NEW
    # What a killed writer left may be another user's.
    new.unlink(missing_ok=True)
    with new.open("xb") as file:
        give(file.fileno(), new)
        file.write(make(number, previous))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Stored(number, path)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    # A file of its own: over NFS a lock that excludes others needs one opened for writing.
    descriptor = open_owned(folder / _LOCK, os.O_RDWR)
    try:
        end = time.monotonic() + WAIT_S
        while not _taken(descriptor):
            if time.monotonic() > end:
                message = "another process has been signing a report there for half a minute"
                raise CannotVerify(str(folder), message, "see what holds its .lock: fuser -v .lock")
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
