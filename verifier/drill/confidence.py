"""What a reading of some of the units says about damage in all of them: hypergeometric, exact.

Pure. "If so many of N units were damaged, reading these n would have met one with probability p":
nothing is said of how likely damage is, nor of a unit after it was last read. It holds where chance
decided either which units were read (the rotation's draw) or which were damaged. Derivation, and
what it is not: docs/ledger.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import expm1, log1p

LEVELS = (0.95, 0.99)
"""The probabilities for which the least damage that would have been met is told."""

FRACTIONS = (Fraction(1, 100), Fraction(1, 1_000))
"""The damaged fractions for which the probability is told."""

_CERTAIN = -50.0
"""The logarithm of a probability that no double tells from 0 beside 1."""


def chance_to_meet(total: int, read: int, damaged: int) -> float:
    """Return the probability that `read` of `total` units hold at least one of the `damaged`.

    1 - C(total - damaged, read) / C(total, read), as a product over the smaller of the two numbers:
    no factorial is ever computed.
    """
    assert 0 <= read <= total
    assert 0 <= damaged <= total
    if read + damaged > total:
        return 1.0
    fewer, more = sorted((read, damaged))
    logarithm = 0.0
    for number in range(fewer):
        logarithm += log1p(-more / (total - number))
        if logarithm < _CERTAIN:
            return 1.0
    return -expm1(logarithm)


def least_damage(total: int, read: int, level: float) -> int | None:
    """Return how few damaged units are met with at least that probability; None for none."""
    if read == 0:
        return None
    low, high = 1, total - read + 1
    while low < high:
        middle = (low + high) // 2
        if chance_to_meet(total, read, middle) >= level:
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True, slots=True)
class Confidence:
    """What was read of so many units, and what follows from it.

    Attributes:
        total, read: units there are, and those that were read and found whole.
        least: probability -> how few damaged units would have been met with it; None: not even
            all of them.
        chances: damaged fraction of the units -> the probability to have met one.
    """

    total: int
    read: int
    least: Mapping[float, int | None]
    chances: Mapping[Fraction, float]


def confidence(total: int, read: int) -> Confidence:
    """Return what follows where `read` of `total` units were read and all of them were whole."""
    # A fraction of units is at least so many whole ones: the damage that is hardest to meet.
    damaged = {
        fraction: -(-total * fraction.numerator // fraction.denominator) for fraction in FRACTIONS
    }
    return Confidence(
        total,
        read,
        {level: least_damage(total, read, level) for level in LEVELS},
        {fraction: chance_to_meet(total, read, number) for fraction, number in damaged.items()},
    )


def least_bytes(units: int, largest_bytes: int) -> int:
    """Return from how many bytes on damage lies in at least so many units.

    Whoever hides it in few units takes the largest: so the bytes of a repository are judged with
    packs as units.
    """
    assert units >= 1
    return (units - 1) * largest_bytes + 1
