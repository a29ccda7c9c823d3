"""Look at trees of files: one record an entry, as JSON lines. Changes nothing, follows no link.

One file of the standard library for Python 3.8 or newer, so that it can be piped to any host:
`python3 - ROOT... < probe.py`, or whole trees of settings through `program`. Paths are bytes in
here; in a record, bytes that are no UTF-8 are surrogate escapes, which JSON's `\\udcXX` carries.
Entries come sorted by component, bytewise, parents first. The last line is `{"end": N}`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

PIECE_BYTES = 1 << 20
"""How much of a file is in memory at once."""

_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "chardev",
    stat.S_IFBLK: "dev",
    stat.S_IFSOCK: "socket",
}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_DENIED = {errno.EACCES, errno.EPERM}
_NO_ATTRIBUTES = {errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.ENODATA}


class Walk:
    """One walk over some roots.

    Args:
        prefix: where the tree stands on this machine; records leave it off.
        excludes: (negated, regular expression) in order: the last that matches decides. What is
            excluded is recorded, but neither read nor entered.
        leave_out: paths that are passed over without a word.
        one_file_system: do not enter directories on other devices than the roots are on.
        unlock: called once for what may not be read, to give the right to; only for trees of our
            own that nobody else changes.
    """

    def __init__(
        self,
        prefix: str = "",
        excludes: Sequence[tuple[bool, str]] = (),
        leave_out: Iterable[str] = (),
        one_file_system: bool = False,
        unlock: Callable[[bytes], object] | None = None,
    ) -> None:
        self._prefix = _bytes(prefix.rstrip("/"))
        self._excludes = [(negated, re.compile(regex)) for negated, regex in excludes]
        self._leave_out = {_bytes(path) for path in leave_out}
        self._one_file_system = one_file_system
        self._unlock = unlock
        self._devices: set[int] = set()
        self._linked: dict[tuple[int, int], str] = {}

    def records(self, roots: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield a record for everything at and below the roots."""
        tops = [self._prefix + b"/" + root.strip(b"/") for root in _outermost(roots)]
        tops = [top if len(top) == 1 else top.rstrip(b"/") for top in tops]
        if self._one_file_system:
            self._devices = set(_devices(tops))
        for top in tops:
            pending = [top]
            while pending:
                path = pending.pop()
                if path in self._leave_out:
                    continue
                record, names = self._look(path)
                if record is not None:
                    yield record
                folder = path if path.endswith(b"/") else path + b"/"
                pending.extend(folder + name for name in sorted(names, reverse=True))

    def _look(self, path: bytes) -> tuple[dict[str, Any] | None, list[bytes]]:
        record: dict[str, Any] = {"path": _text(path[len(self._prefix) :] or b"/")}
        names: list[bytes] = []
        try:
            status = os.lstat(path)
        except OSError as error:
            if error.errno in _GONE:
                return None, names
            # Without its type it may be a directory: what is below stays unknown with it.
            return {**record, "type": "file", "entered": False, "error": _name(error)}, names
        record.update(_facts(status))
        try:
            if self._rejects(record["path"]):
                record["entered"] = record["type"] != "dir"
            elif record["type"] == "dir":
                names = self._enter(path, status, record)
            elif record["type"] == "symlink":
                record["linktarget"] = _text(os.readlink(path))  # noqa: PTH115 - a Path holds no bytes
            elif record["type"] == "file":
                self._read(path, status, record)
            if not record.get("error"):
                record["attributes"] = _attributes(path)
        except OSError as error:
            record["error"] = _name(error)
            record["entered"] = record["type"] != "dir"
        return record, names

    def _rejects(self, path: str) -> bool:
        rejected = False
        for negated, regex in self._excludes:
            if negated == rejected and regex.search(path):
                rejected = not negated
        return rejected

    def _enter(self, path: bytes, status: os.stat_result, record: dict[str, Any]) -> list[bytes]:
        if self._one_file_system and status.st_dev not in self._devices:
            record["entered"] = False
            return []
        if self._unlock is not None and status.st_mode & 0o700 != 0o700:
            self._unlock(path)
        return os.listdir(path)  # noqa: PTH208 - a Path holds no bytes

    def _read(self, path: bytes, status: os.stat_result, record: dict[str, Any]) -> None:
        linked = (status.st_dev, status.st_ino) if status.st_nlink > 1 else None
        if linked in self._linked:
            record["sha256"] = self._linked[linked]
            return
        for _ in range(2):
            digest, after = self._digest(path)
            if self._unlock is not None or _stamp(after) == _stamp(status):
                record["sha256"] = digest
                if linked:
                    self._linked[linked] = digest
                return
            status = os.lstat(path)
            record.update(_facts(status))
        record["error"] = "changing"

    def _digest(self, path: bytes) -> tuple[str, os.stat_result]:
        try:
            return _digest(path)
        except PermissionError:
            if self._unlock is None:
                raise
            self._unlock(path)
            return _digest(path)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _name(error: OSError) -> str:
    if error.errno in _GONE:
        return "vanished"
    if error.errno == errno.ELOOP:
        return "changing"
    return errno.errorcode.get(error.errno or 0, str(error))


def _outermost(roots: Iterable[str]) -> list[bytes]:
    found: list[bytes] = []
    for parts in sorted(set(tuple(p for p in _bytes(r).split(b"/") if p) for r in roots)):
        if not found or not (b"/" + b"/".join(parts) + b"/").startswith(found[-1]):
            found.append(b"/" + b"/".join(parts) + (b"/" if parts else b""))
    return found


def _devices(tops: Iterable[bytes]) -> Iterator[int]:
    for top in tops:
        try:
            yield os.lstat(top).st_dev
        except OSError:
            continue


def _facts(status: os.stat_result) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "type": _TYPES.get(stat.S_IFMT(status.st_mode), "irregular"),
        "size": status.st_size,
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }
    if facts["type"] in ("dev", "chardev"):
        facts["device"] = status.st_rdev
    if facts["type"] != "dir" and status.st_nlink > 1:
        facts["inode"] = [status.st_dev, status.st_ino]
    return facts


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _open(path: bytes) -> int:
    # Reading leaves no atime behind where the kernel lets us ask for that.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        return os.open(path, flags)


def _digest(path: bytes) -> tuple[str, os.stat_result]:
    """Hash a file's content; the status tells whether it was still the same file at the end."""
    descriptor = _open(path)
    try:
        status = os.fstat(descriptor)
        digest = hashlib.sha256()
        if not stat.S_ISREG(status.st_mode):
            return "", status
        piece = os.read(descriptor, PIECE_BYTES)
        while piece:
            digest.update(piece)
            piece = os.read(descriptor, PIECE_BYTES)
        return digest.hexdigest(), os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _attributes(path: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    if not hasattr(os, "listxattr"):
        return found
    try:
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            found[name] = os.getxattr(path, name, follow_symlinks=False).hex()
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTES | _DENIED:
            raise
    return found


def program(**request: Any) -> tuple[tuple[str, ...], bytes]:
    """Return a command line and the standard input that make a host's Python run this file.

    Args:
        request: `roots` and the arguments of `Walk`. It travels behind the source, so that no
            number of roots is too long for a command line.
    """
    text = Path(__file__).read_bytes()
    load = f"import sys; exec(compile(sys.stdin.buffer.read({len(text)}), 'probe', 'exec'))"
    return ("-c", load), text + json.dumps(request).encode("ascii")


def main(arguments: Sequence[str]) -> int:
    """Write the records of the roots named in the arguments, or of the request on stdin."""
    if arguments:
        request: dict[str, Any] = {"roots": list(arguments)}
    else:
        request = json.loads(sys.stdin.buffer.read().decode("ascii"))
    roots = request.pop("roots")
    count = 0
    write = sys.stdout.buffer.write
    for record in Walk(**request).records(roots):
        write(json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n")
        count += 1
    write(b'{"end":%d}\n' % count)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
