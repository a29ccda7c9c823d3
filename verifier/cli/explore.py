"""`restic-verify simulate --explore N`: random timelines, and what is left of those that fail."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from verifier.cli.context import Advance, Context
from verifier.cli.finish import versions, writing
from verifier.cli.options import whole_number
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.config.models import DAYS_MAX
from verifier.config.scenario import Scenario, make_scenario
from verifier.core.errors import ToolMissing, UsageError, VerifyError
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude
from verifier.reader.executor import open_executor
from verifier.simulate.explore import (
    Looked,
    Search,
    Table,
    digest_of,
    drawn_for_replay,
    look_at_all,
    suspicious,
    with_survivors,
)
from verifier.simulate.scenario import follow_scenario
from verifier.simulate.scenario_text import render_scenario
from verifier.simulate.shrink import shrink
from verifier.simulate.simulation import Result

COUNT_MAX = 1_000_000
HOSTS_MAX = 50

SHRUNK_MAX = 5
"""Failures that are shrunk: many are seldom more than one, seen from several sides."""

REAL_ATTEMPTS = 60
"""Cuts that are tried where restic is asked about every one of them."""

_TAKEN = frozenset({"explore", "days", "hosts", "seed", "json", "report", "fidelity"})
"""Options that a search takes; every other one says what a search draws."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """One timeline that fails, shrunk; `real` says what the real restic makes of it."""

    number: int
    table: Table
    first: Finding
    real: str


def explore(options: argparse.Namespace, context: Context) -> Report:
    """Search, replay, shrink, and conclude."""
    started_at = context.clock.now()
    search = _search(options)
    workers = os.cpu_count() or 1
    with (
        open_executor("local", workers, context.environ) as executor,
        context.progress(search.count, "timelines", "explore model") as advance,
    ):
        looked = look_at_all(search, executor, advance)
    drawn = drawn_for_replay(search, looked)
    with (
        open_laboratory(context) as laboratory,
        context.progress(len(drawn), "timelines", "explore decisions") as advance,
    ):
        replayed = _replay(search, drawn, laboratory, workers, advance)
        failures = tuple(_failures(search, looked, replayed, laboratory))
    left_out = sum(result is None for result in replayed.values())
    return conclude(
        "simulate",
        (
            *(_finding(search, failure, options.report) for failure in failures),
            *_unreplayed(len(replayed), left_out),
        ),
        Coverage(
            "timelines",
            len(looked),
            len(looked),
            {"replays without their restic": left_out} if left_out else {},
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
        },
    )


def _unreplayed(drawn: int, left_out: int) -> Iterator[Finding]:
    if drawn == left_out > 0:
        # The model alone cannot show that it is right.
        detail = "no timeline could be held against the real one: none of its releases is there"
        yield Finding("could-not-verify", "restic", f"{detail} (`restic-verify toolchain fetch`)")


def _search(options: argparse.Namespace) -> Search:
    for name, value in vars(options).items():
        if name not in _TAKEN and value not in (None, False, []):
            option = f"--{name.replace('_', '-')}"
            remedy = "a search draws that itself: give --days, --hosts and --seed alone"
            raise UsageError(option, "does not go with --explore", remedy)
    seed = "1" if options.seed is None else options.seed
    return Search(
        whole_number("--seed", seed, least=0, most=(1 << 63) - 1),
        whole_number("--explore", options.explore, most=COUNT_MAX),
        whole_number("--days", options.days or "400", most=DAYS_MAX),
        whole_number("--hosts", options.hosts or "3", most=HOSTS_MAX),
    )


def _replay(
    search: Search,
    drawn: Sequence[Looked],
    laboratory: Laboratory,
    workers: int,
    advance: Advance,
) -> dict[int, Result | None]:
    def replay(one: Looked) -> Result | None:
        result = _decided(make_scenario(search.table(one.number), ""), laboratory)
        advance(1)
        return result

    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            futures = {one.number: pool.submit(replay, one) for one in drawn}
            return {number: future.result() for number, future in futures.items()}
        except BaseException:
            # Leaving the pool waits for its threads, and they for their commands.
            pool.shutdown(wait=False, cancel_futures=True)
            laboratory.host.end_all()
            raise


def _decided(scenario: Scenario, laboratory: Laboratory) -> Result | None:
    """Return what the real restic makes of a timeline; none where there is no such restic."""
    try:
        return laboratory.decide(scenario)
    except ToolMissing:
        return None


def _failures(
    search: Search,
    looked: Sequence[Looked],
    replayed: dict[int, Result | None],
    laboratory: Laboratory,
) -> Iterator[_Failure]:
    known: set[tuple[str, ...]] = set()
    for one in looked:
        if one.suspicious and one.suspicious not in known and len(known) < SHRUNK_MAX:
            known.add(one.suspicious)
            yield _shrunk_in_model(search, one, laboratory)
    for number, result in replayed.items():
        if result is not None and _disagrees(result):
            yield _shrunk_for_real(search, number, laboratory)
            # One disagreement is enough to look into, and each takes minutes to shrink.
            return


def _shrunk_in_model(search: Search, one: Looked, laboratory: Laboratory) -> _Failure:
    def shows(table: Table) -> tuple[Finding, ...]:
        scenario = _made(table)
        return suspicious(follow_scenario(scenario), scenario) if scenario else ()

    wanted = set(one.suspicious)
    table = shrink(search.table(one.number), lambda t: wanted <= {f.kind for f in shows(t)})
    scenario = make_scenario(table, "")
    result = _decided(scenario, laboratory) if one.real else None
    if result is None:
        real = f"No restic {scenario.about.restic} was there to ask"
    elif _disagrees(result):
        real = "The real restic decides otherwise"
    else:
        real = "The real restic decides the same"
    return _Failure(one.number, with_survivors(table), shows(table)[0], real)


def _shrunk_for_real(search: Search, number: int, laboratory: Laboratory) -> _Failure:
    def disagreeing(table: Table) -> Result | None:
        scenario = _made(table)
        result = _decided(scenario, laboratory) if scenario else None
        return result if result and _disagrees(result) else None

    table = shrink(search.table(number), lambda t: disagreeing(t) is not None, REAL_ATTEMPTS)
    again = disagreeing(table)
    assert again is not None, "what was shrunk still fails"
    first = next(f for f in again.followed.findings() if f.kind == "disagreement")
    return _Failure(number, with_survivors(table), first, "The real restic decides otherwise")


def _made(table: Table) -> Scenario | None:
    """Return the scenario of some tables; none where a cut has left tables that make none."""
    try:
        return make_scenario(table, "")
    except (ExceptionGroup, VerifyError):
        return None


def _disagrees(result: Result) -> bool:
    return any(finding.kind == "disagreement" for finding in result.followed.findings())


def _finding(search: Search, failure: _Failure, report: str | None) -> Finding:
    text = render_scenario(failure.table)
    path = Path(report or ".") / f"{search.name(failure.number)}.toml"
    with writing(str(path.parent)):
        path.write_text(text, encoding="utf-8")
    command = shlex.join(["restic-verify", "scenario", "run", str(path)])
    detail = f"{failure.first.detail}. {failure.real}. Run it again with `{command}`"
    evidence = {"subject": failure.first.subject, "scenario": text, "command": command}
    return Finding(failure.first.kind, f"timeline {failure.number}", detail, evidence)
