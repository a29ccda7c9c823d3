"""Nodes: what a snapshot recorded of one file, directory, link or device.

Values as restic stores them; nothing here parses or compares. Trees are tuples of nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

# Go's os.FileMode keeps these three apart from the nine permission bits.
_GO_SETUID = 1 << 23
_GO_SETGID = 1 << 22
_GO_STICKY = 1 << 20


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of a tree.

    Attributes:
        name: one path component; bytes that are no UTF-8 stand as `surrogateescape` does it.
        type: `file`, `dir`, `symlink`, `dev`, `chardev`, `fifo` or `socket`.
        mode: Go's `os.FileMode`, not `st_mode`; see `permissions`.
        mtime_ns, ctime_ns, atime_ns: since 1970 in UTC; restic's years 0 to 9999 all fit.
        linktarget: of a symlink, escaped as `name` is.
        content: blob IDs in order; their concatenation is the file.
        subtree: ID of a directory's own tree; empty for everything else.
        extended_attributes: (name, value) in stored order.
    """

    name: str
    type: str
    mode: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    atime_ns: int = 0
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    inode: int = 0
    device_id: int = 0
    size: int = 0
    links: int = 0
    linktarget: str = ""
    device: int = 0
    content: tuple[str, ...] = ()
    subtree: str = ""
    extended_attributes: tuple[tuple[str, bytes], ...] = ()


def permissions(mode: int) -> int:
    """Return the permission bits of a Go file mode as `st_mode` has them: 0 to 0o7777."""
    bits = mode & 0o777
    bits |= 0o4000 if mode & _GO_SETUID else 0
    bits |= 0o2000 if mode & _GO_SETGID else 0
    bits |= 0o1000 if mode & _GO_STICKY else 0
    return bits
