"""Entries: one path as one side of a comparison shows it, and what a restore was able to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

VANISHED, CHANGING = "vanished", "changing"
"""Errors of an observed entry that say something about the file, not about the look at it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, directory, link or device as one side shows it; `None` where it does not say.

    Attributes:
        path: absolute; bytes that are no UTF-8 stand as `surrogateescape` does it.
        type: in restic's words, as `Node.type`.
        permissions: 0 to 0o7777.
        sha256: of a file's content, made alike on all sides of one comparison: over the SHA-256s of
            its pieces as the snapshot cut them (`content_digest`), or of the whole.
        device: of a device, its number.
        inode: device and inode, of anything but a directory that has more than one link.
        attributes: extended attributes, name -> value in hex; ACLs are among them.
        entered: a directory whose entries were listed.
        error: why it could not be looked at: `VANISHED`, `CHANGING`, or an errno's name.
    """

    path: str
    type: str
    size: int = 0
    permissions: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    ctime_ns: int | None = None
    linktarget: str | None = None
    sha256: str | None = None
    device: int | None = None
    inode: tuple[int, int] | None = None
    attributes: Mapping[str, str] | None = None
    entered: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a restore was able to give its files; the rest is not held against the backup.

    Attributes:
        namespaces: of extended attributes (`user`, `system` for ACLs, `trusted`, `security`).
    """

    owner: bool = True
    devices: bool = True
    namespaces: frozenset[str] = frozenset({"user", "system", "trusted", "security"})


def content_digest(blob_ids: Iterable[str]) -> str:
    """Return the digest of a file's content from the IDs of its blobs, in hex, in order."""
    return hashlib.sha256(bytes.fromhex("".join(blob_ids))).hexdigest()


def path_order(path: str) -> bytes:
    """Return the key by which all sides are sorted: by component, bytewise, parents first."""
    return path.encode(errors="surrogateescape").replace(b"/", b"\0")


def shown(path: str) -> str:
    """Return a path that can be printed: control characters and bytes that are no text escaped."""
    if path.isprintable():
        return path
    text = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
