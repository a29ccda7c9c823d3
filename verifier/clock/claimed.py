"""Temporary folders that end with their process, however that ends.

A process holds a lock on its folder, so one whose lock is free was left by a process that was
killed outright, and the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def claimed_folder(prefix: str, let_go: Callable[[Path], object] | None = None) -> Iterator[Path]:
    """Give a temporary folder; it is gone afterwards, and so are those that nobody holds.

    Args:
        prefix: of the names of all folders of this kind.
        let_go: unmounts what our kind mounts in such a folder, before it is removed.

    Raises:
        OSError: there is no place for it.
    """
    _sweep(Path(tempfile.gettempdir()), prefix, let_go)
    lock = None
    while lock is None:
        folder = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
        lock = _claim(Path(folder.name))
    try:
        with folder as name:
            yield Path(name)
    finally:
        os.close(lock)


def _sweep(base: Path, prefix: str, let_go: Callable[[Path], object] | None) -> None:
    for folder in base.glob(f"{prefix}*"):
        with suppress(OSError):
            lock = _claim(folder) if folder.lstat().st_uid == os.getuid() else None
            if lock is not None:
                try:
                    if let_go is not None:
                        let_go(folder)
                    # Nothing of what others have mounted there is ours to delete.
                    if not _is_mounted_below(folder):
                        shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(lock)


def _is_mounted_below(folder: Path) -> bool:
    mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    # As the kernel writes a path there, where a space ends a field.
    path = str(folder.resolve()).translate({ord(one): f"\\{ord(one):03o}" for one in " \t\n\\"})
    return f" {path}/" in mounted


def _claim(folder: Path) -> int | None:
    """Return a descriptor that holds the folder; none where another process does, or has."""
    lock = None
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the making of a folder and its lock, another process may have swept it.
        folder.stat()
    except (BlockingIOError, FileNotFoundError):
        if lock is not None:
            os.close(lock)
        return None
    return lock
