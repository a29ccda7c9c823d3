"""The folders that commands use: one for the work, which goes with them, and the user's cache.

A command holds a lock on its work folder, so one whose lock is free was left by a command that was
killed outright, and the next one removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from verifier.core.errors import CannotVerify, NoSpace, UsageError

# Not named as a drill's scratch space: the next drill sweeps what is empty of those.
_PREFIX = "simulate-restic-work-"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return our folder in the user's cache, whether it exists or not.

    Raises:
        UsageError: the environment names no place for a cache.
    """
    cache, home = environ.get("XDG_CACHE_HOME") or "", environ.get("HOME") or ""
    if Path(cache).is_absolute():
        return Path(cache) / "restic-verify"
    if not home:
        raise UsageError("HOME", "is not set, so there is no place for a cache", "set it")
    return Path(home) / ".cache" / "restic-verify"


@contextmanager
def work_folder() -> Iterator[Path]:
    """Give a temporary folder for test repositories; it is gone afterwards.

    What killed commands left there is removed first.

    Raises:
        NoSpace, CannotVerify: there is no temporary folder, or it does not hold them.
    """
    try:
        _sweep(Path(tempfile.gettempdir()))
        work = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        lock = _locked(Path(work.name))
    except OSError as error:
        message = f"cannot be made: {error.strerror}"
        remedy = "set TMPDIR to a folder that this user may write to"
        raise CannotVerify("temporary folder", message, remedy) from error
    with work as name:
        try:
            yield Path(name)
        except OSError as error:
            # Anything but a full disk is a fault of ours. `shutil` gathers errors as text.
            full = os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)
            if not any(words in str(error) for words in full):
                raise
            message = "has no room for the test repositories"
            remedy = "set TMPDIR to a larger disk"
            raise NoSpace(tempfile.gettempdir(), message, remedy) from error
        finally:
            os.close(lock)


def _sweep(base: Path) -> None:
    mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    for folder in base.glob(f"{_PREFIX}*"):
        # Nothing of what is mounted there is ours to delete.
        if folder.is_symlink() or f" {folder}/" in mounted:
            continue
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid():
                lock = _locked(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Give a folder of its own below another; it is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as own:
        yield Path(own)
