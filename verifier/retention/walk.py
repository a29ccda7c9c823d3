"""What each counting rule keeps of a list, kept up to date while the list changes.

`forget` walks over a group from its newest snapshot for every rule and keeps the first of each
bucket until the count is used up. A timeline asks the same of a list that has grown by a day, so
what the rules kept is remembered, a bit a snapshot, and one that comes in front or goes costs a
step and not a walk. `tests/laws` holds that against walks from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Reasons = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counting:
    """One rule that counts.

    Attributes:
        count: of buckets, at least one.
        bucket: from a civil hour; none where every snapshot is one of its own.
        word: why a snapshot is kept by it.
        oldest: why the last of the list is kept where counts are left; empty where it is not.
    """

    count: int
    bucket: Callable[[int], int] | None
    word: str
    oldest: str


class Walk:
    """What every rule keeps of a list that is newest first.

    The newest is position 0, and bit 0 of a mask. Two things make one step enough. What a rule
    keeps is the first of its bucket, so only the front can lose its place to one that comes before
    it. And what goes was kept by no rule: it was not first, or beyond the count.

    Attributes:
        reasons: why each snapshot is kept, in the order of the rules; empty for one that is not.
    """

    __slots__ = ("_all", "_front", "_left", "_masks", "_rules", "reasons")

    def __init__(self, rules: Sequence[Counting], hours: Sequence[int]) -> None:
        self._rules = rules
        self._all = tuple(rule.word for rule in rules)
        walked = [_walked(rule, hours) for rule in rules]
        self._masks = [mask for mask, _ in walked]
        self._left = [left for _, left in walked]
        self._front = [rule.bucket(hours[0]) if rule.bucket and hours else None for rule in rules]
        self.reasons: list[Reasons] = [()] * len(hours)
        self._tell(range(len(hours)))

    def add(self, hour: int) -> None:
        """Put a snapshot of that civil hour in front."""
        masks, left = self._masks, self._left
        changed = {1}
        for index, rule in enumerate(self._rules):
            mask = masks[index]
            if rule.bucket is not None:
                bucket = rule.bucket(hour)
                if bucket == self._front[index]:
                    # The newest of the bucket stands for it.
                    masks[index] = (mask & ~1) << 1 | 1
                    continue
                self._front[index] = bucket
            mask = mask << 1 | 1
            if left[index]:
                left[index] -= 1
                if not left[index]:
                    # The oldest of all is no longer kept for being it.
                    changed.add(len(self.reasons))
            else:
                oldest = mask.bit_length() - 1
                mask ^= 1 << oldest
                changed.add(oldest)
            masks[index] = mask
        self.reasons.insert(0, self._all)
        changed.discard(len(self.reasons))
        self._tell(changed)

    def drop(self, position: int) -> None:
        """Take a snapshot away that no rule keeps."""
        assert not self.reasons[position], "what a rule keeps stays"
        below = (1 << position) - 1
        self._masks = [mask & below | mask >> position + 1 << position for mask in self._masks]
        del self.reasons[position]

    def _tell(self, positions: Iterable[int]) -> None:
        end = len(self.reasons) - 1
        for position in positions:
            bit, why = 1 << position, []
            for rule, mask, left in zip(self._rules, self._masks, self._left, strict=True):
                if mask & bit:
                    why.append(rule.word)
                elif position == end and left and rule.oldest:
                    why.append(rule.oldest)
            self.reasons[position] = tuple(why)


def _walked(rule: Counting, hours: Sequence[int]) -> tuple[int, int]:
    """Return what one rule keeps of a list, and how much of its count is left."""
    # restic remembers the previous bucket only: where UTC offsets are mixed, a day can come back
    # and is counted again.
    values = range(len(hours)) if rule.bucket is None else map(rule.bucket, hours)
    mask, left, previous = 0, rule.count, None
    for position, value in enumerate(values):
        if value != previous:
            mask |= 1 << position
            previous = value
            left -= 1
            if not left:
                break
    return mask, left
