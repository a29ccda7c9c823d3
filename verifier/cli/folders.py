"""The folders that commands use: one for the work, which goes with them, and the user's cache."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from verifier.clock.claimed import claimed_folder
from verifier.core.errors import CannotVerify, NoSpace, UsageError
from verifier.fleet.disk import unmount_below

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
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(claimed_folder(_PREFIX, unmount_below))
        except OSError as error:
            message = f"cannot be made: {error.strerror}"
            remedy = "set TMPDIR to a folder that this user may write to"
            raise CannotVerify("temporary folder", message, remedy) from error
        try:
            yield folder
        except OSError as error:
            # Anything but a full disk is a fault of ours. `shutil` gathers errors as text.
            full = os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)
            if not any(words in str(error) for words in full):
                raise
            message = "has no room for the test repositories"
            remedy = "set TMPDIR to a larger disk"
            raise NoSpace(tempfile.gettempdir(), message, remedy) from error


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Give a folder of its own below another; it is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as own:
        yield Path(own)
