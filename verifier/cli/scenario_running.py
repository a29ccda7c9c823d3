"""`restic-verify scenario run`: every scenario on every rung that it names."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import get_args

from verifier.cli.context import Context
from verifier.cli.finish import versions, writing
from verifier.cli.scenario_bench import Bench, open_bench
from verifier.config.scenario import Fidelity, Scenario
from verifier.core.errors import UsageError
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude
from verifier.simulate.scenario_junit import Case, render_junit

RUNGS: tuple[str, ...] = get_args(Fidelity)

Due = tuple[Path, Scenario, str]
"""A scenario's file, the scenario, and the rung on which it is to run."""


def run_scenarios(
    scenarios: dict[Path, Scenario],
    options: argparse.Namespace,
    context: Context,
    started_at: datetime,
) -> Report:
    """Run scenarios side by side, and conclude."""
    rungs = rungs_of(options.fidelity)
    due = list(due_on(scenarios, rungs))
    # Before all that work, and not after it.
    junit = Path(options.junit) if options.junit else None
    if junit:
        _prepare(junit)
    logs = Path(options.logs) if options.logs else None
    if logs:
        _check_apart(due)
        with writing(str(logs), "--logs"):
            logs.mkdir(parents=True, exist_ok=True)
    with open_bench(context, rebuild=options.rebuild, check=options.check, logs=logs) as bench:
        cases = _run_all(due, bench, context)
    if junit:
        with writing(str(junit), "--junit"):
            junit.write_text(render_junit(cases), encoding="utf-8")
    looked = sum(case.looked for case in cases)
    return conclude(
        "scenario",
        (*unnamed(due, rungs), *(finding for case in cases for finding in case.findings)),
        Coverage("scenarios", looked, len(cases)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"check": options.check, "fidelity": ", ".join(rungs)},
        sections={"scenarios": [_section(case) for case in cases]},
    )


def rungs_of(asked: Sequence[str] | None) -> tuple[str, ...]:
    """Return the rungs that are asked for, and all where none is.

    Args:
        asked: one rung each, or several by comma.

    Raises:
        UsageError: there is no such rung.
    """
    named = [name.strip() for text in asked or () for name in text.split(",")]
    for name in named:
        if name not in RUNGS:
            remedy = f"fidelities are {', '.join(RUNGS)}"
            raise UsageError("--fidelity", f"{name!r} is no fidelity", remedy)
    return tuple(rung for rung in RUNGS if rung in named or not named)


def due_on(scenarios: dict[Path, Scenario], rungs: Collection[str]) -> Iterator[Due]:
    """Yield every scenario on every one of these rungs that it names itself."""
    for path, scenario in scenarios.items():
        for rung in scenario.about.fidelity:
            if rung in rungs:
                yield path, scenario, rung


def unnamed(due: Sequence[Due], rungs: Sequence[str]) -> tuple[Finding, ...]:
    """Return that none of the scenarios names what was asked for, where that is so."""
    if due:
        return ()
    said = f"none of these scenarios names fidelity {' or '.join(rungs)}"
    return (Finding("empty", "scenario", said),)


def _prepare(file: Path) -> None:
    """See that a file can be written, with the folder that it is to lie in.

    Raises:
        NoSpace, UsageError: it cannot.
    """
    if file.is_dir():
        remedy = f"name a file in it, as {file / 'scenarios.xml'}"
        raise UsageError(f"--junit {file}", "is a folder, and one file is written", remedy)
    with writing(str(file), "--junit"):
        file.parent.mkdir(parents=True, exist_ok=True)
        # What stands there stays until there is something to write.
        file.open("a").close()


def _check_apart(due: Sequence[Due]) -> None:
    """See that no two scenarios would write one log.

    Raises:
        UsageError: two of them have one name.
    """
    known: dict[str, Path] = {}
    for path, scenario, _ in due:
        other = known.setdefault(scenario.name, path)
        if other != path:
            message = f"{other} and {path} are both called {scenario.name}, and so is their log"
            raise UsageError("--logs", message, "run them one after the other, each with a folder")


def _run_all(due: list[Due], bench: Bench, context: Context) -> list[Case]:
    found = [bench.find(*one) for one in due]
    _expand_schedules([one.scenario for one in found if one.seen is None])
    with (
        context.progress(len(due), "scenarios", "scenario run") as advance,
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
    ):
        try:
            futures: list[Future[Case]] = [pool.submit(bench.run, one) for one in found]
            for _ in as_completed(futures):
                advance(1)
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            bench.laboratory.host.end_all()
            raise


def _expand_schedules(scenarios: Sequence[Scenario]) -> None:
    if scenarios:
        from verifier.simulate.scenario import expand_schedules  # nothing for the store's answers

        for scenario in scenarios:
            # Who runs it meets the same again, and the others go on.
            with suppress(Exception):
                expand_schedules([scenario])


def _section(case: Case) -> dict[str, object]:
    return {
        "name": case.name,
        "fidelity": case.fidelity,
        "met": not case.findings if case.looked else None,
        "duration_s": round(case.duration_s, 3),
        "stored": case.stored,
        "key": case.key,
        "digest": case.digest or None,
        "inputs": dict(case.inputs),
        "notes": list(case.notes),
    }
