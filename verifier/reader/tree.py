"""Trees: the JSON that a tree blob holds, parsed to nodes.

Names are quoted as Go's `strconv.Quote` does it, so that bytes that are no UTF-8 survive JSON.
Source: restic's `Node.MarshalJSON` and its design document, "Trees and Data". Pure.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from typing import Any

from verifier.core.tree import Node
from verifier.reader.damage import Flaw
from verifier.reader.plain import is_id, parse_json

_TYPES = ("file", "dir", "symlink", "dev", "chardev", "fifo", "socket")
_GO_ZERO_TIME = "0001-01-01T00:00:00Z"
_SURROGATE = re.compile("[\ud800-\udfff]")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_MINUTE_NS = 60_000_000_000
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})"
    r"|U([0-9a-fA-F]{8}))|([^\\]+)|(.)",
    re.DOTALL,
)
_LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
_TEXTS = ("name", "user", "group", "linktarget", "mtime", "ctime", "atime")
_NUMBERS = {
    "mode": 1 << 32,
    "uid": 1 << 32,
    "gid": 1 << 32,
    "inode": 1 << 64,
    "device_id": 1 << 64,
    "size": 1 << 64,
    "links": 1 << 64,
    "device": 1 << 64,
}


class _MalformedError(Exception):
    """Ends the parsing of one tree; never leaves this module."""


def _days_since_1970(year: int, month: int, day: int) -> int:
    # The proleptic Gregorian calendar with March as the first month: restic stores the years
    # 0 to 9999, and datetime knows no year 0.
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


@functools.lru_cache(4096)
def _minute_ns(minute: str, zone: str) -> int | None:
    # Of a million nodes most share a minute with another.
    year, month, day = int(minute[:4]), int(minute[5:7]), int(minute[8:10])
    hours, minutes = int(minute[11:13]), int(minute[14:])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hours < 24 and minutes < 60):
        return None
    offset = 0
    if zone != "Z":
        offset = int(zone[1:3]) * 60 + int(zone[4:])
        offset = -offset if zone[0] == "-" else offset
    return ((_days_since_1970(year, month, day) * 24 + hours) * 60 + minutes - offset) * _MINUTE_NS


@functools.lru_cache(4096)
def parse_instant_ns(text: str) -> int | None:
    """Return an RFC 3339 time as nanoseconds since 1970; none where it is no such time."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    minute, second, fraction, zone = found.groups()
    start_ns = _minute_ns(minute, zone)
    if start_ns is None:
        return None
    return start_ns + int(second) * 1_000_000_000 + (int(fraction.ljust(9, "0")) if fraction else 0)


def _encode(text: str) -> bytes:
    # Lone surrogates cannot come out of Go; read from hostile JSON they become what Go reads.
    return _SURROGATE.sub("\ufffd", text).encode()


def unquote(text: str) -> str | None:
    """Undo Go's `strconv.Quote`; none where the text is not quoted so."""
    if "\\" not in text:
        return text if text.isascii() else _encode(text).decode()
    parts: list[bytes] = []
    for letter, hexadecimal, octal, short, long, literal, wrong in _ESCAPE.findall(text):
        if wrong:
            return None
        if letter:
            parts.append(bytes([_LETTERS[letter]]))
        elif hexadecimal or octal:
            parts.append(bytes([int(hexadecimal, 16) if hexadecimal else int(octal, 8)]))
        elif short or long:
            point = int(short or long, 16)
            if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
                return None
            parts.append(chr(point).encode())
        else:
            parts.append(_encode(literal))
    return b"".join(parts).decode(errors="surrogateescape")


def _text(entry: dict[str, Any], field: str) -> str:
    value = entry.get(field, "")
    if not isinstance(value, str):
        raise _MalformedError(f"a node whose {field} is no text")
    return value


def _texts(entry: dict[str, Any]) -> list[str]:
    texts = [entry.get(field, "") for field in _TEXTS]
    if not all(type(text) is str for text in texts):
        texts = [_text(entry, field) for field in _TEXTS]
    return texts


def _instant(text: str) -> int:
    instant = parse_instant_ns(text or _GO_ZERO_TIME)
    if instant is None:
        raise _MalformedError("a node with a time that is none")
    return instant


def _numbers(entry: dict[str, Any]) -> dict[str, int]:
    numbers = {}
    for field, below in _NUMBERS.items():
        value = entry.get(field, 0)
        if type(value) is not int or not 0 <= value < below:
            raise _MalformedError(f"a node whose {field} is no such number")
        numbers[field] = value
    return numbers


def _decode(value: object, field: str) -> bytes:
    try:
        if value is None:
            return b""
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise _MalformedError(f"a node whose {field} is no base64")


def _name(quoted: str) -> str:
    name = unquote(quoted)
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise _MalformedError("a node whose name is no file name")
    return name


def _linktarget(text: str, raw: Any) -> str:
    if raw is not None:
        return _decode(raw, "linktarget_raw").decode(errors="surrogateescape")
    return _encode(text).decode() if text else ""


def _ids(entry: dict[str, Any]) -> tuple[str, ...]:
    content = entry.get("content")
    if content is None:
        return ()
    if not isinstance(content, list) or not all(map(is_id, content)):
        raise _MalformedError("a node whose content is no list of blob IDs")
    return tuple(content)


def _attributes(entry: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
    attributes = entry.get("extended_attributes")
    if not attributes:
        return ()
    if not isinstance(attributes, list) or not all(isinstance(a, dict) for a in attributes):
        raise _MalformedError("a node whose extended attributes have an unknown shape")
    return tuple((_text(a, "name"), _decode(a.get("value"), "attribute")) for a in attributes)


def _parse_node(entry: Any) -> Node:
    if not isinstance(entry, dict) or entry.get("type") not in _TYPES:
        raise _MalformedError("a node of unknown type")
    subtree = entry.get("subtree")
    if (subtree is not None or entry["type"] == "dir") and not is_id(subtree):
        raise _MalformedError("a directory without the ID of its tree")
    name, user, group, linktarget, mtime, ctime, atime = _texts(entry)
    return Node(
        name=_name(name),
        type=entry["type"],
        mtime_ns=_instant(mtime),
        ctime_ns=_instant(ctime),
        atime_ns=_instant(atime),
        user=user,
        group=group,
        linktarget=_linktarget(linktarget, entry.get("linktarget_raw")),
        content=_ids(entry),
        subtree=subtree or "",
        extended_attributes=_attributes(entry),
        **_numbers(entry),
    )


def parse_tree(content: bytes) -> tuple[Node, ...] | Flaw:
    """Parse a tree blob's content to its nodes, in stored order."""
    document = parse_json(content)
    if isinstance(document, Flaw):
        return document
    nodes = document.get("nodes", []) if isinstance(document, dict) else 0
    if nodes is not None and not isinstance(nodes, list):
        return Flaw("is no tree")
    try:
        return tuple(_parse_node(entry) for entry in nodes or ())
    except _MalformedError as why:
        return Flaw(f"lists {why}")
