"""`restic-verify simulate --explore N`: random timelines, and what is left of those that fail."""

from __future__ import annotations

import argparse
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.cli.context import Context
from verifier.cli.explore_replay import (
    Cycled,
    before,
    cycled,
    decided,
    disagreements,
    disagrees,
    made,
    replay_each,
    told_of_cycle,
)
from verifier.cli.finish import versions, writing
from verifier.cli.options import whole_number
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.config.models import DAYS_MAX
from verifier.config.scenario import make_scenario
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude
from verifier.reader.executor import open_executor
from verifier.simulate.explore import (
    Looked,
    Search,
    Table,
    digest_of,
    drawn_for_replay,
    look,
    look_at_all,
    suspicious,
    with_survivors,
)
from verifier.simulate.explore_cycle import drawn_for_cycle
from verifier.simulate.scenario import follow_scenario
from verifier.simulate.scenario_text import render_scenario
from verifier.simulate.shrink import shrink, without_strays
from verifier.simulate.simulation import Result

COUNT_MAX = 1_000_000
HOSTS_MAX = 50

SHRUNK_MAX = 5
"""Failures that are shrunk: many are seldom more than one, seen from several sides."""

REAL_ATTEMPTS = 60
"""Cuts that are tried where restic is asked about every one of them."""

CYCLE_ATTEMPTS = 20
"""Cuts that are tried where each is a cycle: it takes seconds for each day."""

_ONCE = "It was not shown again, and this is the whole timeline"

_TAKEN = frozenset({"explore", "days", "hosts", "seed", "json", "report"})
"""Options that a search takes; every other one says what a search draws."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """One timeline that fails, shrunk; `real` says what restic and a cycle make of it."""

    number: int
    table: Table
    first: Finding
    real: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is left of a timeline that failed where real programs ran, and what it showed."""

    table: Table
    findings: tuple[Finding, ...]
    is_shown_again: bool


def explore(options: argparse.Namespace, context: Context) -> Report:
    """Search, replay, shrink, and conclude."""
    started_at = context.clock.now()
    search = _search(options)
    workers = os.cpu_count() or 1
    with (
        open_executor("local", workers, context.environ, look.__module__) as executor,
        context.progress(search.count, "timelines", "explore model") as advance,
    ):
        looked = look_at_all(search, executor, advance)
    today = started_at.date()
    drawn = {
        one.number: before(search.table(one.number), today)
        for one in drawn_for_replay(search, looked)
    }
    tables = drawn_for_cycle(search, looked)
    with open_laboratory(context) as laboratory:
        with context.progress(len(drawn), "timelines", "explore decisions") as advance:

            def decide(table: Table) -> Result | None:
                # Cut, so that the last of them keeps every processor at work too.
                return decided(make_scenario(table, ""), laboratory, workers)

            replayed = replay_each(drawn, decide, laboratory, workers, advance)
        with context.progress(len(tables), "timelines", "explore cycle") as advance:

            def cycle(table: Table) -> Cycled:
                return cycled(table, laboratory)

            cycles = replay_each(tables, cycle, laboratory, workers, advance)
        failures = (
            *_failures(search, looked, laboratory),
            *_failures_in_replay(drawn, replayed, laboratory),
            *_failures_in_cycle(tables, cycles, laboratory),
        )
    left_out = sum(result is None for result in replayed.values())
    unrun = Counter(one.left_out for one in cycles.values() if one.left_out)
    return conclude(
        "simulate",
        (
            *(_finding(search, failure, options.report) for failure in failures),
            *_unseen(looked, replayed),
        ),
        Coverage(
            "timelines",
            len(looked),
            len(looked),
            ({"replays without their restic": left_out} if left_out else {}) | unrun,
        ),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={
            "seed": search.seed,
            "explore": search.count,
            "days": search.days,
            "hosts": search.hosts,
        },
        measurements={
            "decisions": sum(one.decisions for one in looked),
            "decisions_of_restic": sum(r.followed.compared for r in replayed.values() if r),
            "digest": digest_of(looked),
            "timelines_suspicious": sum(bool(one.suspicious) for one in looked),
            "timelines_replayed": len(replayed) - left_out,
            "timelines_in_cycle": len(cycles) - unrun.total(),
        },
    )


def _unseen(looked: Sequence[Looked], replayed: Mapping[int, Result | None]) -> Iterator[Finding]:
    """Yield what keeps a search from an OK: nothing was decided, or nobody but the model did."""
    remedy = "search more timelines, or longer ones"
    if not any(one.decisions for one in looked):
        detail = f"no forget had anything to decide on any timeline: {remedy}"
        yield Finding("empty", "timelines", detail)
    elif replayed and all(result is None for result in replayed.values()):
        # The model alone cannot show that it is right.
        detail = "no timeline could be held against the real one: none of its releases is there"
        yield Finding("could-not-verify", "restic", f"{detail} (`restic-verify toolchain fetch`)")
    elif not any(result.followed.compared for result in replayed.values() if result):
        detail = f"no decision of the model was held against the real restic: {remedy}"
        yield Finding("empty", "restic", detail)


def _search(options: argparse.Namespace) -> Search:
    for name, value in vars(options).items():
        if name not in _TAKEN and value not in (None, False, []):
            option = f"--{name.replace('_', '-')}"
            remedy = "a search draws that itself: give --days, --hosts and --seed alone"
            raise UsageError(option, "does not go with --explore", remedy)
    _check_place(_place(options.report))
    seed = "1" if options.seed is None else options.seed
    return Search(
        whole_number("--seed", seed, least=0, most=(1 << 63) - 1),
        whole_number("--explore", options.explore, most=COUNT_MAX),
        whole_number("--days", options.days or "400", most=DAYS_MAX),
        whole_number("--hosts", options.hosts or "3", most=HOSTS_MAX),
    )


def _place(report: str | None) -> Path:
    """Return the folder that scenarios of failures are written into."""
    return Path(report or ".")


def _check_place(folder: Path) -> None:
    # Before the work, not after it: what it finds must not be lost for want of a place.
    if not os.access(folder, os.W_OK | os.X_OK):
        message = "the scenario of a failure cannot be written into this folder"
        raise UsageError(str(folder.absolute()), message, "name another folder with --report")


def _failures(
    search: Search, looked: Sequence[Looked], laboratory: Laboratory
) -> Iterator[_Failure]:
    known: set[tuple[str, ...]] = set()
    for one in looked:
        if one.suspicious and one.suspicious not in known and len(known) < SHRUNK_MAX:
            known.add(one.suspicious)
            yield _shrunk_in_model(search, one, laboratory)


def _shrunk_in_model(search: Search, one: Looked, laboratory: Laboratory) -> _Failure:
    def shows(table: Table) -> tuple[Finding, ...]:
        scenario = made(table)
        return suspicious(follow_scenario(scenario), scenario) if scenario else ()

    wanted = set(one.suspicious)
    least = shrink(search.table(one.number), lambda t: wanted <= {f.kind for f in shows(t)})
    table = without_strays(least)
    scenario = make_scenario(table, "")
    real = f"No restic {scenario.about.restic} was there to ask"
    try:
        result = decided(scenario, laboratory) if one.real else None
    except CannotVerify as error:
        result, real = None, f"The real restic was not asked: {error.message}"
    if result is not None:
        same = "otherwise" if disagrees(result) else "the same"
        real = f"The real restic decides {same}. {told_of_cycle(table, laboratory)}"
    return _Failure(one.number, with_survivors(table), shows(table)[0], real)


def _failures_in_replay(
    drawn: Mapping[int, Table], replayed: Mapping[int, Result | None], laboratory: Laboratory
) -> Iterator[_Failure]:
    # One disagreement is enough to look into, and each takes minutes to shrink.
    differing = (n for n, result in replayed.items() if result is not None and disagrees(result))
    number = next(differing, None)
    if number is None:
        return

    def disagreeing(table: Table) -> tuple[Finding, ...]:
        scenario = made(table)
        result = decided(scenario, laboratory) if scenario else None
        return disagreements(result) if result else ()

    result = replayed[number]
    assert result is not None, "it differs"
    kept = _least(drawn[number], disagreements(result), disagreeing, REAL_ATTEMPTS)
    real = f"The real restic decided otherwise. {_ONCE}"
    if kept.is_shown_again:
        real = f"The real restic decides otherwise. {told_of_cycle(kept.table, laboratory)}"
    yield _Failure(number, with_survivors(kept.table), kept.findings[0], real)


def _failures_in_cycle(
    tables: Mapping[int, Table], cycles: Mapping[int, Cycled], laboratory: Laboratory
) -> Iterator[_Failure]:
    number = next((number for number, one in cycles.items() if one.differs), None)
    if number is None:
        return

    def differing(table: Table) -> tuple[Finding, ...]:
        return cycled(table, laboratory).differs if made(table) else ()

    kept = _least(tables[number], cycles[number].differs, differing, CYCLE_ATTEMPTS)
    real = "A cycle shows otherwise than the model"
    if not kept.is_shown_again:
        real = f"A cycle showed otherwise than the model. {_ONCE}"
    first = min(kept.findings, key=lambda f: f.kind != "disagreement")
    yield _Failure(number, with_survivors(kept.table), first, real)


def _least(
    table: Table,
    first: tuple[Finding, ...],
    shows: Callable[[Table], tuple[Finding, ...]],
    attempts: int,
) -> _Kept:
    """Return what is left of a timeline that failed; all of it where it does not fail again.

    Args:
        first: what it showed in the search.
        shows: says what a timeline shows.
    """

    def shown(candidate: Table) -> tuple[Finding, ...]:
        try:
            return shows(candidate)
        except CannotVerify:
            # What was found is worth more than what keeps us from finding it again.
            return ()

    least = without_strays(shrink(table, lambda t: bool(shown(t)), attempts))
    again = shown(least)
    return _Kept(least, again, True) if again else _Kept(table, first, False)


def _finding(search: Search, failure: _Failure, report: str | None) -> Finding:
    text = render_scenario(failure.table)
    path = _place(report) / f"{search.name(failure.number)}.toml"
    with writing(str(path.parent)):
        path.write_text(text, encoding="utf-8")
    command = shlex.join(["restic-verify", "scenario", "run", str(path)])
    detail = f"{failure.first.detail}. {failure.real}. Run it again with `{command}`"
    evidence = {"subject": failure.first.subject, "scenario": text, "command": command}
    return Finding(failure.first.kind, f"timeline {failure.number}", detail, evidence)
