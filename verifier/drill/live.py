"""The live side: what the probe sees on a host, streamed from there as entries.

Request and answer are files in the drill's scratch folder, so neither is ever whole in memory,
here or there. The host hashes at the recorded lengths, and no content leaves it.
"""

from __future__ import annotations

import json
import os
import shlex
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from verifier.core.entry import CHANGING, VANISHED, Entry, path_order
from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Completed, Host
from verifier.drill.probe import program

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What a host is asked to look at.

    Attributes:
        roots: where the walk begins; what lies beneath another root is not walked twice.
        files: (path, lengths of its recorded pieces in bytes) of the files to read, in
            `path_order`; None reads every file, and an entry's digest is the SHA-256 of the whole.
        prefix: where the live tree stands on that host; no path in a request or entry has it.
        excludes: (negated, regular expression), as `core.exclude.Pattern`.
        leave_out: paths on that host that are passed over, prefix and all.
        measure_excluded: count what each excluded entry holds.
    """

    roots: Sequence[str]
    files: Iterable[tuple[str, Sequence[int]]] | None = ()
    prefix: str = ""
    excludes: Sequence[tuple[bool, str]] = ()
    leave_out: Sequence[str] = ()
    one_file_system: bool = False
    measure_excluded: bool = False


@dataclass(frozen=True, slots=True)
class Excluded:
    """An entry that a pattern leaves out.

    Attributes:
        pattern: the index of the exclude that decided.
        files, size_bytes: regular files at and below it, as far as they could be seen.
    """

    path: str
    pattern: int
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """One file in detail; without digests where it could not be read, and `error` says why.

    Attributes:
        pieces: hex SHA-256 of the pieces at the lengths asked for, as far as the file goes.
        sha256: of the whole file.
    """

    pieces: tuple[str, ...] = ()
    sha256: str = ""
    size: int = 0
    ctime_ns: int = 0
    error: str = ""


def observe(
    host: Host,
    python: str,
    request: ProbeRequest,
    folder: Path,
    become: Sequence[str] = (),
    excluded: Callable[[Excluded], object] = lambda _: None,
) -> Iterator[Entry]:
    """Return what a host shows, in `path_order`; the probe has ended well before this returns.

    Args:
        python: the interpreter there, 3.8 or newer.
        folder: a private one on this machine, for what travels; it is left as it was found.
        become: words before the interpreter that give it the right to read every file.
        excluded: told of what a pattern leaves out while the entries go by, if that is measured.

    Raises:
        HostUnreachable, ToolMissing, CannotVerify: as `Host.run`, or the probe failed.
    """
    settings = {
        "roots": list(request.roots),
        "prefix": request.prefix,
        "excludes": list(request.excludes),
        "leave_out": list(request.leave_out),
        "one_file_system": request.one_file_system,
        "measure_excluded": request.measure_excluded,
    }
    records = _records(host, (*become, python), settings, request.files, folder)
    return _entries(records, excluded)


def inspect(
    host: Host,
    python: str,
    files: Iterable[tuple[str, Sequence[int]]],
    folder: Path,
    become: Sequence[str] = (),
    prefix: str = "",
) -> dict[str, Inspection]:
    """Read files once more, whole and without a shortcut, and say all that there is to say.

    Args:
        files: (path, lengths of its recorded pieces in bytes), in any order.
        python, folder, become, prefix: as in `observe`.

    Returns:
        One inspection for every path asked for.

    Raises:
        HostUnreachable, ToolMissing, CannotVerify: as `observe`.
    """
    wanted = sorted(dict(files).items(), key=lambda file: path_order(file[0]))
    if not wanted:
        return {}
    settings = {"roots": [path for path, _ in wanted], "prefix": prefix, "detail": True}
    found = {path: Inspection(error=VANISHED) for path, _ in wanted}
    for record in _records(host, (*become, python), settings, wanted, folder):
        if record["path"] in found:
            found[record["path"]] = _inspection(record)
    return found


def parse_record(record: Mapping[str, Any]) -> Entry:
    """Parse one record of the probe."""
    # restic counts no links of these, so that no snapshot tells which of them are one.
    inode = None if record["type"] in ("fifo", "socket") else record.get("inode")
    return Entry(
        path=record["path"],
        type=record["type"],
        size=record.get("size", 0),
        permissions=record.get("mode", 0),
        uid=record.get("uid", 0),
        gid=record.get("gid", 0),
        mtime_ns=record.get("mtime_ns", 0),
        ctime_ns=record.get("ctime_ns"),
        linktarget=record.get("linktarget"),
        sha256=record.get("content", record.get("sha256")),
        device=record.get("device"),
        inode=(inode[0], inode[1]) if inode else None,
        attributes=record.get("attributes"),
        entered=record.get("entered", True),
        error=record.get("error", ""),
    )


def _entries(
    records: Iterable[Mapping[str, Any]], excluded: Callable[[Excluded], object]
) -> Iterator[Entry]:
    for record in records:
        if "excluded_files" in record:
            counts = record["excluded_files"], record["excluded_bytes"]
            excluded(Excluded(record["path"], record["pattern"], *counts))
        yield parse_record(record)


def _inspection(record: Mapping[str, Any]) -> Inspection:
    error = record.get("error", "")
    if record["type"] != "file":
        error = error or CHANGING
    return Inspection(
        tuple(record.get("pieces", ())),
        record.get("sha256", ""),
        record.get("size", 0),
        record.get("ctime_ns", 0),
        error,
    )


def _records(
    host: Host,
    words: tuple[str, ...],
    settings: Mapping[str, Any],
    files: Iterable[tuple[str, Sequence[int]]] | None,
    folder: Path,
) -> Iterator[dict[str, Any]]:
    digest = "whole" if files is None else "pieces"
    arguments, head = program(**settings, digest=digest)
    answer = _answer(host, words, arguments, _request(head, files or ()), folder)
    try:
        records = _parsed(answer, _count(answer))
        # One that nobody reads to its end is closed with whoever had it.
        weakref.finalize(records, answer.close)
        return records
    except ValueError as error:
        answer.close()
        remedy = f"see that a login to {host.name} prints nothing of its own"
        message = f"the answer of the probe is not whole: {error}"
        raise CannotVerify(host.name, message, remedy) from None


def _request(head: bytes, files: Iterable[tuple[str, Sequence[int]]]) -> Iterator[bytes]:
    yield head
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for file in files:
        yield encode(file).encode("ascii") + b"\n"


def _answer(
    host: Host,
    words: tuple[str, ...],
    arguments: tuple[str, ...],
    request: Iterable[bytes],
    folder: Path,
) -> BinaryIO:
    """Run the probe; return its output as a file that has no name any more."""
    asked, told = _made(folder), _made(folder)
    try:
        with asked.open("wb") as stream:
            stream.writelines(request)
        argv = (*words, *arguments)
        done = host.run(Command(argv, stdin_file=str(asked), stdout_file=str(told)))
        if done.status != 0:
            raise _failed(host, words, done)
        return told.open("rb")
    finally:
        asked.unlink()
        told.unlink()


def _made(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="probe-", dir=folder)
    os.close(descriptor)
    return Path(name)


def _count(answer: BinaryIO) -> int:
    """Return how many records there are, and go back to the first.

    Raises:
        ValueError: the last line does not say that it is all of them.
    """
    lines = 0
    last = b""
    while block := answer.read(_BLOCK_BYTES):
        lines += block.count(b"\n")
        last = (last + block)[-64:]
    answer.seek(0)
    _, _, end = last.removesuffix(b"\n").rpartition(b"\n")
    if end != b'{"end":%d}' % (lines - 1):
        raise ValueError(f"{lines} lines, the last is {end[:40].decode(errors='replace')!r}")
    return lines - 1


def _parsed(answer: BinaryIO, count: int) -> Iterator[dict[str, Any]]:
    decode = json.JSONDecoder().decode
    with answer:
        for _ in range(count):
            yield decode(answer.readline().decode("ascii"))


def _failed(host: Host, words: Sequence[str], done: Completed) -> CannotVerify:
    said = done.last_lines() or f"the probe ended with {done.status}"
    line, name = shlex.join(words), Path(words[0]).name
    remedy = f"see that `{line} --version` on {host.name} says 3.8 or newer"
    if len(words) > 1 and (said.startswith(f"{name}: ") or "password" in said):
        remedy = f"let `{line}` run on {host.name} without a question"
        if name == "sudo":
            remedy += ": `restic-verify render all` prints the lines for sudoers"
    return CannotVerify(host.name, f"the files there could not be listed: {said}", remedy)
