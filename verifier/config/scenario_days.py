"""Whether what goes wrong in a scenario does so on a day that comes, and on which it can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from verifier.config.locate import Location
from verifier.config.models import Config
from verifier.config.problems import Problem
from verifier.config.scenario_faults import Faults
from verifier.config.table import Table
from verifier.retention.calendar import instant_of

_MOMENTS = ("on", "after")


def strayed(faults: Faults, config: Config) -> Iterator[Problem]:
    """Yield what never happens: its day is none of the timeline, or one without its backup.

    A slip in the year would prove that something does no harm which never took place.
    """
    simulate = config.simulate
    for kind, fault, where in _listed(faults, "faults"):
        out = list(out_of_timeline(fault, config, where))
        yield from out or _idle(kind, fault, config, where)
    for kind, fault, where in _listed(simulate, "simulate"):
        if kind in ("down", "paths"):
            yield from out_of_timeline(fault, config, where)
    for index, days in enumerate(simulate.missed):
        given = {"from": days.first, "to": days.last}
        for problem in out_of_timeline(given, config, ()):
            yield Problem(("simulate", "missed", index), problem.found, problem.expected, _REMEDY)


_REMEDY = "take another day, or change simulate.start or simulate.days"


def out_of_timeline(table: Mapping[str, Any], config: Config, where: Location) -> Iterator[Problem]:
    """Yield what is wrong with the day or the range of days of a table, if it is never reached."""
    start = config.simulate.start
    end = start + timedelta(days=config.simulate.days - 1)
    key = next(key for key in ("from", *_MOMENTS) if key in table)
    # What began earlier and has no end is so on the first day.
    last = table.get("to", date.max) if key == "from" else table[key]
    if last < start or end < table[key]:
        wrong = "to" if "to" in table and last < start else key
        yield Problem((*where, wrong), str(table[wrong]), f"a day from {start} to {end}", _REMEDY)


def _listed(tables: Table, place: str) -> Iterator[tuple[str, Mapping[str, Any], Location]]:
    for kind, listed in tables.model_dump(by_alias=True).items():
        for index, table in enumerate(listed if isinstance(listed, list | tuple) else ()):
            yield kind, table, (place, kind, index)


def _idle(
    kind: str, fault: Mapping[str, Any], config: Config, where: Location
) -> Iterator[Problem]:
    if "from" in fault:
        yield from _idle_spell(fault, config, where)
    key = next((key for key in _MOMENTS if key in fault), None)
    if key is None:
        return
    day, host = fault[key], fault.get("host")
    if _is_missed(day, config):
        found = f"{day}, on which the coordinator does not run"
        remedy = "take another day, or change simulate.missed"
        yield Problem((*where, key), found, "a day with a cycle", remedy)
    elif _is_skipped(day, config):
        found = f"{day}, on which the clocks skip the hour of the cycle"
        remedy = "take another day, or change schedule.times"
        yield Problem((*where, key), found, "a day with a cycle", remedy)
    elif kind != "snapshots-added" and _is_down(day, host, config):
        found = f"{day}, on which {host} is down"
        remedy = "take another day, or change simulate.down"
        yield Problem((*where, key), found, "a day with a backup", remedy)


def _idle_spell(fault: Mapping[str, Any], config: Config, where: Location) -> Iterator[Problem]:
    """Yield a spell of whose days none has a cycle, or none a backup of its host."""
    start, host = config.simulate.start, fault.get("host")
    days = (start + timedelta(days=day) for day in range(config.simulate.days))
    within = [day for day in days if fault["from"] <= day <= fault.get("to", date.max)]
    if not any(_has_cycle(day, config) for day in within):
        remedy = "take other days, or change simulate.missed"
        found = "days on all of which the coordinator does not run"
        yield Problem((*where, "from"), found, "a day with a cycle", remedy)
    elif not any(_has_cycle(day, config) and not _is_down(day, host, config) for day in within):
        remedy = "take other days, or change simulate.down"
        found = f"days on all of which {host} is down"
        yield Problem((*where, "from"), found, "a day with a backup", remedy)


def _has_cycle(day: date, config: Config) -> bool:
    return not (_is_missed(day, config) or _is_skipped(day, config))


def _is_missed(day: date, config: Config) -> bool:
    return any(days.first <= day <= days.last for days in config.simulate.missed)


def _is_skipped(day: date, config: Config) -> bool:
    """Say whether a change to summer time leaves a day without the hour of any cycle."""
    times = (datetime.combine(day, at) for at in config.schedule.times)
    return all(instant_of(at, config.zone) is None for at in times)


def _is_down(day: date, host: str | None, config: Config) -> bool:
    spells = (down for down in config.simulate.down if down.host == host)
    return any(down.from_ <= day <= down.to for down in spells)
