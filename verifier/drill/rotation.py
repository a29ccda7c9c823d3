"""The rotation: what a run chooses, so that everything is proven within so many rounds.

Pure. A unit is a file or a pack; `last` is the round that last proved it, 0 for never. A unit is
*due* where it was last proven `within` rounds ago or earlier. One that never was has a slot of its
own, drawn from its key: it is due in one of any `within` rounds that follow one another, however
long it has been there. So, wherever all that is due is chosen, the promise holds for every unit,
whatever comes and goes; and the first rounds of a large repository share the work evenly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

_CELLS = 1024
"""A class is cut into so many parts by a hash of the key: as finely a budget is used."""

_ALWAYS, _DUE, _SPARE = range(3)

Rank = tuple[int, int]
"""The class of a unit: the lower, the earlier it is chosen."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is promised, and where it stands.

    Attributes:
        round: the number of this round, from 1 (`Run.file_round`, `Run.pack_round`).
        within: everything is proven within so many rounds; 1 chooses everything.
        seed: of the choice among equals.
        budget_bytes: what may be read at most, and is used up; None: no more than must be.
    """

    round: int
    within: int
    seed: int
    budget_bytes: int | None = None

    def __post_init__(self) -> None:
        assert self.round >= 1
        assert self.within >= 1

    def is_due(self, last: int, key: bytes) -> bool:
        """Return whether a unit must be proven in this round."""
        if last:
            return self.round - last >= self.within
        return (int.from_bytes(key[:8], "big") - self.round) % self.within == 0

    def rank(self, last: int, key: bytes, *, always: bool = False) -> Rank:
        """Return the class of a unit."""
        if always:
            return _ALWAYS, 0
        # In both, what never was proven comes first, and then the oldest.
        return (_DUE if self.is_due(last, key) else _SPARE), last

    def draw(self, key: bytes) -> int:
        """Return a number below 2^64 by which units of one class are put in order."""
        salt = self.seed.to_bytes(8, "big", signed=True)
        return int.from_bytes(blake2b(key, digest_size=8, key=salt).digest(), "big")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The budget does not keep the promise.

    Attributes:
        needed_bytes: what must be read in this round.
        allowed_bytes: the budget.
        rounds: how many it takes to prove everything once at this budget; None: it never is,
            because a single unit is larger.
    """

    needed_bytes: int
    allowed_bytes: int
    rounds: int | None


class Tally:
    """How many units, and bytes, each round proved last; 0 stands for never."""

    def __init__(self) -> None:
        self._units: dict[int, list[int]] = {}

    def add(self, last: int, size_bytes: int) -> None:
        """Count one unit."""
        counted = self._units.setdefault(last, [0, 0])
        counted[0] += 1
        counted[1] += size_bytes

    def prove(self, last: int, now: int, size_bytes: int) -> None:
        """Count a unit, that was counted under `last`, as proven in the round `now`."""
        counted = self._units[last]
        counted[0] -= 1
        counted[1] -= size_bytes
        assert counted[0] >= 0
        self.add(now, size_bytes)

    def held(self) -> Mapping[int, tuple[int, int]]:
        """Return round -> units and bytes, as the ledger takes them."""
        return {r: (n, b) for r, (n, b) in sorted(self._units.items()) if n}


class Survey:
    """The first look over all units, in any order, in memory that does not grow with them."""

    def __init__(self, rotation: Rotation) -> None:
        self._rotation = rotation
        self._cells: dict[Rank, list[int]] = {}
        self._largest_bytes = 0

    def add(self, last: int, key: bytes, size_bytes: int, *, always: bool = False) -> None:
        """Count one unit.

        Args:
            key: at least 8 evenly distributed bytes that stay the unit's own (`file_key`).
            always: it is chosen whatever its age: a canary, one of the largest.
        """
        rank = self._rotation.rank(last, key, always=always)
        cells = self._cells.get(rank)
        if cells is None:
            cells = self._cells[rank] = [0] * _CELLS
        cells[self._rotation.draw(key) % _CELLS] += size_bytes
        self._largest_bytes = max(self._largest_bytes, size_bytes)

    def cut(self) -> Cut:
        """Decide what is chosen: all that is due, then what the budget leaves room for."""
        cells = [
            (rank, cell, size)
            for rank, sizes in sorted(self._cells.items())
            for cell, size in enumerate(sizes)
        ]
        fits = _fill(self._rotation.budget_bytes, [(rank, size) for rank, _, size in cells])
        whole = {rank: bytearray(_CELLS) for rank in self._cells}
        spent_bytes = 0
        part: tuple[Rank, int] | None = None
        for (rank, cell, size), fit in zip(cells, fits, strict=True):
            whole[rank][cell] = fit
            if fit:
                spent_bytes += size
            elif part is None:
                part = rank, cell
        by_rank = {rank: sum(sizes) for rank, sizes in self._cells.items()}
        shortfall = _shortfall(self._rotation.budget_bytes, by_rank, self._largest_bytes)
        return Cut(self._rotation, whole, part, spent_bytes, shortfall)


class Cut:
    """What is chosen, for the second look over the same units in the same order.

    Attributes:
        shortfall: where the budget does not keep the promise; None where it does.
    """

    def __init__(
        self,
        rotation: Rotation,
        whole: Mapping[Rank, bytearray],
        part: tuple[Rank, int] | None,
        spent_bytes: int,
        shortfall: Shortfall | None,
    ) -> None:
        self._rotation = rotation
        self._whole = whole
        self._part = part
        # Of the first cell that does not fit, single units are taken as long as they do.
        budget_bytes = rotation.budget_bytes
        self._left_bytes = -1 if budget_bytes is None else budget_bytes - spent_bytes
        self.shortfall = shortfall

    def chooses(self, last: int, key: bytes, size_bytes: int, *, always: bool = False) -> bool:
        """Return whether a unit is chosen. To be asked once about each that was counted."""
        rank = self._rotation.rank(last, key, always=always)
        cell = self._rotation.draw(key) % _CELLS
        if self._whole[rank][cell]:
            return True
        if (rank, cell) != self._part or size_bytes > self._left_bytes:
            return False
        self._left_bytes -= size_bytes
        return True


@dataclass(frozen=True, slots=True)
class Chosen:
    """The packs of a run: their IDs in order, how many bytes, and whether the promise holds."""

    packs: tuple[str, ...]
    size_bytes: int
    shortfall: Shortfall | None


def choose_packs(
    packs: Iterable[tuple[str, int]],
    history: Mapping[str, int],
    rotation: Rotation,
    always: Collection[str] = (),
) -> Chosen:
    """Choose the packs that a run reads.

    Args:
        packs: ID and size in bytes of all that the repository holds.
        history: ID -> the earlier round that last proved it (`Run.packs`).
        always: IDs that are chosen whatever their age.
    """
    units = sorted(
        (
            rotation.rank(history.get(name, 0), key, always=name in always),
            rotation.draw(key),
            name,
            size,
        )
        for name, size in packs
        for key in (bytes.fromhex(name),)
    )
    fits = _fill(rotation.budget_bytes, [(rank, size) for rank, _, _, size in units])
    chosen = [(name, size) for (_, _, name, size), fit in zip(units, fits, strict=True) if fit]
    by_rank: dict[Rank, int] = {}
    for rank, _, _, size in units:
        by_rank[rank] = by_rank.get(rank, 0) + size
    largest_bytes = max((size for *_, size in units), default=0)
    return Chosen(
        tuple(sorted(name for name, _ in chosen)),
        sum(size for _, size in chosen),
        _shortfall(rotation.budget_bytes, by_rank, largest_bytes),
    )


def _fill(budget_bytes: int | None, sizes: Iterable[tuple[Rank, int]]) -> list[bool]:
    """Return of each what is taken: in the order given, whatever still fits."""
    if budget_bytes is None:
        return [group != _SPARE for (group, _), _ in sizes]
    taken = []
    for _, size_bytes in sizes:
        taken.append(size_bytes <= budget_bytes)
        if taken[-1]:
            budget_bytes -= size_bytes
    return taken


def _shortfall(
    budget_bytes: int | None, by_rank: Mapping[Rank, int], largest_bytes: int
) -> Shortfall | None:
    needed_bytes = sum(size for (group, _), size in by_rank.items() if group != _SPARE)
    if budget_bytes is None or needed_bytes <= budget_bytes:
        return None
    total_bytes = sum(by_rank.values())
    rounds = None if largest_bytes > budget_bytes else -(-total_bytes // budget_bytes)
    return Shortfall(needed_bytes, budget_bytes, rounds)
