"""Where a clock stood when each restic that runs under it began, and who may write to its page.

Both are locks on the page's file, held by the launchers and the writers: the kernel drops those of
a process that is gone, and whoever may only read the page can hold one. How far ahead of the real
time a clock was is told by where in the file, far behind its end, the lock is.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from datetime import timedelta

WORDS_END = 4096
"""Where the part of the file ends that is locked while it is written."""

_MARKS, _MIDDLE, _MARKS_END = 1 << 60, 3 << 59, 1 << 61
_LOCK = struct.Struct("hhqqi")
_TICK = timedelta(microseconds=1)


def lock_words(descriptor: int, *, writing: bool) -> None:
    """Wait until nobody writes the page; whoever writes it waits until nobody else has it so.

    It is the open file's, not the process's: closing another descriptor does not end it.
    """
    _set(descriptor, fcntl.F_WRLCK if writing else fcntl.F_RDLCK, 0, WORDS_END)


def unlock_words(descriptor: int) -> None:
    """Let others write the page."""
    _set(descriptor, fcntl.F_UNLCK, 0, WORDS_END)


def mark(descriptor: int, ahead: timedelta) -> None:
    """Note that a restic begins, and how far ahead of the real time its clock is."""
    _set(descriptor, fcntl.F_RDLCK, _place(ahead), 1)


def unmark(descriptor: int, ahead: timedelta) -> None:
    """Undo `mark`: no restic that began there runs any more."""
    _set(descriptor, fcntl.F_UNLCK, _place(ahead), 1)


def marks(descriptor: int) -> Iterator[timedelta]:
    """Yield where others have put marks, the furthest on either side at least; in no order."""
    spans = [(_MARKS, _MARKS_END)]
    while spans:
        start, end = spans.pop()
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
        kind, _, at, length, _ = _LOCK.unpack(answer)
        if kind == fcntl.F_UNLCK:
            continue
        # Those that stand side by side are one lock to the kernel.
        yield from ((place - _MIDDLE) * _TICK for place in {at, at + length - 1})
        spans += [span for span in ((start, at), (at + length, end)) if span[0] < span[1]]


def _place(ahead: timedelta) -> int:
    return _MIDDLE + ahead // _TICK


def _set(descriptor: int, kind: int, start: int, length: int) -> None:
    lock = _LOCK.pack(kind, os.SEEK_SET, start, length, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, lock)
