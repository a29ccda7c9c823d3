"""Look at trees of files: one record an entry, as JSON lines. Changes nothing, follows no link.

One file of the standard library for Python 3.8 or newer, so that it can be piped to any host:
`python3 - ROOT... < probe.py`, or with settings and the files to read behind it, as `program`
writes them. Paths are bytes in here; in a record, bytes that are no UTF-8 are surrogate escapes,
which JSON's `\\udcXX` carries. Entries come sorted by component, bytewise, parents first, and so
must the requests: neither is ever whole in memory. The last line is `{"end": N}`.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import re
import select
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

BLOCK_BYTES = 1 << 20
"""How much is read at once. Files up to this size are read whole: threads would slow them down."""

THREADS = min(4, os.cpu_count() or 1)
"""How many pieces of one file are hashed at once: polite on a machine that has other work."""

LINKS_KEPT = 1 << 16
"""For how many files of more than one name the digest is kept until the next name comes by."""

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
        excludes: (negated, regular expression) in order: the last that matches decides, and its
            index is the record's `pattern`. What is excluded is neither read nor entered.
        leave_out: paths that are passed over without a word.
        one_file_system: keep to the device of the root that is nearest above, as restic does: no
            directory on another is entered, and no file mounted from another is seen.
        measure_excluded: count the files and bytes of what is excluded, by lstat alone.
        detail: of each requested file give the pieces and the whole, read without a shortcut, and
            enter no directory: the roots are all there is to see.
        unlock: called once for what may not be read, to give the right to; only for trees of our
            own that nobody else changes.
    """

    def __init__(
        self,
        prefix: str = "",
        excludes: Sequence[tuple[bool, str]] = (),
        leave_out: Iterable[str] = (),
        one_file_system: bool = False,
        measure_excluded: bool = False,
        detail: bool = False,
        unlock: Callable[[bytes], object] | None = None,
    ) -> None:
        self._prefix = _bytes(prefix.rstrip("/"))
        self._excludes = [(negated, re.compile(regex)) for negated, regex in excludes]
        self._leave_out = {_bytes(path) for path in leave_out}
        self._one_file_system = one_file_system
        self._measure_excluded = measure_excluded
        self._detail = detail
        self._unlock = unlock
        self._tops: list[bytes] = []
        self._devices: dict[bytes, int] = {}
        self._linked: dict[tuple[int, ...], dict[str, Any]] = {}

    def records(
        self, roots: Iterable[str], requests: Iterable[tuple[str, Sequence[int]]] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield a record for everything at and below the roots.

        Args:
            requests: (path, lengths of its recorded pieces in bytes) of the files to read, in the
                order of the walk. Such a record holds `content`: the hex SHA-256 of the pieces'
                SHA-256s in a row, unless the lengths make another size than the file has. None
                reads every file, and its record holds the `sha256` of the whole.

        Raises:
            ValueError: the requests are not in order.
        """
        named = [_bytes(root) for root in roots]
        tops = [self._top(root) for root in (named if self._detail else _outermost(named))]
        self._tops = [] if self._detail else [self._top(root) for root in named]
        if self._one_file_system:
            self._devices = dict(_devices(self._tops))
        wanted = None if requests is None else _Requests(requests)
        for top in tops:
            pending = [(b"", [top])]
            while pending:
                folder, names = pending[-1]
                if not names:
                    pending.pop()
                    continue
                path = folder + names.pop()
                if path in self._leave_out:
                    continue
                record, below = self._look(path, wanted)
                if record is not None:
                    yield record
                below.sort(reverse=True)
                pending.append((path if path.endswith(b"/") else path + b"/", below))

    def _look(
        self, path: bytes, wanted: _Requests | None
    ) -> tuple[dict[str, Any] | None, list[bytes]]:
        record: dict[str, Any] = {"path": _text(path[len(self._prefix) :])}
        names: list[bytes] = []
        try:
            status = os.lstat(path)
        except OSError as error:
            if error.errno in _GONE:
                return None, names
            # Without its type it may be a directory: what is below stays unknown with it.
            return {**record, "type": "file", "entered": False, "error": _name(error)}, names
        if not stat.S_ISDIR(status.st_mode) and self._is_elsewhere(path, status):
            return None, names
        record.update(_facts(status))
        try:
            pattern = self._pattern(record["path"])
            if pattern is not None:
                self._pass_over(path, status, pattern, record)
            elif record["type"] == "dir":
                names = self._enter(path, status, record)
            elif record["type"] == "symlink":
                record["linktarget"] = _text(os.readlink(path))  # noqa: PTH115 - a Path holds no bytes
            elif record["type"] == "file":
                lengths = None if wanted is None else wanted.lengths(_bytes(record["path"]))
                if wanted is None or lengths is not None:
                    self._read(path, status, lengths, record)
            if not record.get("entered", True):
                names = self._towards_roots(path)
                record["entered"] = bool(names) or record["type"] != "dir"
            if not record.get("error"):
                record["attributes"] = _attributes(path)
        except OSError as error:
            record["error"] = _name(error)
            record["entered"] = record["type"] != "dir"
        return record, names

    def _pattern(self, path: str) -> int | None:
        decided = None
        for index, (negated, regex) in enumerate(self._excludes):
            if negated != (decided is None) and regex.search(path):
                decided = None if negated else index
        return decided

    def _pass_over(
        self, path: bytes, status: os.stat_result, pattern: int, record: dict[str, Any]
    ) -> None:
        record["entered"] = record["type"] != "dir"
        record["pattern"] = pattern
        if self._measure_excluded:
            files, size = int(record["type"] == "file"), status.st_size
            if record["type"] == "dir":
                files, size = self._measure(path, status)
            record["excluded_files"], record["excluded_bytes"] = files, size if files else 0

    def _measure(self, top: bytes, status: os.stat_result) -> tuple[int, int]:
        files = size = 0
        pending = [(top, status)]
        while pending:
            folder, status = pending.pop()
            if self._is_elsewhere(folder, status) or folder in self._leave_out:
                continue
            for path, status in _below(folder):
                if stat.S_ISDIR(status.st_mode):
                    pending.append((path, status))
                elif stat.S_ISREG(status.st_mode):
                    files, size = files + 1, size + status.st_size
        return files, size

    def _top(self, root: bytes) -> bytes:
        # The slash stays behind a prefix, which may be a link to where the tree stands.
        return self._prefix + b"/" + root.strip(b"/")

    def _is_elsewhere(self, path: bytes, status: os.stat_result) -> bool:
        if not self._devices:
            return False
        above = path.rstrip(b"/")
        while above and above not in self._devices:
            above = above[: above.rfind(b"/")]
        return status.st_dev != self._devices.get(above, status.st_dev)

    def _towards_roots(self, path: bytes) -> list[bytes]:
        """Return the names below a directory that is not entered by which roots are reached."""
        above = path if path.endswith(b"/") else path + b"/"
        below = (top[len(above) :] for top in self._tops if top.startswith(above))
        return sorted({name.partition(b"/")[0] for name in below if name})

    def _enter(self, path: bytes, status: os.stat_result, record: dict[str, Any]) -> list[bytes]:
        if self._detail or self._is_elsewhere(path, status):
            record["entered"] = False
            return []
        if self._unlock is not None and status.st_mode & 0o700 != 0o700:
            self._unlock(path)
        return os.listdir(path)  # noqa: PTH208 - a Path holds no bytes

    def _read(
        self,
        path: bytes,
        status: os.stat_result,
        lengths: Sequence[int] | None,
        record: dict[str, Any],
    ) -> None:
        for _ in range(2):
            if not self._detail and lengths is not None and sum(lengths) != status.st_size:
                return
            content, after = self._content(path, status, lengths)
            if after is not None and (self._unlock or _stamp(after) == _stamp(status)):
                record.update(content)
                return
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode):
                break
            record.pop("inode", None)
            record.update(_facts(status))
        record["error"] = "changing"

    def _content(
        self, path: bytes, status: os.stat_result, lengths: Sequence[int] | None
    ) -> tuple[dict[str, Any], os.stat_result | None]:
        """Return what a file holds, and its status at the end; none if it went away meanwhile."""
        link: tuple[int, ...] = ()
        if status.st_nlink > 1:
            cut = hash(tuple(lengths or ()))
            link = (status.st_dev, status.st_ino, status.st_ctime_ns, cut)
            if link in self._linked:
                return self._linked[link], status
        try:
            content, after = self._opened(path, lengths)
        except OSError as error:
            if error.errno in _GONE:
                return {}, None
            raise
        if link and _stamp(after) == _stamp(status):
            self._linked[link] = content
            if len(self._linked) > LINKS_KEPT:
                del self._linked[next(iter(self._linked))]
        return content, after

    def _opened(
        self, path: bytes, lengths: Sequence[int] | None
    ) -> tuple[dict[str, Any], os.stat_result]:
        try:
            descriptor = _open(path)
        except PermissionError:
            if self._unlock is None:
                raise
            self._unlock(path)
            descriptor = _open(path)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return {}, status
            return self._hashed(descriptor, status, lengths), os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _hashed(
        self, descriptor: int, status: os.stat_result, lengths: Sequence[int] | None
    ) -> dict[str, Any]:
        if lengths is None:
            return {"sha256": _span(descriptor, 0, status.st_size + 1).hex()}
        # Where a file system is wrong about its holes, reading them shows it.
        sparse = not self._detail and _has_holes(status)
        pieces = list(_pieces(descriptor, lengths, sparse=sparse))
        content = {"content": hashlib.sha256(b"".join(pieces)).hexdigest()}
        if not self._detail:
            return content
        return {
            **(content if sum(lengths) == status.st_size else {}),
            "pieces": [piece.hex() for piece in pieces],
            "sha256": _span(descriptor, 0, status.st_size + 1).hex(),
        }


class _Requests:
    """The requests as a stream that is followed by a walk in the same order."""

    def __init__(self, requests: Iterable[tuple[str, Sequence[int]]]) -> None:
        self._left = iter(requests)
        self._key: bytes | None = b""
        self._lengths: Sequence[int] = ()

    def lengths(self, path: bytes) -> Sequence[int] | None:
        """Return the lengths of a path's pieces; None where it is not asked for."""
        key = path.replace(b"/", b"\0")
        while self._key is not None and self._key < key:
            self._advance()
        return self._lengths if self._key == key else None

    def _advance(self) -> None:
        before, self._key = self._key, None
        for path, lengths in self._left:
            self._key, self._lengths = _bytes(path).replace(b"/", b"\0"), lengths
            if before is not None and self._key <= before:
                raise ValueError(f"{path!r} is asked for after what follows it")
            return


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


def _outermost(roots: Iterable[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for parts in sorted(set(tuple(p for p in root.split(b"/") if p) for root in roots)):
        if not found or not (b"/" + b"/".join(parts) + b"/").startswith(found[-1]):
            found.append(b"/" + b"/".join(parts) + (b"/" if parts else b""))
    return found


def _devices(tops: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    for top in tops:
        try:
            yield top.rstrip(b"/"), os.lstat(top).st_dev
        except OSError:
            continue


def _below(folder: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.path, entry.stat(follow_symlinks=False)
    except OSError:
        # It is only counted: what cannot be seen is what the count lacks.
        return


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


def _span(descriptor: int, start: int, length: int) -> bytes:
    """Hash so many bytes from there on, or as many as there are."""
    digest = hashlib.sha256()
    end = start + length
    while start < end:
        block = os.pread(descriptor, min(BLOCK_BYTES, end - start), start)
        if not block:
            break
        digest.update(block)
        start += len(block)
    return digest.digest()


def _pieces(descriptor: int, lengths: Sequence[int], *, sparse: bool) -> Iterator[bytes]:
    """Yield the SHA-256 of each piece; in order, whichever thread is done first."""
    threads = _threads() if sum(lengths) > BLOCK_BYTES and THREADS > 1 else None
    ahead: deque[Future[bytes]] = deque()
    start = data = 0
    for length in lengths:
        end = start + length
        if sparse and data <= start:
            data = _data_from(descriptor, start)
        if sparse and data >= end:
            while ahead:
                yield ahead.popleft().result()
            yield _zeros(length)
        elif threads is None:
            yield _span(descriptor, start, length)
        else:
            ahead.append(threads.submit(_span, descriptor, start, length))
            if len(ahead) > 4 * THREADS:
                yield ahead.popleft().result()
        start = end
    while ahead:
        yield ahead.popleft().result()


@functools.lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS)


def _has_holes(status: os.stat_result) -> bool:
    return hasattr(os, "SEEK_DATA") and status.st_blocks * 512 < status.st_size


def _data_from(descriptor: int, start: int) -> int:
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA)
    except OSError as error:
        # No data from there on; or a file system that knows no holes.
        return sys.maxsize if error.errno == errno.ENXIO else start


@functools.lru_cache(maxsize=1024)
def _zeros(length: int) -> bytes:
    digest = hashlib.sha256()
    block = bytes(min(length, BLOCK_BYTES))
    for _ in range(length // BLOCK_BYTES):
        digest.update(block)
    digest.update(block[: length % BLOCK_BYTES])
    return digest.digest()


def _attributes(path: bytes) -> dict[str, str] | None:
    """Return the extended attributes; None where the values of some may not be read."""
    found: dict[str, str] = {}
    if not hasattr(os, "listxattr"):
        return found
    try:
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            found[name] = os.getxattr(path, name, follow_symlinks=False).hex()
    except OSError as error:
        if error.errno in _DENIED:
            return None
        if error.errno not in _NO_ATTRIBUTES:
            raise
    return found


def program(**settings: Any) -> tuple[tuple[str, ...], bytes]:
    """Return a command line and the head of the standard input that runs this file on a host.

    Args:
        settings: `roots`, the arguments of `Walk`, and `digest`: with "pieces" the requests
            follow on standard input, a line each: `["/path", [length, ...]]`. With "whole", or
            without it, every file is read whole.
    """
    text = Path(__file__).read_bytes()
    load = f"import sys; exec(compile(sys.stdin.buffer.read({len(text)}), 'probe', 'exec'))"
    # -I: nothing in the folder where it starts can pass for a module of the standard library.
    return ("-I", "-c", load), text + json.dumps(settings).encode("ascii") + b"\n"


def _end_unheard(descriptor: int) -> None:
    """End this process once nobody reads what it writes: a lost ssh sends no signal."""
    watch = select.poll()
    watch.register(descriptor, 0)
    # On macOS a terminal cannot be polled, and says so by another event.
    if watch.poll()[0][1] & (select.POLLHUP | select.POLLERR):
        os._exit(1)


def main(arguments: Sequence[str]) -> int:
    """Write the records of the roots named in the arguments, or of the request on stdin."""
    threading.Thread(target=_end_unheard, args=(sys.stdout.fileno(),), daemon=True).start()
    requests = None
    settings: dict[str, Any] = {"roots": list(arguments)}
    if not arguments:
        settings = json.loads(sys.stdin.buffer.readline().decode("ascii"))
        if settings.pop("digest", "whole") == "pieces":
            requests = (json.loads(line) for line in sys.stdin.buffer)
    roots = settings.pop("roots")
    count = 0
    write = sys.stdout.buffer.write
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for record in Walk(**settings).records(roots, requests):
        write(encode(record).encode("ascii") + b"\n")
        count += 1
    write(b'{"end":%d}\n' % count)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
