"""What is special about a recorded entry: the kinds that an ordinary restore may spoil. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from verifier.drill.recorded import Recorded

ZEROS_BYTES = 1 << 19
"""restic cuts a run of zeros into pieces of this length, the shortest it makes (0.14 to 0.19)."""

ZEROS = sha256(bytes(ZEROS_BYTES)).hexdigest()
"""The ID of such a piece; restic leaves it out of what it restores with `--sparse`."""

_ACL = "system.posix_acl_"
_ODD = re.compile(r"[^ -~]|[*?\[\]\\\"'$!#,{}]|^[ ~-]|[ .]$")
_LONG = 255
_TYPES = {
    "symlink": "symlink",
    "fifo": "fifo",
    "dev": "device",
    "chardev": "device",
}


def kinds(one: Recorded) -> Iterator[str]:
    """Yield the special kinds that an entry is of; hard links are seen in pairs alone."""
    entry = one.entry
    if entry.type in _TYPES:
        yield _TYPES[entry.type]
    if entry.type == "file":
        yield from _of_file(one)
    if entry.permissions & 0o7000:
        yield "setuid, setgid or sticky"
    if entry.attributes:
        lists = sum(name.startswith(_ACL) for name in entry.attributes)
        yield from ("access list",) * bool(lists)
        yield from ("extended attribute",) * (lists < len(entry.attributes))
    if _ODD.search(entry.path.rpartition("/")[2]):
        yield "odd name"
    if len(entry.path) > _LONG:
        yield "very long path"


def _of_file(one: Recorded) -> Iterator[str]:
    if one.entry.size == 0:
        yield "empty file"
    if ZEROS in one.content:
        yield "sparse file"
    if not one.entry.permissions & 0o400:
        yield "no right to read"
