"""Scratch space: a private folder for what a drill restores, gone however the drill ends.

Each run holds a lock on a file in its own folder, so a folder whose lock is free was left by a
run that was killed, and is swept. Foreign folders and folders in use are never touched.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from verifier.core.entry import Rights
from verifier.core.errors import CannotVerify, NoSpace

PREFIX = "restic-verify-"
RESERVE_PERCENT = 5

_LOCK = "lock"
# A valid ACL that says what the mode bits say: version 2, then user, group, mask and others.
_ACL = bytes.fromhex("02000000" + "01000600ffffffff" + "04000400ffffffff" + "20000400ffffffff")
_TRIALS = {
    "user": ("user.restic-verify", b"1"),
    "system": ("system.posix_acl_access", _ACL),
    "trusted": ("trusted.restic-verify", b"1"),
    "security": ("security.restic-verify", b"1"),
}


@contextmanager
def scratch(base: Path) -> Iterator[Path]:
    """Make a folder that only this user may enter, and remove it with all it holds at the end.

    Leftovers of killed runs below `base` are swept first.

    Raises:
        CannotVerify: there can be no folder, or it could not be removed.
        NoSpace: the disk is full.
    """
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(base)
        folder, lock = _create(base)
    except OSError as error:
        raise _translated(base, error) from error
    try:
        yield folder
    finally:
        try:
            remove(folder)
        finally:
            os.close(lock)


def sweep(base: Path) -> tuple[Path, ...]:
    """Remove what killed runs left below `base`; return what was removed."""
    swept = []
    for folder in sorted(base.glob(PREFIX + "*")):
        if _is_ours(folder) and _sweep_one(folder):
            swept.append(folder)
    return tuple(swept)


def remove(folder: Path) -> None:
    """Remove a folder whatever the modes inside it are. Links are not followed.

    Raises:
        CannotVerify: something in it resists; the next run tries again.
    """
    try:
        _empty(folder)
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"the restored files could not be removed: {error.strerror}"
        remedy = f"remove {folder} by hand; it holds restored files"
        raise CannotVerify(str(folder), message, remedy) from error
    except BaseException:
        # A signal came while we removed; a second one is not heeded, so now it comes to an end.
        _empty(folder)
        raise


def require_space(folder: Path, size_bytes: int, entries: int, *, budget_bytes: int) -> None:
    """Make sure that a restore of so many bytes in so many entries fits, with a reserve.

    Raises:
        NoSpace: it does not fit the disk, or the budget.
    """
    disk = os.statvfs(folder)
    # Every entry may leave most of its last block empty.
    need = size_bytes * (100 + RESERVE_PERCENT) // 100 + entries * disk.f_frsize
    free = disk.f_bavail * disk.f_frsize
    if need > budget_bytes:
        message = f"the restore needs {_size(need)}, and {_size(budget_bytes)} are allowed"
        raise NoSpace(str(folder), message, "raise monthly.scratch-budget")
    if need > free:
        message = f"the restore needs {_size(need)}, and {_size(free)} are free"
        raise NoSpace(str(folder), message, "free some space, or name another folder (--scratch)")
    # File systems that make inodes as they go say that they have none at all.
    if disk.f_files and entries > disk.f_favail:
        message = f"the restore needs {entries} inodes, and {disk.f_favail} are free"
        raise NoSpace(str(folder), message, "name a folder on another disk (--scratch)")


def rights(folder: Path) -> Rights:
    """Find out by trying what this user may give to files in the folder."""
    trial = folder / "trial"
    other = os.geteuid() + 1
    trial.touch(mode=0o640)
    namespaces = frozenset(
        n for n, (name, value) in _TRIALS.items() if _may_set(trial, name, value)
    )
    owner = _may(lambda: os.chown(trial, other, other))
    trial.unlink()
    devices = _may(lambda: os.mknod(trial, stat.S_IFCHR | 0o600, os.makedev(1, 3)))
    trial.unlink(missing_ok=True)
    return Rights(owner=owner, devices=devices, namespaces=namespaces)


def _may_set(path: Path, name: str, value: bytes) -> bool:
    return _may(lambda: os.setxattr(path, name, value))


def _may(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _create(base: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        # A sweeper may take the folder for a leftover until the lock is held: begin again then.
        with suppress(FileNotFoundError):
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if _take(lock, folder):
                return folder, lock
            os.close(lock)


def _take(lock: int, folder: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock), (folder / _LOCK).stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        # Another run is done and has removed its own.
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _sweep_one(folder: Path) -> bool:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        # Killed between making the folder and its lock; or another run is there right now.
        return _may(folder.rmdir)
    try:
        if not _take(lock, folder):
            return False
        remove(folder)
        return True
    finally:
        os.close(lock)


def _empty(folder: Path) -> None:
    # The lock goes last: a folder without it that still holds something would never be swept.
    for path, names, _ in os.walk(folder):
        for name in names:
            below = Path(path, name)
            if not below.is_symlink():
                below.chmod(0o700)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()


def _translated(base: Path, error: OSError) -> CannotVerify:
    if error.errno in {28, 122}:
        return NoSpace(str(base), "there is no room for a scratch folder", "free some space")
    message = f"no scratch folder can be made there: {error.strerror}"
    return CannotVerify(str(base), message, "name another folder: --scratch, or monthly.scratch")


def _size(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB ({count} bytes)"
