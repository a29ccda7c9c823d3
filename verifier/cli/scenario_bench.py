"""One scenario on one rung: run, or taken from the store of results, and held against its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from verifier.cli.context import Context
from verifier.cli.folders import cache_folder
from verifier.cli.internal import internal
from verifier.cli.scenario_worlds import Laboratory, open_laboratory
from verifier.config.own import CYCLE, named_files
from verifier.config.scenario import Scenario
from verifier.core.errors import (
    CannotVerify,
    ClockNotControlled,
    NotPermitted,
    ToolMissing,
    VerifyError,
)
from verifier.core.finding import Finding
from verifier.simulate.normal import differences, digest_of
from verifier.simulate.scenario_expect import Seen, match
from verifier.simulate.scenario_junit import Case
from verifier.simulate.store import Store, key_of


@dataclass(frozen=True, slots=True)
class Found:
    """A scenario on one rung, and what the store has of it.

    Attributes:
        inputs, key: empty where something that it needs is not there.
        seen: none where it is to be run.
        refusal: what is not there; nothing has been run.
    """

    scenario: Scenario
    rung: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    seen: Seen | None = None
    refusal: CannotVerify | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """Runs one scenario after another, or takes its result from the store.

    Attributes:
        rebuild: run what has a result in the store too.
        check: run everything twice, and compare.
    """

    laboratory: Laboratory
    store: Store
    rebuild: bool = False
    check: bool = False

    def find(self, path: Path, scenario: Scenario, rung: str) -> Found:
        """Look a scenario's result up in the store.

        Raises:
            UsageError: what its file names cannot be used.
        """
        try:
            inputs = self.laboratory.inputs(path, scenario, rung)
        except CannotVerify as error:
            return Found(scenario, rung, refusal=error)
        key = key_of(inputs)
        seen = None if self.rebuild or self.check else self.store.get(key)
        return Found(scenario, rung, inputs, key, seen)

    def run(self, found: Found) -> Case:
        """Run what has no result yet, and hold what it shows against what it expects.

        Whatever keeps it from being run, the other scenarios go on.
        """
        begun_s = perf_counter()
        scenario, rung = found.scenario, found.rung
        name = f"{scenario.name} ({rung})"
        findings: tuple[Finding, ...]
        digest, looked, absent = "", False, False
        try:
            findings, digest = self._held(name, found)
            looked = True
        except CannotVerify as error:
            # What was there, and then did not do what it should, is no lack of this machine's.
            lacking = isinstance(error, ToolMissing | ClockNotControlled | NotPermitted)
            absent = lacking or error is found.refusal
            detail = f"{error.subject}: {error.message} ({remedy_for(scenario, error)})"
            findings = (Finding("could-not-verify", name, detail),)
        except VerifyError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of our own in one is none of the others'
            findings = (internal(name, error, self.laboratory.context.environ),)
        return Case(
            scenario.name,
            rung,
            findings,
            perf_counter() - begun_s,
            looked=looked,
            key=found.key,
            stored=found.seen is not None,
            digest=digest,
            inputs=found.inputs,
            notes=notes(scenario, rung),
            absent=absent,
        )

    def _held(self, name: str, found: Found) -> tuple[tuple[Finding, ...], str]:
        """Return what is not as the scenario expects, and the digest of what was seen."""
        if found.refusal is not None:
            raise found.refusal
        seen = found.seen or self.laboratory.run(found.scenario, found.rung)
        findings = match(name, seen, found.scenario.expect)
        if self.check:
            again = self.laboratory.run(found.scenario, found.rung)
            findings = (*findings, *differences(name, seen, again))
        # What is not met is run again each time, until it is.
        if not findings and found.seen is None:
            self.store.put(found.key, seen)
        return findings, digest_of(seen)


def remedy_for(scenario: Scenario, error: CannotVerify) -> str:
    """Return what to do about an error, as far as it can be done with this scenario."""
    from verifier.fleet.container_engine import WITHOUT

    if error.remedy.endswith(WITHOUT) and "cycle" not in scenario.about.fidelity:
        return error.remedy.removesuffix(WITHOUT) + "as this scenario needs its machines"
    return error.remedy


def notes(scenario: Scenario, rung: str) -> tuple[str, ...]:
    """Return what a run on that rung cannot see of its scenario."""
    if rung in {"model", "decisions"}:
        named = [one.path for one in named_files(scenario.config)]
        return (f"no script runs at this fidelity: not {', '.join(named)}",) if named else ()
    from verifier.simulate.worlds.unspoken import UNSEEN

    own = any(CYCLE in one.installed for one in named_files(scenario.config))
    return (UNSEEN,) if own else ()


def open_store(environ: Mapping[str, str]) -> Store:
    """Return the store of results in the user's cache.

    Raises:
        UsageError: the environment names no place for a cache.
    """
    return Store(cache_folder(environ) / "results")


@contextmanager
def open_bench(
    context: Context, *, rebuild: bool = False, check: bool = False, logs: Path | None = None
) -> Iterator[Bench]:
    """Give a bench with a laboratory of its own; see `Bench`.

    Args:
        logs: a folder for what scripts print; the store has no logs, so everything is run.

    Raises:
        NoSpace, CannotVerify: the temporary folder does not hold the repositories.
    """
    with open_laboratory(context, logs) as laboratory:
        yield Bench(laboratory, open_store(context.environ), rebuild or logs is not None, check)
