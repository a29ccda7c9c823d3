"""Records that may be more than memory should hold, sorted and kept in a temporary file.

The file has no name from the start, so nothing is left behind whatever ends the process; it is read
through the page cache, which the system takes back as it needs. `TMPDIR` says where it lies.
"""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Iterable, Iterator

from verifier.core.errors import CannotVerify

MAX_RUN = 1 << 17
"""Records held as Python objects at a time, in sorting and in merging: some 20 MB."""

MAX_MEMORY_BYTES = 4 << 20
"""What is shorter stays in memory and needs no file."""

Stored = bytes | mmap.mmap
"""Sliced alike, to bytes, and never written again."""


class Spool:
    """Bytes appended in turn, then read as one. To be closed; what it returned lives on."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES)  # noqa: SIM115 see close
        self._size_bytes = 0
        self.close = self._file.close

    def append(self, part: bytes) -> None:
        """Add bytes at the end.

        Raises:
            CannotVerify: there is no room for them.
        """
        with _translated():
            self._file.write(part)
        self._size_bytes += len(part)

    def finish(self) -> Stored:
        """Return all that was appended.

        Raises:
            CannotVerify: there is no room for it.
        """
        with _translated():
            self._file.seek(0)
            if self._size_bytes <= MAX_MEMORY_BYTES:
                return self._file.read()
            return mmap.mmap(self._file.fileno(), self._size_bytes, prot=mmap.PROT_READ)


class Sorter:
    """Sorts records of one length, each kept once: runs are sorted, stored, and merged.

    Args:
        max_run: records held at a time.
    """

    def __init__(self, record_bytes: int, *, max_run: int = MAX_RUN) -> None:
        self._record_bytes = record_bytes
        self._max_run = max_run
        self._due: list[bytes] = []
        self._runs = Spool()
        self._ends: list[int] = []
        self.close = self._runs.close

    def add(self, records: Iterable[bytes]) -> None:
        """Add some records, far fewer than memory holds."""
        self._due += records
        if len(self._due) >= self._max_run:
            self._spill()

    def finish(self) -> Stored:
        """Return all records, sorted, without a gap between them."""
        if not self._ends:
            return b"".join(_unique(self._due))
        self._spill()
        with contextlib.closing(Spool()) as merged:
            for part in self._merge(self._runs.finish()):
                merged.append(b"".join(part))
            return merged.finish()

    def _spill(self) -> None:
        run = _unique(self._due)
        self._runs.append(b"".join(run))
        self._ends.append((self._ends[-1] if self._ends else 0) + len(run))
        self._due.clear()

    def _merge(self, stored: Stored) -> Iterator[Iterable[bytes]]:
        # Of each run no more than a block is at or below the least last record of all blocks: so
        # much is taken from all of them at once. Sorting runs that are sorted is merging.
        left = list(zip([0, *self._ends], self._ends, strict=False))
        while left := [(start, end) for start, end in left if start < end]:
            block = max(1, self._max_run // len(left))
            until = min(self._get(stored, min(start + block, end) - 1) for start, end in left)
            stops = [self._above(stored, until, start, end) for start, end in left]
            starts = (start for start, _ in left)
            taken = zip(starts, stops, strict=True)
            yield _unique([record for span in taken for record in self._slice(stored, *span)])
            left = [(stop, end) for (_, end), stop in zip(left, stops, strict=True)]

    def _get(self, stored: Stored, number: int) -> bytes:
        at = number * self._record_bytes
        return stored[at : at + self._record_bytes]

    def _slice(self, stored: Stored, start: int, stop: int) -> Iterator[bytes]:
        step = self._record_bytes
        part = stored[start * step : stop * step]
        return (part[at : at + step] for at in range(0, len(part), step))

    def _above(self, stored: Stored, limit: bytes, low: int, high: int) -> int:
        while low < high:
            middle = (low + high) // 2
            if self._get(stored, middle) <= limit:
                low = middle + 1
            else:
                high = middle
        return low


def _unique(records: list[bytes]) -> dict[bytes, None]:
    return dict.fromkeys(sorted(records))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotVerify(
            tempfile.gettempdir(),
            f"takes no temporary file for the index: {error.strerror}",
            "make room there, or set TMPDIR to a folder that has it",
        ) from error
