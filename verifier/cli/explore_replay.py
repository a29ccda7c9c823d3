"""Timelines of a search where real programs run: the real forget alone, and whole cycles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from verifier.cli.context import Advance
from verifier.cli.scenario_worlds import Laboratory
from verifier.config.scenario import Scenario, make_scenario
from verifier.core.errors import ClockNotControlled, ToolMissing, VerifyError
from verifier.core.finding import Finding
from verifier.simulate.explore import Table
from verifier.simulate.explore_cycle import DAYS_MAX, differences, for_cycle
from verifier.simulate.scenario import expand_schedules
from verifier.simulate.shrink import without_strays
from verifier.simulate.simulation import Result

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Cycled:
    """What a timeline showed in a cycle.

    Attributes:
        differs: what the model does not show alike.
        left_out: why there was no cycle; empty where there was one.
    """

    differs: tuple[Finding, ...] = ()
    left_out: str = ""


def replay_each(
    tables: Mapping[int, Table],
    ask: Callable[[Table], _Answer],
    laboratory: Laboratory,
    workers: int,
    advance: Advance,
) -> dict[int, _Answer]:
    """Ask about every timeline, some side by side; return the answers by number."""

    def asked(table: Table) -> _Answer:
        answer = ask(table)
        advance(1)
        return answer

    expand_schedules(make_scenario(table, "") for table in tables.values())
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            futures = {number: pool.submit(asked, table) for number, table in tables.items()}
            return {number: future.result() for number, future in futures.items()}
        except BaseException:
            # Leaving the pool waits for its threads, and they for their commands.
            pool.shutdown(wait=False, cancel_futures=True)
            laboratory.host.end_all()
            raise


def before(table: Table, today: date) -> Table:
    """Return a timeline cut to its days before today: real restic's clock says no other day."""
    simulate = table["simulate"]
    days = min(simulate["days"], max(1, (today - simulate["start"]).days))
    if days == simulate["days"]:
        return table
    return without_strays({**table, "simulate": {**simulate, "days": days}})


def decided(scenario: Scenario, laboratory: Laboratory, segments: int = 1) -> Result | None:
    """Return what the real restic makes of a timeline; none where there is no such restic.

    Args:
        segments: that run side by side.
    """
    try:
        return laboratory.decide(scenario, segments)
    except ToolMissing:
        return None


def cycled(table: Table, laboratory: Laboratory) -> Cycled:
    """Run a timeline in a cycle, held against the model."""
    scenario = make_scenario(table, "")
    try:
        return Cycled(differences(scenario, laboratory.run(scenario, "cycle")))
    except ToolMissing:
        return Cycled(left_out="cycles without their restic")
    except ClockNotControlled:
        return Cycled(left_out="cycles without a controlled clock")


def told_of_cycle(table: Table, laboratory: Laboratory) -> str:
    """Run what was shrunk in a cycle if it can be, and say what it shows."""
    short = for_cycle(table)
    if short is None or table["simulate"]["days"] > DAYS_MAX:
        return "A cycle cannot run it"
    shown = cycled(short, laboratory)
    if shown.left_out:
        return "No cycle was there to ask"
    return "A cycle shows otherwise" if shown.differs else "A cycle shows the same"


def made(table: Table) -> Scenario | None:
    """Return the scenario of some tables; none where a cut has left tables that make none."""
    try:
        return make_scenario(table, "")
    except (ExceptionGroup, VerifyError):
        return None


def disagreements(result: Result) -> tuple[Finding, ...]:
    """Return where restic decided otherwise than the model."""
    return tuple(f for f in result.followed.findings() if f.kind == "disagreement")


def disagrees(result: Result) -> bool:
    """Return whether restic decided otherwise than the model."""
    return bool(disagreements(result))
