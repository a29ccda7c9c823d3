"""Write a manifest: of every file below some roots what its content is, as SHA-256, JSON lines.

One file of the standard library for Python 3.8 or newer, so that it runs on hosts that have no
restic-verify; `script` makes a program of it. Run before a backup and stored in it, a manifest
settles later whether the live file or the backup has rotted (`manifest.py` reads it). A file whose
size, mtime, ctime and inode are those of the previous manifest is not read again: it keeps the
hash and the `since` of the night when it was first read, so what rots in between stays seen.

The first line says whose it is, the last how many files there are and the SHA-256 of all lines
before it; between them one line a file, sorted by component, bytewise. Paths are bytes in here; in
a line, bytes that are no UTF-8 are surrogate escapes, which JSON's `\\udcXX` carries.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = 1
PIECE_BYTES = 1 << 20
LISTED = 20
"""How many files a run names on each count; all are counted."""

_SETTLED_NS = 2 * 10**9
"""A file may be written again within one tick of its ctime: FAT's, the coarsest, is two seconds."""

_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_STAMP = ("size", "mtime_ns", "ctime_ns", "inode")
_RECORDED = (*_STAMP, "sha256", "since")


class Manifest:
    """One run over some roots.

    Args:
        output: the file to write. It is replaced only by a whole one.
        previous: the manifest of the run before; may be the same file, may not exist.
        excludes: (negated, regular expression) in order: the last that matches decides.
        one_file_system: keep to the device of the root that is nearest above, as restic does.
        reread_percent: of the files that seem unchanged, how many to read again, in turn.
        host: whose files these are.
    """

    def __init__(
        self,
        roots: Sequence[str],
        output: str,
        previous: str = "",
        excludes: Sequence[tuple[bool, str]] = (),
        one_file_system: bool = False,
        reread_percent: int = 0,
        host: str = "",
    ) -> None:
        self._named = [b"/" + _bytes(root).strip(b"/") for root in roots]
        self._roots = _outermost(self._named)
        self._output = os.fsencode(output)
        self._previous = os.fsencode(previous)
        self._excludes = [(negated, re.compile(regex)) for negated, regex in excludes]
        self._turns = -(-100 // reread_percent) if reread_percent else 0
        self._devices = dict(_devices(self._named)) if one_file_system else {}
        self._host = host
        self._linked: dict[tuple[int, int], str] = {}
        self._started_ns = 0
        self._run = 0
        self.files = self.kept_files = self.read_files = self.read_bytes = self.unread_count = 0
        self.rotten_count = 0
        self.rotten: list[str] = []
        self.unread: list[str] = []

    def write(self) -> None:
        """Write the manifest whole, or raise OSError and leave the old one as it is."""
        part = self._output + b".part"
        descriptor = _open_alone(part)
        with os.fdopen(descriptor, "wb") as file:
            # The kernel's clock, which stamps the files too, tells when the run began.
            self._started_ns = os.fstat(descriptor).st_ctime_ns
            self._write_lines(file)
            file.flush()
            os.fsync(descriptor)
            os.replace(part, self._output)  # noqa: PTH105 - a Path holds no bytes
        _sync_folder(self._output)

    def _write_lines(self, file: BinaryIO) -> None:
        previous, self._run = open_previous(self._previous)
        self._run += 1
        header = {
            "manifest": FORMAT,
            "algorithm": "sha256",
            "host": self._host,
            "started": self._since(),
            "run": self._run,
            "roots": [_text(root) for root in self._roots],
        }
        digest = hashlib.sha256()
        for record in self._records(header, previous):
            line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
            digest.update(line)
            file.write(line)
        end = {"end": self.files, "sha256": digest.hexdigest()}
        file.write(json.dumps(end, separators=(",", ":")).encode("ascii") + b"\n")

    def _records(
        self, header: dict[str, Any], previous: Iterator[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        yield header
        before = next(previous, None)
        for path, status, error in self._walk():
            key = _key(path)
            while before is not None and _key(_bytes(before["path"])) < key:
                before = next(previous, None)
            same = before if before is not None and _bytes(before["path"]) == path else {}
            record = {"path": _text(path)}
            record.update({"error": error} if status is None else self._file(path, status, same))
            self._count(record)
            yield record

    def _count(self, record: dict[str, Any]) -> None:
        self.files += 1
        if "error" in record:
            self.unread_count += 1
            self.unread += [record["path"] + ": " + record["error"]][: LISTED - len(self.unread)]
        if "rotten" in record:
            self.rotten_count += 1
            self.rotten += [record["path"]][: LISTED - len(self.rotten)]

    def _file(self, path: bytes, status: os.stat_result, before: dict[str, Any]) -> dict[str, Any]:
        unchanged = not before.get("recent") and _is_as(status, before)
        if unchanged and not self._is_due(path):
            self.kept_files += 1
            names = (*_RECORDED, "rotten", "rotten_since")
            return {name: before[name] for name in names if name in before}
        try:
            status, sha256 = self._read(path, status)
        except OSError as error:
            kept = {name: before[name] for name in _RECORDED} if unchanged else _stamp(status)
            return {**kept, "error": _name(error)}
        stamp = _stamp(status)
        if unchanged and _is_as(status, before):
            return self._again(before, sha256)
        record = {**stamp, "sha256": sha256, "since": self._since()}
        if status.st_ctime_ns > self._started_ns - _SETTLED_NS:
            record["recent"] = True
        return record

    def _again(self, before: dict[str, Any], sha256: str) -> dict[str, Any]:
        # Nothing says that it was written, so its first hash stands.
        record = {name: before[name] for name in _RECORDED}
        if sha256 != before["sha256"]:
            record.update(rotten=sha256, rotten_since=before.get("rotten_since", self._since()))
        return record

    def _is_due(self, path: bytes) -> bool:
        return bool(self._turns) and (zlib.crc32(path) + self._run) % self._turns == 0

    def _since(self) -> str:
        at = datetime.fromtimestamp(self._started_ns // 10**9, tz=timezone.utc)  # noqa: UP017
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _read(self, path: bytes, status: os.stat_result) -> tuple[os.stat_result, str]:
        linked = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and linked in self._linked:
            return status, self._linked[linked]
        for _ in range(2):
            after, sha256, size = _hash(path)
            self.read_bytes += size
            if _stamp(after) == _stamp(status):
                self.read_files += 1
                if status.st_nlink > 1:
                    self._linked[linked] = sha256
                return status, sha256
            status = os.lstat(path)
        raise OSError(errno.EBUSY, "it is being written to")

    def _walk(self) -> Iterator[tuple[bytes, Any, str]]:
        own = {self._output, self._output + b".part", self._previous}
        pending = self._roots[::-1]
        while pending:
            path = pending.pop()
            if path in own:
                continue
            folder = path.rstrip(b"/") + b"/"
            try:
                status = None if self._rejects(path) else os.lstat(path)
                if status is None or self._is_elsewhere(path, status):
                    names = self._towards_roots(folder)
                elif stat.S_ISDIR(status.st_mode):
                    names = os.listdir(path)  # noqa: PTH208 - a Path holds no bytes
                else:
                    names = []
                    if stat.S_ISREG(status.st_mode):
                        yield path, status, ""
                pending.extend(folder + name for name in sorted(names, reverse=True))
            except OSError as error:
                # What goes away meanwhile is no matter; a root that is not there is.
                if error.errno not in _GONE or path in self._roots:
                    yield path, None, _name(error)

    def _is_elsewhere(self, path: bytes, status: os.stat_result) -> bool:
        if not self._devices:
            return False
        above = path.rstrip(b"/")
        while above and above not in self._devices:
            above = above[: above.rfind(b"/")]
        return status.st_dev != self._devices.get(above, status.st_dev)

    def _towards_roots(self, folder: bytes) -> list[bytes]:
        """Return the names below a folder that is not entered by which roots are reached."""
        below = (root[len(folder) :] for root in self._named if root.startswith(folder))
        return list({name.partition(b"/")[0] for name in below if name})

    def _rejects(self, path: bytes) -> bool:
        rejected = False
        for negated, regex in self._excludes:
            if negated == rejected and regex.search(_text(path)):
                rejected = not negated
        return rejected


def open_previous(path: bytes) -> tuple[Iterator[dict[str, Any]], int]:
    """Return the files of an earlier manifest and its run's number; none where it is not whole."""
    try:
        if path and _is_whole(path):
            lines = _parsed(path)
            return lines, int(next(lines)["run"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return iter(()), 0


def _parsed(path: bytes) -> Iterator[dict[str, Any]]:
    with open(path, "rb") as file:  # noqa: PTH123 - a Path holds no bytes
        for line in file:
            record = json.loads(line.decode("ascii"))
            if "end" in record:
                return
            yield record


def _is_whole(path: bytes) -> bool:
    # Its last line vouches for the others: what only this script can have written needs no doubt.
    digest, last = hashlib.sha256(), b""
    with open(path, "rb") as file:  # noqa: PTH123 - a Path holds no bytes
        for line in file:
            digest.update(last)
            last = line
    end = json.loads(last.decode("ascii"))
    return bool(end["end"] > 0 and end["sha256"] == digest.hexdigest())


def _is_as(status: os.stat_result, before: dict[str, Any]) -> bool:
    stamp = _stamp(status)
    return "sha256" in before and all(before[name] == stamp[name] for name in _STAMP)


def _open_alone(path: bytes) -> int:
    """Open the unfinished file, alone; one that a killed run left is used again.

    Raises:
        OSError: another run is writing it, or it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        found, there = os.fstat(descriptor), _status(path)
        if there is not None and (found.st_dev, found.st_ino) == (there.st_dev, there.st_ino):
            os.ftruncate(descriptor, 0)
            os.utime(descriptor)
            return descriptor
        # Another run finished between the two lines: this is its manifest now.
        os.close(descriptor)


def _status(path: bytes) -> Any:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _sync_folder(path: bytes) -> None:
    descriptor = os.open(os.path.dirname(path) or b".", os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash(path: bytes) -> tuple[os.stat_result, str, int]:
    """Hash a file; the status tells whether it was still the same file at the end."""
    descriptor = _open(path)
    try:
        status, digest, size = os.fstat(descriptor), hashlib.sha256(), 0
        if not stat.S_ISREG(status.st_mode):
            return status, "", 0
        piece = os.read(descriptor, PIECE_BYTES)
        while piece:
            digest.update(piece)
            size += len(piece)
            piece = os.read(descriptor, PIECE_BYTES)
        return os.fstat(descriptor), digest.hexdigest(), size
    finally:
        os.close(descriptor)


def _open(path: bytes) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        return os.open(path, flags)


def _stamp(status: os.stat_result) -> dict[str, int]:
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _key(path: bytes) -> bytes:
    return path.replace(b"/", b"\0")


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


def _outermost(roots: Iterable[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for path in sorted(set(roots), key=_key):
        if not found or not (path + b"/").startswith(found[-1].rstrip(b"/") + b"/"):
            found.append(path)
    return found


def _devices(roots: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    for root in roots:
        status = _status(root)
        if status is not None:
            yield root.rstrip(b"/"), status.st_dev


def script(**request: Any) -> str:
    """Return a program that takes no arguments and writes what `Manifest(**request)` would."""
    text = Path(__file__).read_text(encoding="utf-8")
    body = text[: text.rindex('\nif __name__ == "__main__":')]
    load = f"json.loads({json.dumps(json.dumps(request))})"
    return (
        f'#!/usr/bin/env python3\n{body}\nif __name__ == "__main__":\n    sys.exit(main({load}))\n'
    )


def main(request: dict[str, Any]) -> int:
    """Write a manifest and say on standard error what is wrong.

    Returns:
        0 where all is well, 1 where files could not be read or have rotted, 3 where there is no
        new manifest.
    """
    manifest = Manifest(**request)
    try:
        manifest.write()
    except OSError as error:
        sys.stderr.write(f"manifest: {request['output']}: not written: {error.strerror}\n")
        return 3
    told = [
        f"{path}: its content changed, and nothing says that it was written"
        for path in manifest.rotten
    ]
    told += [f"not read: {path}" for path in manifest.unread]
    for sentence in told:
        sys.stderr.write(f"manifest: {ascii(sentence)[1:-1]}\n")
    sys.stderr.write(
        f"manifest: {manifest.files} files, {manifest.read_files} read, "
        f"{manifest.unread_count} not readable, {manifest.rotten_count} rotten\n"
    )
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
