"""Packs of a distant repository that many small pieces are asked of, fetched whole and once.

A tree is a piece of a kilobyte or two, and each costs a way there and back. What lies here is what
its name promises, its SHA-256: a pack that is not is asked for in pieces, each time anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from io import FileIO

from verifier.reader.damage import Flaw

PIECE_BYTES = 128 << 10
"""The longest piece that counts as small."""

MAX_BYTES = 1 << 30
"""How much lies here, in a file that has no name; what comes later is asked for in pieces."""

_FIRST = 8
_WORTH_BYTES = 256 << 10
"""What a link carries in the time that one question takes: 20 ms at 100 Mbit/s."""

_PART_BYTES = 8 << 20

Size = Callable[[], int | Flaw]
Read = Callable[[int, int], bytes | Flaw]


class Nearby:
    """The packs that a process has fetched whole. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._places: dict[str, tuple[int, int] | None] = {}
        self._file: FileIO | None = None
        self._end = 0

    def __reduce__(self) -> tuple[type[Nearby], tuple[()]]:
        # Another process fetches what it needs itself.
        return Nearby, ()

    def piece(self, name: str, offset: int, length: int, *, size: Size, read: Read) -> bytes | None:
        """Return a small piece of a pack from here; none where it is to be asked for.

        Args:
            size, read: ask for the size of the pack, and for a part of it.
        """
        with self._lock:
            if name not in self._places and self._is_worth(name, size):
                self._places[name] = self._fetch(name, read)
            place = self._places.get(name)
            if place is None or self._file is None:
                return None
            start, size_bytes = place
            there = max(0, min(length, size_bytes - offset))
            return os.pread(self._file.fileno(), there, start + offset)

    def _is_worth(self, name: str, size: Size) -> bool:
        """Tell whether a pack is no larger than what its pieces have cost by now."""
        self._asked[name] += 1
        asked = self._asked[name]
        # At 8, 16, 32, …: a pack too large as yet is not asked for its size each time.
        if asked < _FIRST or asked & (asked - 1):
            return False
        size_bytes = size()
        if isinstance(size_bytes, Flaw) or size_bytes + self._end > MAX_BYTES:
            return False
        return size_bytes <= asked * _WORTH_BYTES

    def _fetch(self, name: str, read: Read) -> tuple[int, int] | None:
        """Fetch a pack; return where it lies here, or none where it is to be left alone for good.

        That is: not what its name says, or no room for it.
        """
        digest, end = hashlib.sha256(), self._end
        with suppress(OSError):
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - as long as this
                weakref.finalize(self, self._file.close)
            while part := read(end - self._end, _PART_BYTES):
                if isinstance(part, Flaw) or os.pwrite(self._file.fileno(), part, end) < len(part):
                    return None
                digest.update(part)
                end += len(part)
            if digest.hexdigest() == name.rpartition("/")[2]:
                start, self._end = self._end, end
                return start, end - start
        return None
