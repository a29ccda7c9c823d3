"""The search: random timelines in the model, and what is suspicious about any of them.

Every timeline is a function of seed and number, so that one can be run again by itself. What the
model shows is held against the policy's promises; whether restic does the same is asked elsewhere.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from verifier.config.scenario import Scenario, make_scenario
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import group_key, newest_first
from verifier.simulate.explore_draw import REAL_RELEASES, draw
from verifier.simulate.scenario import follow_scenario
from verifier.simulate.simulation import Result

Table = dict[str, Any]

SUSPICIOUS = frozenset({"promise-broken", "newest-removed", "over-bound", "disagreement"})
"""Kinds of findings that no timeline may show, whatever goes wrong in it."""

BATCH = 10
"""Timelines that a process is handed at once."""

SHARE = 250
"""One timeline in so many is replayed with the real restic, though nothing is suspicious in it."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which timelines are drawn: `count` of them, numbered from 0."""

    seed: int
    count: int
    days: int
    hosts: int

    def table(self, number: int) -> Table:
        """Return the tables of one timeline's scenario file."""
        return draw(self.seed, number, days=self.days, hosts=self.hosts)

    def name(self, number: int) -> str:
        """Return what one timeline's scenario is called."""
        return f"explored-{self.seed}-{number}"


@dataclass(frozen=True, slots=True)
class Looked:
    """What one timeline showed in the model.

    Attributes:
        suspicious: kinds of findings that no timeline may show.
        decisions: groups decided upon.
        real: there is a restic of its release to ask.
        digest: of every snapshot that was removed, and when; equal timelines, equal digests.
    """

    number: int
    suspicious: tuple[str, ...]
    decisions: int
    real: bool
    digest: str


def look(search: Search, numbers: Sequence[int]) -> tuple[Looked, ...]:
    """Run some timelines in the model."""
    # As for one timeline: a million small objects and no cycle among them.
    gc.disable()
    try:
        return tuple(_look(search, number) for number in numbers)
    finally:
        gc.enable()


def _look(search: Search, number: int) -> Looked:
    scenario = make_scenario(search.table(number), search.name(number))
    result = follow_scenario(scenario)
    return Looked(
        number,
        tuple(sorted({finding.kind for finding in suspicious(result, scenario)})),
        sum(tally.checked for tally in result.promises.tallies()[:1]),
        scenario.about.restic in REAL_RELEASES,
        _digest(result),
    )


def suspicious(result: Result, scenario: Scenario) -> tuple[Finding, ...]:
    """Return the findings that no timeline may show, known hazards of restic left out.

    A policy of tags alone promises nothing to what has no such tag, not even to the newest. And
    where hosts of several zones share a group, days come back in the order of time: restic counts
    them again (#3722), and its promises reach less far.
    """
    policy, config = scenario.config.policy(), scenario.config
    found = [f for f in result.followed.findings() if f.kind in SUSPICIOUS]
    if all(option.startswith("--keep-tag") for option in policy.options()):
        found = [f for f in found if f.kind != "newest-removed"]
    if found:
        mixed = _groups_out_of_order(result, config.group_by)
        found = [f for f in found if f.kind != "promise-broken" or f.subject not in mixed]
    return tuple(found)


def _groups_out_of_order(result: Result, group_by: Sequence[str]) -> set[str]:
    """Return the groups whose civil times do not follow one another as their instants do."""
    groups: dict[str, list[Snapshot]] = {}
    for record in result.followed.records:
        for snapshot in record.created:
            groups.setdefault(str(group_key(snapshot, group_by)), []).append(snapshot)
    hours = {key: [s.hour for s in newest_first(group)] for key, group in groups.items()}
    return {key for key, known in hours.items() if known != sorted(known, reverse=True)}


def _digest(result: Result) -> str:
    digest = hashlib.sha256()
    for record in result.followed.records:
        if record.removed:
            at = record.step.at.isoformat()
            lines = [f"{at} {snapshot.id}\n" for snapshot, _ in record.removed]
            digest.update("".join(lines).encode())
    return digest.hexdigest()


def look_at_all(
    search: Search, executor: Executor, advance: Callable[[int], object]
) -> tuple[Looked, ...]:
    """Run every timeline in the model, in parallel; return them by number."""
    numbers = range(search.count)
    batches = [numbers[at : at + BATCH] for at in numbers[::BATCH]]
    futures = [executor.submit(partial(look, search), batch) for batch in batches]
    looked: list[Looked] = []
    try:
        for future in as_completed(futures):
            looked += future.result()
            advance(len(future.result()))
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    return tuple(sorted(looked, key=lambda one: one.number))


def digest_of(looked: Sequence[Looked]) -> str:
    """Return one digest of everything that was seen: one seed, one digest."""
    return hashlib.sha256("".join(one.digest for one in looked).encode()).hexdigest()


def drawn_for_replay(search: Search, looked: Sequence[Looked]) -> tuple[Looked, ...]:
    """Return a random share of the timelines, for the real restic to decide in them."""
    real = [one for one in looked if one.real]
    random = Random(f"{search.seed}/replay")  # noqa: S311 - nobody draws for secrecy here
    drawn = random.sample(range(len(real)), min(len(real), -(-search.count // SHARE)))
    return tuple(real[place] for place in sorted(drawn))


def with_survivors(table: Table) -> Table:
    """Return the tables with an expectation: what survives now, and that all is well."""
    scenario = make_scenario(table, "")
    left: dict[tuple[str, tuple[str, ...]], int] = {}
    for group in follow_scenario(scenario).followed.survivors():
        for snapshot in group.keep:
            key = snapshot.host, tuple(sorted(snapshot.paths))
            left[key] = left.get(key, 0) + 1
    survivors = [
        {"host": host, "paths": list(paths), "count": count}
        for (host, paths), count in sorted(left.items())
    ]
    return {**table, "expect": {"verdict": "OK", "survivors": survivors}}
