"""Become another program, with a lock that is free again when that and all its children have ended.

    python -I -S -c START ROOT FILE PROGRAM [ARGUMENT...]

The lock is held by the program itself, and so outlives whoever started it by exactly as long as the
program does. Its standard library alone is used: it starts quickly, and knows no other room.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

HELD = 75
"""The exit status where another process has the lock; EX_TEMPFAIL of sysexits.h."""

_SAID = "restic-verify: another process holds the lock"

_ROOT = Path(__file__).parents[2]
_ENTRY = "verifier.fleet.locked"
_START = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from {_ENTRY} import main; main()"


def locked(file: Path, argv: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs another one under a lock, or ends with `HELD` at once."""
    return (sys.executable, "-I", "-S", "-c", _START, str(_ROOT), str(file), *argv)


def was_held(status: int, said: bytes) -> bool:
    """Say whether a command of `locked` ended because another process has the lock."""
    return status == HELD and _SAID.encode() in said


def is_held(file: Path) -> bool:
    """Say whether some process has the lock now.

    Raises:
        OSError: the file cannot be opened.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def main() -> NoReturn:
    """Take the lock and become the program."""
    file, *argv = sys.argv[1:]
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"{_SAID}\n")
        raise SystemExit(HELD) from None
    # Inherited by the program, and by what it starts.
    os.set_inheritable(descriptor, True)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        raise SystemExit(127) from None
