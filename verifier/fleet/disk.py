"""A disk of its own for a folder of this machine, which may become full: in memory, by root."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.core.errors import NotPermitted

SIZE_BYTES = 256 << 20
"""Of a disk with room."""

_MOUNTS = Path("/proc/self/mounts")
_NAME = "restic-verify"
_ESCAPED = re.compile(r"\\([0-7]{3})")
"""A space in a path, and the like; proc_pid_mounts(5)."""


class Disk:
    """A mounted disk; see `open_disk`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self) -> None:
        """Leave one page of room: a lock fits there, and no backup."""
        stat = os.statvfs(self._folder)
        self._resize((stat.f_blocks - stat.f_bfree + 1) * stat.f_frsize)

    def free(self) -> None:
        """Undo `fill`."""
        self._resize(SIZE_BYTES)

    def _resize(self, size_bytes: int) -> None:
        _mount("-o", f"remount,size={size_bytes}", str(self._folder))


@contextmanager
def open_disk(folder: Path) -> Iterator[Disk]:
    """Mount a disk at an empty folder; it is gone afterwards, with all that it holds.

    Raises:
        NotPermitted: this user may mount nothing.
    """
    _mount("-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=0700", _NAME, str(folder))
    try:
        yield Disk(folder)
    finally:
        unmount_below(folder)


def unmount_below(folder: Path) -> bool:
    """Unmount every disk of ours at a folder or below it; say whether nothing else is there."""
    only_ours = True
    for line in _MOUNTS.read_text(errors="surrogateescape").splitlines():
        name, escaped, kind, *_ = line.split()
        target = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), escaped))
        if not target.is_relative_to(folder.resolve()):
            continue
        if (name, kind) != (_NAME, "tmpfs"):
            only_ours = False
            continue
        # Even while a machine that is being removed still holds it.
        umount = ("umount", "--lazy", str(target))
        done = subprocess.run(umount, check=False, capture_output=True)
        only_ours = only_ours and done.returncode == 0
    return only_ours


def _mount(*words: str) -> None:
    done = subprocess.run(("mount", *words), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        message = f"a small disk cannot be mounted: {' '.join(done.stderr.split())}"
        raise NotPermitted("disk-full", message, "run it as root, or leave this fidelity out")
