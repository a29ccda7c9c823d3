"""Draw a few out of many in one pass: what is chosen together, and the best of what was offered.

Pure. A ticket is a hash of seed and path, so a draw does not depend on the order of the paths.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from hashlib import blake2b

from verifier.drill.recorded import Recorded


@dataclass(slots=True, eq=False)
class Unit:
    """Entries that are chosen together or not at all.

    Attributes:
        members: the first one stands for the others.
        whole: a directory with everything beneath it.
        broken: it cannot be chosen: something in it is lost, or there is too much of it.
    """

    members: list[Recorded]
    whole: bool = False
    broken: bool = False

    @property
    def path(self) -> str:
        """Where its first member is."""
        return self.members[0].entry.path

    @property
    def size_bytes(self) -> int:
        """How large its files are."""
        return sum(one.entry.size for one in self.members if one.entry.type == "file")


@dataclass(slots=True)
class Best:
    """The units of lowest rank out of all that were offered."""

    count: int
    _heap: list[tuple[int, int, Unit]] = field(default_factory=list)
    _offered: int = 0

    def offer(self, rank: int, unit: Unit) -> None:
        """Keep the unit if its rank is among the lowest so far."""
        self._offered += 1
        # A heap has its smallest at the front; the highest rank is what has to go first.
        if len(self._heap) < self.count:
            heapq.heappush(self._heap, (-rank, -self._offered, unit))
        elif self._heap and -rank > self._heap[0][0]:
            heapq.heapreplace(self._heap, (-rank, -self._offered, unit))

    def units(self) -> list[Unit]:
        """Return what was kept, the lowest rank first."""
        return [unit for _, _, unit in sorted(self._heap, key=lambda item: (-item[0], -item[1]))]


def ticket(seed: int, path: str) -> int:
    """Return a path's number in the draw, 0 to 2**64 - 1."""
    key = (seed % (1 << 128)).to_bytes(16, "big")
    digest = blake2b(path.encode(errors="surrogateescape"), key=key, digest_size=8)
    return int.from_bytes(digest.digest(), "big")
