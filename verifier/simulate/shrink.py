"""Shrink a scenario that fails to one that fails alike and holds nothing that it can do without.

On the tables of a scenario file, greedily: the boldest cuts first, until none is left that keeps
the failure. The same scenario always shrinks to the same one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from verifier.config.scenario import make_scenario
from verifier.config.scenario_days import strayed

Table = dict[str, Any]

ATTEMPTS_MAX = 400
"""Cuts that are tried: in the model one costs milliseconds."""

_PLAIN: tuple[tuple[str, str, Any], ...] = (
    ("schedule", "times", ["04:00"]),
    ("schedule", "timezone", "UTC"),
    ("retention", "group-by", "host,paths"),
)
"""What stands for nothing in particular."""


def shrink(table: Table, fails: Callable[[Table], bool], attempts: int = ATTEMPTS_MAX) -> Table:
    """Return the smallest table found that still fails.

    Args:
        fails: says whether a table fails as the first one did; one that is no scenario does not.
        attempts: how often it is asked at most.
    """
    left = attempts
    shrunk = True
    while shrunk:
        shrunk = False
        for smaller in _cuts(table):
            if left == 0:
                return table
            left -= 1
            if fails(smaller):
                table, shrunk = smaller, True
                break
    return table


def without_strays(table: Table) -> Table:
    """Return the table without what never happens in it: as a file it would be refused."""
    scenario = make_scenario(table, "")
    for problem in reversed(list(strayed(scenario.faults, scenario.config))):
        place, kind, index = problem.location[:3]
        table = _without_element(table, str(place), str(kind), int(index))
    return table


def _cuts(table: Table) -> Iterator[Table]:
    yield from _shorter(table)
    yield from _without_fault(table)
    yield from _without_host(table)
    yield from _without_rule(table)
    yield from _plainer(table)
    yield from _smaller_numbers(table)


def _shorter(table: Table) -> Iterator[Table]:
    days = table["simulate"]["days"]
    for fewer in dict.fromkeys((days // 8, days // 2, days * 3 // 4, days - 7, days - 1)):
        if 0 < fewer < days:
            # From the end, and from the start.
            yield _with(table, "simulate", "days", fewer)
            later = table["simulate"]["start"] + timedelta(days=days - fewer)
            yield _with(_with(table, "simulate", "days", fewer), "simulate", "start", later)


def _without_fault(table: Table) -> Iterator[Table]:
    for place in ("faults", "simulate"):
        for kind, faults in table.get(place, {}).items():
            if isinstance(faults, list):
                for index in range(len(faults)):
                    yield _without_element(table, place, kind, index)


def _without_element(table: Table, place: str, kind: str, index: int) -> Table:
    smaller = copy.deepcopy(table)
    del smaller[place][kind][index]
    if not smaller[place][kind]:
        del smaller[place][kind]
    return smaller


def _without_host(table: Table) -> Iterator[Table]:
    if len(table["hosts"]) == 1:
        return
    for host in table["hosts"]:
        smaller = copy.deepcopy(table)
        name = host["name"]
        smaller["hosts"] = [h for h in smaller["hosts"] if h["name"] != name]
        for place in ("faults", "simulate"):
            for kind, faults in list(smaller.get(place, {}).items()):
                if isinstance(faults, list) and kind != "missed":
                    smaller[place][kind] = [f for f in faults if f["host"] != name]
                    if not smaller[place][kind]:
                        del smaller[place][kind]
        yield smaller


def _without_rule(table: Table) -> Iterator[Table]:
    rules = [key for key in table["retention"] if key.startswith("keep-")]
    for rule in rules if len(rules) > 1 else ():
        smaller = copy.deepcopy(table)
        del smaller["retention"][rule]
        yield smaller


def _plainer(table: Table) -> Iterator[Table]:
    for place, key, plain in _PLAIN:
        if table[place].get(key, plain) != plain:
            yield _with(table, place, key, plain)


def _smaller_numbers(table: Table) -> Iterator[Table]:
    for rule, value in table["retention"].items():
        if isinstance(value, int) and value > 1:
            for less in dict.fromkeys((1, value // 2, value - 1)):
                yield _with(table, "retention", rule, less)
    for index, attack in enumerate(table.get("faults", {}).get("snapshots-added", ())):
        for less in dict.fromkeys((1, attack["count"] // 2)):
            if 0 < less < attack["count"]:
                smaller = copy.deepcopy(table)
                smaller["faults"]["snapshots-added"][index]["count"] = less
                yield smaller
    for place in ("faults", "simulate"):
        for kind, faults in table.get(place, {}).items():
            if isinstance(faults, list) and kind != "missed":
                yield from _shorter_spells(table, place, kind, faults)


def _shorter_spells(
    table: Table, place: str, kind: str, faults: list[dict[str, Any]]
) -> Iterator[Table]:
    for index, fault in enumerate(faults):
        if "to" in fault and fault["to"] > fault["from"]:
            smaller = copy.deepcopy(table)
            smaller[place][kind][index]["to"] = fault["from"]
            yield smaller


def _with(table: Table, place: str, key: str, value: Any) -> Table:
    smaller = copy.deepcopy(table)
    smaller[place][key] = value
    return smaller
