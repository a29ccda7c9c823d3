"""Whose files ours are, and what is said to who may not look at them.

What root makes belongs to the owner of the folder around it, as SQLite has it for its own log: one
command that root runs by hand does not lock out the service whose folder it is.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from verifier.core.errors import CannotVerify

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(folder: Path) -> bool:
    """Make a folder for its owner alone, and those above it; say whether there was none.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return False
    for one in (*reversed(folder.parents), folder):
        try:
            one.mkdir(mode=0o700 if one == folder else 0o777)
        except FileExistsError:
            # Or somebody else has just made it; what is in the way of the next is told by that.
            continue
        except OSError:
            if not one.is_dir():
                raise
            continue
        descriptor = os.open(one, _FOLDER)
        try:
            give(descriptor, one)
        finally:
            os.close(descriptor)
    return True


def open_owned(path: Path, flags: int) -> int:
    """Open a file as `os.open` does; where there is none, one is made for its owner alone.

    Raises:
        OSError: it cannot be opened.
    """
    flags |= os.O_CREAT | os.O_CLOEXEC
    make_file(path)
    return os.open(path, flags, 0o600)


def make_file(path: Path) -> None:
    """Make an empty file for its owner alone, where there is nothing.

    What is there is not opened: to close a handle of a database drops SQLite's locks on it.

    Raises:
        OSError: it cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        # Only what was made here: whoever owns the folder may have put a link to anything there.
        give(descriptor, path)
    finally:
        os.close(descriptor)


def give(descriptor: int, path: Path) -> None:
    """Give what root has just made to the owner of the folder around it.

    Args:
        descriptor: of it, open.
        path: where it lies.

    Raises:
        OSError: the file system does not take it.
    """
    if os.geteuid() != 0:
        return
    around = path.absolute().parent.stat()
    if around.st_uid != 0:
        os.fchown(descriptor, around.st_uid, around.st_gid)


def is_there(path: Path) -> bool:
    """Say whether something is at a path.

    Raises:
        CannotVerify: this user may not look.
    """
    try:
        return path.exists()
    except OSError as error:
        message = f"cannot be looked at: {error.strerror}"
        raise CannotVerify(str(path), message, remedy_for(path)) from error


def remedy_for(path: Path, otherwise: str = "let this user read it") -> str:
    """Return what to do where this user may not look at a path, or write there.

    Args:
        otherwise: what else helps.
    """
    closed = path.absolute()
    while closed != closed.parent and not _is_known(closed):
        closed = closed.parent
    uid = closed.stat().st_uid
    if uid == os.geteuid():
        return otherwise
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    return f"run it as {name}, who owns {closed}, or {otherwise}"


def _is_known(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True
