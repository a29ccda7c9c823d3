"""Timelines of a search as a real cycle can run them: short, and with faults that it can do.

A cycle takes seconds for each day, so few are drawn, and each is cut to its first days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from verifier.config.scenario import Scenario
from verifier.config.scenario_faults import RUNGS
from verifier.core.finding import Finding, Verdict
from verifier.simulate.explore import Looked, Search, Table
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.scenario_run import run_in_model
from verifier.simulate.shrink import without_strays

SHARE = 2_000
"""One timeline in so many is run in a cycle, though nothing is suspicious in it."""

ONE_FROM = 200
"""Timelines from which on one is, however small the share."""

DAYS_MAX = 14
"""Days that are left of one."""


def drawn_for_cycle(search: Search, looked: Sequence[Looked]) -> dict[int, Table]:
    """Return a random share of the timelines by number, cut to what a cycle can run."""
    numbers = [one.number for one in looked if one.real]
    random = Random(f"{search.seed}/cycle")  # noqa: S311 - nobody draws for secrecy here
    random.shuffle(numbers)
    drawn: dict[int, Table] = {}
    wanted = max(search.count // SHARE, int(search.count >= ONE_FROM))
    for number in numbers:
        if len(drawn) == wanted:
            break
        table = for_cycle(search.table(number))
        if table is not None:
            drawn[number] = table
    return dict(sorted(drawn.items()))


def for_cycle(table: Table) -> Table | None:
    """Return the first days of a timeline, for a cycle; none if it cannot do what goes wrong."""
    simulate = table["simulate"]
    days = min(simulate["days"], DAYS_MAX)
    short = without_strays({**table, "simulate": {**simulate, "days": days}})
    if any("cycle" not in RUNGS[kind] for kind in short["faults"]):
        return None
    about = {**short["scenario"], "fidelity": ["model", "decisions", "cycle"]}
    return {**short, "scenario": about}


def differences(scenario: Scenario, seen: Seen) -> tuple[Finding, ...]:
    """Return what either a cycle or the model showed, and the other one nothing of that kind."""
    modelled = run_in_model(scenario).findings
    one_sided = _kinds(seen.findings) ^ _kinds(modelled)
    return tuple(f for f in (*seen.findings, *modelled) if f.kind in one_sided)


def _kinds(findings: Iterable[Finding]) -> set[str]:
    return {f.kind for f in findings if f.severity is not Verdict.OK}
