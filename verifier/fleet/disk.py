"""A disk of its own for a folder of this machine, which may become full: in memory, by root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.core.errors import CannotVerify

SIZE_BYTES = 256 << 20
"""Of a disk with room."""

_MOUNTS = Path("/proc/self/mounts")


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
        CannotVerify: this user may mount nothing.
    """
    _mount("-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=0700", "restic-verify", str(folder))
    try:
        yield Disk(folder)
    finally:
        unmount_below(folder)


def unmount_below(folder: Path) -> None:
    """Unmount every disk at a folder or below it."""
    for line in _MOUNTS.read_text().splitlines():
        target = Path(line.split()[1])
        if target.is_relative_to(folder):
            # Even while a machine that is being removed still holds it.
            subprocess.run(("umount", "--lazy", str(target)), check=False, capture_output=True)


def _mount(*words: str) -> None:
    done = subprocess.run(("mount", *words), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        message = f"a small disk cannot be mounted: {' '.join(done.stderr.split())}"
        raise CannotVerify("disk-full", message, "run it as root, or leave this fidelity out")
