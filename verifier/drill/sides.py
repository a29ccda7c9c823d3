"""The three sides of a comparison, from what restic and the probe say to entries.

`restic ls --json` is what the snapshot recorded. It tells neither link targets nor extended
attributes nor hard links: those are taken from the restored copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from verifier.core.entry import Entry, path_order
from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Completed, Host
from verifier.core.tree import permissions
from verifier.drill.places import Places
from verifier.drill.probe import program
from verifier.reader.tree import parse_instant_ns

_LOSSY = "\ufffd"
_ESCAPED = re.compile("[\udc80-\udcff]")
_METADATA = re.compile(r"(l?chown|l?chmod|utimes|mknod|mkfifo|xattr|l?setxattr)", re.I)
_IGNORED = re.compile(r"ignoring error for (?P<item>.*?): (?P<message>.*)")


def parse_recorded(listing: bytes) -> tuple[Entry, ...]:
    """Parse `ls --json` to entries by their path in the tree, in restic's order.

    Raises:
        CannotVerify: it is no such listing.
    """
    try:
        return tuple(map(_recorded, _nodes(listing)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the answer to `restic ls` was not understood: {error!r}"
        raise CannotVerify("restic", message, "run it by hand to see what it says") from error


def is_lossy(entries: Iterable[Entry]) -> bool:
    """Say whether JSON may have cost a name its bytes: Go writes U+FFFD for what is no UTF-8."""
    return any(_LOSSY in entry.path for entry in entries)


def with_exact_names(entries: tuple[Entry, ...], listing: bytes) -> tuple[Entry, ...]:
    """Give entries their names back from the plain `ls`, which lists the same in the same order."""
    lines = listing.decode(errors="surrogateescape").split("\n")
    at = next((i for i, line in enumerate(lines) if line.startswith("/")), 0)
    found = []
    for entry in entries:
        height = entry.path.count("\n") + 1
        exact = "\n".join(lines[at : at + height])
        at += height
        if _ESCAPED.sub(_LOSSY, exact) != entry.path:
            message = f"`restic ls` and `restic ls --json` list different names near {entry.path!r}"
            raise CannotVerify("restic", message, "see that nothing changes the repository now")
        found.append(replace(entry, path=exact))
    return tuple(found)


def relocate(entries: Iterable[Entry], places: Places) -> list[Entry]:
    """Return the entries by their paths on the host, in order; what lies above is left off."""
    moved = [(places.live(entry.path), entry) for entry in entries if entry.path != "/"]
    found = [
        entry if live == entry.path else replace(entry, path=live)
        for live, entry in moved
        if live is not None
    ]
    return sorted(found, key=lambda entry: path_order(entry.path))


def parse_record(record: Mapping[str, Any]) -> Entry:
    """Parse one record of the probe."""
    inode = record.get("inode")
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
        sha256=record.get("sha256"),
        device=record.get("device"),
        inode=(inode[0], inode[1]) if inode else None,
        attributes=record.get("attributes"),
        entered=record.get("entered", True),
        error=record.get("error", ""),
    )


def observe(host: Host, python: str, **request: Any) -> Iterator[Entry]:
    """Yield what the probe sees on a host; nothing is yielded until it has ended well.

    Args:
        python: the interpreter there, 3.8 or newer.
        request: `roots` and the arguments of `probe.Walk`.

    Raises:
        HostUnreachable, ToolMissing, CannotVerify: as `Host.run`, or the probe failed.
    """
    arguments, script = program(**request)
    done = host.run(Command((python, *arguments), stdin=script))
    _, _, last = done.stdout.rstrip(b"\n").rpartition(b"\n")
    count = done.stdout.count(b"\n") - 1
    if done.status != 0 or last != b'{"end":%d}' % count:
        raise _probe_failed(host, python, done)
    return (parse_record(json.loads(line)) for line in _lines(done.stdout, count))


def parse_failures(done: Completed) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what a restore could not do: tree path -> message for content, and the rest.

    What fails for metadata alone is left to the comparison, which sees what is missing.
    """
    content: dict[str, str] = {}
    metadata: list[str] = []
    for item, message in _failures(done):
        if _METADATA.match(message):
            metadata.append(f"{item}: {message}")
        else:
            content.setdefault(item, message)
    return content, tuple(metadata)


def _nodes(listing: bytes) -> Iterator[Mapping[str, Any]]:
    for line in listing.splitlines():
        node = json.loads(line)
        if node.get("struct_type", node.get("message_type")) == "node":
            yield node


def _recorded(node: Mapping[str, Any]) -> Entry:
    mtime_ns, ctime_ns = parse_instant_ns(node["mtime"]), parse_instant_ns(node["ctime"])
    if mtime_ns is None or ctime_ns is None:
        raise ValueError(f"no such time: {node['mtime']}, {node['ctime']}")
    return Entry(
        path=node["path"],
        type=node["type"],
        size=node.get("size", 0),
        permissions=permissions(node.get("mode", 0)),
        uid=node["uid"],
        gid=node["gid"],
        mtime_ns=mtime_ns,
        # A source without ctimes left Go's zero time, or the epoch.
        ctime_ns=ctime_ns if ctime_ns > 0 else None,
    )


def _lines(stdout: bytes, count: int) -> Iterator[bytes]:
    at = 0
    for _ in range(count):
        end = stdout.index(b"\n", at)
        yield stdout[at:end]
        at = end + 1


def _failures(done: Completed) -> Iterator[tuple[str, str]]:
    for line in (*done.stderr.splitlines(), *done.stdout.splitlines()):
        text = line.decode(errors="replace")
        plain = _IGNORED.fullmatch(text)
        if plain is not None:
            yield plain["item"], plain["message"]
        elif text.startswith("{"):
            yield from _failure(text)


def _failure(line: str) -> Iterator[tuple[str, str]]:
    try:
        event = json.loads(line)
    except ValueError:
        return
    if event.get("message_type") == "error" and "item" in event:
        error = event.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        yield str(event["item"]), str(message or "an error without words")


def _probe_failed(host: Host, python: str, done: Completed) -> CannotVerify:
    said = done.last_lines() or f"it ended with {done.status} and before its end"
    remedy = f"see that `{python} --version` on {host.name} says 3.8 or newer"
    return CannotVerify(host.name, f"the files there could not be listed: {said}", remedy)
