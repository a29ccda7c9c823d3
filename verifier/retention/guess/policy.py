"""Which `--keep-*` counts leave just the snapshots that are there.

Of all policies that keep every snapshot, the one under which the fewest runs must be thought never
to have taken place; of several such, the one with the fewest rules, and of their counts the usual
ones. What it says is then held against `decide` itself, which is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate, pairwise
from operator import or_

from verifier.core.policy import UNLIMITED, Policy
from verifier.retention.decide import Forget, group_key, newest_first
from verifier.retention.guess.evidence import NEVER, RULES, Evidence, Group, gather
from verifier.retention.rules import Rules

LOOKS = 200_000
"""Combinations that are weighed at a time: enough for ten years of daily backups."""

USUAL: Mapping[str, tuple[int, ...]] = {
    "yearly": (10, 5, 3, 2, 1, 7, 20, 25, 75, 100),
    "monthly": (12, 6, 24, 3, 36, 18, 60),
    "weekly": (5, 4, 8, 12, 52, 26, 13, 3),
    "daily": (30, 7, 14, 31, 60, 90, 10, 365, 180),
    "hourly": (24, 48, 72, 168, 12),
    "last": (10, 5, 3, 1, 7, 14, 20, 24, 30),
}
"""Counts that people write, the most usual first."""

_HOURLY = timedelta(minutes=90)
"""Where snapshots follow one another closer, hours are what is counted, and else the last ones."""


@dataclass(frozen=True, slots=True)
class Range:
    """Counts of one rule that explain the snapshots equally well; no greatest where any would.

    Attributes:
        chosen: the one that is guessed.
    """

    rule: str
    least: int
    most: int | None
    chosen: int


@dataclass(frozen=True, slots=True)
class PolicyGuess:
    """A policy, and what stands behind it.

    Attributes:
        ranges: of each rule, from coarse to fine; none where nothing was ever removed.
        snapshots: that it keeps, which are all.
        removed: runs whose snapshot is not there, as it says.
        missed: runs that it takes for never made, or it would have kept them.
        exact: `decide` leaves just the snapshots that are there of all the others.
        oldest_kept: whether the oldest snapshot is kept as restic 0.16 and newer keep it.
    """

    policy: Policy
    group_by: tuple[str, ...]
    ranges: tuple[Range, ...]
    snapshots: int
    removed: int
    missed: int
    exact: bool
    oldest_kept: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule at each of its counts: masks of the snapshots it keeps and of the runs it wants."""

    name: str
    counts: tuple[int, ...]
    keeps: tuple[int, ...]
    wants: tuple[int, ...]

    @classmethod
    def of(cls, name: str, evidence: Evidence) -> _Rule:
        keeps, wants = evidence.keeps[name], evidence.wants[name]
        counts = (0, *sorted({count for count in keeps if count != NEVER}))
        return cls(name, counts, _masks(keeps, counts), _masks(wants, counts))

    def least(self, wanted: int) -> int | None:
        """Return the place of the least count that keeps all that is wanted, where one does."""
        if wanted & ~self.keeps[-1]:
            return None
        low, high = 0, len(self.counts) - 1
        while low < high:
            middle = (low + high) // 2
            if wanted & ~self.keeps[middle]:
                low = middle + 1
            else:
                high = middle
        return low


def _masks(thresholds: Sequence[int], counts: Sequence[int]) -> tuple[int, ...]:
    at = {count: 0 for count in counts}
    ordered = sorted(counts)
    for place, threshold in enumerate(thresholds):
        found = next((count for count in ordered if threshold <= count), None)
        if found is not None:
            at[found] |= 1 << place
    return tuple(accumulate((at[count] for count in counts), or_))


Counts = dict[str, int]


def guess_policy(groups: Sequence[Group], group_by: tuple[str, ...], rules: Rules) -> PolicyGuess:
    """Guess the policy that left the snapshots of all groups.

    Args:
        groups: by `group_by`; each newest first.
        rules: of the release that forgets, as far as known; if the other way of keeping the oldest
            snapshot explains more, that is taken.
    """
    own = _guess(groups, group_by, rules)
    if own.missed == 0 and own.exact:
        return own
    other = _guess(groups, group_by, replace(rules, oldest_kept=not rules.oldest_kept))
    return min((own, other), key=lambda guess: (not guess.exact, guess.missed))


def _guess(groups: Sequence[Group], group_by: tuple[str, ...], rules: Rules) -> PolicyGuess:
    evidence = gather(groups, oldest_kept=rules.oldest_kept)
    snapshots, absent = len(evidence.keeps["last"]), len(evidence.wants["last"])
    counts = _search(groups, evidence)
    ranges = tuple(_ranges(counts, evidence))
    chosen = {one.rule: one.chosen for one in ranges}
    missed = _wanted(chosen, evidence).bit_count()
    if missed == absent:
        everything = UNLIMITED if rules.knows_unlimited else 100_000
        policy = Policy(last=everything)
        return PolicyGuess(policy, group_by, (), snapshots, 0, absent, True, rules.oldest_kept)
    policy = _policy(chosen)
    wanted = _wanted(chosen, evidence)
    exact = _is_exact(groups, group_by, policy, rules, wanted)
    removed = absent - missed
    return PolicyGuess(
        policy, group_by, ranges, snapshots, removed, missed, exact, rules.oldest_kept
    )


def _policy(counts: Counts) -> Policy:
    return Policy(
        last=counts.get("last", 0),
        hourly=counts.get("hourly", 0),
        daily=counts.get("daily", 0),
        weekly=counts.get("weekly", 0),
        monthly=counts.get("monthly", 0),
        yearly=counts.get("yearly", 0),
    )


def _search(groups: Sequence[Group], evidence: Evidence) -> Counts:
    """Return the best counts, by asking first for those that want no absent run, then one, ….

    What wants too much is left early that way, however many counts there are.
    """
    rules = {name: _Rule.of(name, evidence) for name in RULES}
    everything = (1 << len(evidence.keeps["last"])) - 1
    disliked = {"hourly": 1, "last": 2} if _hourly(groups) else {"last": 1, "hourly": 2}
    allowed = 0
    while True:
        best: tuple[tuple[int, ...], Counts] | None = None
        for _, (counts, wants) in zip(
            range(LOOKS), _covers(rules, everything, allowed), strict=False
        ):
            given = {name: count for name, count in counts.items() if count}
            liked = sum(disliked.get(name, 0) for name in given)
            score = (wants.bit_count(), len(given), liked, sum(given.values()))
            if best is None or score < best[0]:
                best = score, given
        if best is not None:
            return best[1]
        allowed = allowed * 2 + 1


def _hourly(groups: Sequence[Group]) -> bool:
    pairs = (pair for group in groups for pair in pairwise(group.there))
    return any(later.taken_at - sooner.taken_at < _HOURLY for later, sooner in pairs)


def _covers(
    rules: Mapping[str, _Rule], everything: int, allowed: int
) -> Iterator[tuple[Counts, int]]:
    """Yield combinations of counts that keep everything, with the runs that each wants.

    Args:
        allowed: so many, and no more, may be wanted.
    """
    coarse = [rules[name] for name in ("yearly", "monthly", "weekly")]
    for counts, kept, wanted in _coarse(coarse, {}, 0, 0, allowed):
        for fine, also in _fine(rules, everything & ~kept, wanted, allowed):
            if also.bit_count() <= allowed:
                yield {**counts, **fine}, also


def _coarse(
    rules: Sequence[_Rule], counts: Counts, kept: int, wanted: int, allowed: int
) -> Iterator[tuple[Counts, int, int]]:
    if not rules:
        yield counts, kept, wanted
        return
    rule, *rest = rules
    for place, count in enumerate(rule.counts):
        wants, keeps = wanted | rule.wants[place], kept | rule.keeps[place]
        if wants.bit_count() > allowed:
            # Greater counts want no fewer.
            return
        if place and keeps == kept:
            # It keeps nothing that the coarser ones do not keep.
            continue
        yield from _coarse(rest, {**counts, rule.name: count}, keeps, wants, allowed)


def _fine(
    rules: Mapping[str, _Rule], left: int, wanted: int, allowed: int
) -> Iterator[tuple[Counts, int]]:
    """Yield the least counts of days, hours and the last ones that keep all that is left."""
    if not left:
        yield {}, wanted
        return
    daily, hourly, last = (rules[name] for name in ("daily", "hourly", "last"))
    for rule in (daily, hourly, last):
        place = rule.least(left)
        if place is not None:
            yield {rule.name: rule.counts[place]}, wanted | rule.wants[place]
    for first, others in ((daily, (hourly, last)), (hourly, (last,))):
        for number, count in enumerate(first.counts[1:], start=1):
            wants, still = wanted | first.wants[number], left & ~first.keeps[number]
            if not still or wants.bit_count() > allowed:
                break
            for other in others:
                place = other.least(still)
                if place is not None:
                    counts = {first.name: count, other.name: other.counts[place]}
                    yield counts, wants | other.wants[place]


def _ranges(counts: Counts, evidence: Evidence) -> Iterator[Range]:
    """Yield, of each rule, the counts between which nothing changes; others as they were chosen."""
    chosen = dict(counts)
    for rule in [name for name in RULES if name in counts]:
        others = {name: count for name, count in chosen.items() if name != rule}
        left = _all(evidence) & ~_kept(others, evidence)
        places = [place for place in range(left.bit_length()) if left >> place & 1]
        least = max((evidence.keeps[rule][place] for place in places), default=0)
        allowed = _wanted(chosen, evidence)
        beyond = [
            threshold - 1
            for place, threshold in enumerate(evidence.wants[rule])
            if not allowed >> place & 1 and threshold != NEVER
        ]
        most = min(beyond, default=None)
        if least == 0:
            # The others keep it all as they were chosen.
            del chosen[rule]
            continue
        chosen[rule] = _usual(rule, least, most)
        yield Range(rule, least, most, chosen[rule])


def _usual(rule: str, least: int, most: int | None) -> int:
    usual = USUAL[rule]
    if most is not None:
        return next((count for count in usual if least <= count <= most), least)
    if least <= usual[0]:
        return usual[0]
    return min((count for count in usual if count >= least), default=least)


def _all(evidence: Evidence) -> int:
    return (1 << len(evidence.keeps["last"])) - 1


def _kept(counts: Counts, evidence: Evidence) -> int:
    return _reached(counts, evidence.keeps)


def _wanted(counts: Counts, evidence: Evidence) -> int:
    return _reached(counts, evidence.wants)


def _reached(counts: Counts, thresholds: Mapping[str, Sequence[int]]) -> int:
    found = 0
    for rule, count in counts.items():
        for place, threshold in enumerate(thresholds[rule]):
            if threshold <= count:
                found |= 1 << place
    return found


def _is_exact(
    groups: Sequence[Group], group_by: tuple[str, ...], policy: Policy, rules: Rules, missed: int
) -> bool:
    """Say whether `decide` leaves just what is there of it and of the runs that took place."""
    forget, place = Forget(policy, rules), 0
    for group in groups:
        made = [
            absent
            for number, absent in enumerate(group.absent, start=place)
            if not missed >> number & 1
        ]
        place += len(group.absent)
        whole = newest_first((*group.there, *made))
        now = whole[0].taken_at + timedelta(hours=1)
        decided = forget.decide(group_key(whole[0], group_by), whole, now)
        if {s.id for s in decided.keep} != {s.id for s in group.there}:
            return False
    return True
