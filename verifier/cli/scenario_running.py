"""`restic-verify scenario run`: every scenario on every rung that it names."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter

from verifier.cli.context import Context
from verifier.cli.finish import versions, writing
from verifier.cli.output import put
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.config.scenario import Scenario
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude
from verifier.simulate.scenario_expect import differences, match
from verifier.simulate.scenario_junit import Case, render_junit
from verifier.simulate.store import Store, key_of

RUNGS = ("model", "decisions", "cycle")


def run_scenarios(
    scenarios: dict[Path, Scenario],
    options: argparse.Namespace,
    context: Context,
    started_at: datetime,
) -> Report:
    """Run scenarios side by side, and conclude."""
    due = list(_due(scenarios, options.fidelity))
    store = Store(results_folder(context.environ))
    with (
        open_laboratory(context) as laboratory,
        context.progress(len(due), "scenarios", "scenario run") as advance,
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
    ):
        bench = _Bench(laboratory, store, rebuild=options.rebuild, check=options.check)
        try:
            futures = [pool.submit(bench.run, *one) for one in due]
            cases = []
            for future in futures:
                cases.append(future.result())
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            laboratory.host.end_all()
            raise
    if options.junit:
        with writing(str(Path(options.junit).parent)):
            Path(options.junit).write_text(render_junit(cases), encoding="utf-8")
    put(context.err, _table(cases))
    looked = sum(case.looked for case in cases)
    return conclude(
        "scenario",
        tuple(finding for case in cases for finding in case.findings),
        Coverage("scenarios", looked, len(cases)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"check": options.check, "fidelity": options.fidelity or ", ".join(RUNGS)},
        sections={"scenarios": [_section(case) for case in cases]},
    )


def results_folder(environ: Mapping[str, str]) -> Path:
    """Return where results are kept: in the user's cache.

    Raises:
        UsageError: the environment names no place for a cache.
    """
    cache = environ.get("XDG_CACHE_HOME") or ""
    if not Path(cache).is_absolute():
        home = environ.get("HOME")
        if not home:
            raise UsageError("HOME", "is not set, so there is no place for a cache", "set it")
        cache = str(Path(home) / ".cache")
    return Path(cache) / "restic-verify" / "results"


def _due(scenarios: dict[Path, Scenario], only: str | None) -> Iterator[tuple[Path, Scenario, str]]:
    if only is not None and only not in RUNGS:
        raise UsageError("--fidelity", f"{only!r} is no rung", f"rungs are {', '.join(RUNGS)}")
    for path, scenario in scenarios.items():
        for rung in scenario.about.fidelity:
            if only in {None, rung}:
                yield path, scenario, rung


@dataclass(frozen=True, slots=True)
class _Bench:
    """Runs one scenario after another, or takes its result from the store."""

    laboratory: Laboratory
    store: Store
    rebuild: bool
    check: bool

    def run(self, path: Path, scenario: Scenario, rung: str) -> Case:
        """Run a scenario on one rung and hold it against what it expects."""
        begun_s = perf_counter()
        name = f"{scenario.name} ({rung})"
        findings: tuple[Finding, ...]
        key, stored, looked = "", False, True
        try:
            key = key_of(self.laboratory.inputs(path, scenario, rung))
            known = None if self.rebuild or self.check else self.store.get(key)
            stored = known is not None
            seen = known or self.laboratory.run(scenario, rung)
            findings = match(name, seen, scenario.expect)
            if self.check:
                again = self.laboratory.run(scenario, rung)
                findings = (*findings, *differences(name, seen, again))
            # What is not met is run again each time, until it is.
            if not findings and not stored:
                self.store.put(key, seen)
        except CannotVerify as error:
            # The other scenarios go on.
            looked = False
            detail = f"{error.subject}: {error.message} ({error.remedy})"
            findings = (Finding("could-not-verify", name, detail),)
        return Case(scenario.name, rung, findings, perf_counter() - begun_s, looked, key, stored)


def _section(case: Case) -> dict[str, object]:
    return {
        "name": case.name,
        "fidelity": case.fidelity,
        "met": not case.findings,
        "duration_s": round(case.duration_s, 3),
        "key": case.key,
        "stored": case.stored,
    }


def _table(cases: list[Case]) -> str:
    width = max((len(case.name) for case in cases), default=0)
    return "".join(
        f"{'met' if not case.findings else 'NOT MET':<8}{case.name:<{width}}  "
        f"{case.fidelity:<10}{case.duration_s:7.2f} s{'  from the store' if case.stored else ''}\n"
        for case in cases
    )
