"""The pytest plug-in: `pytest scenarios/` runs scenario files, an item for each file and rung.

It is loaded wherever restic-verify is installed, so nothing else of ours is imported before a
scenario file is met.
"""

from __future__ import annotations

import io
import os
import re
import tomllib
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verifier.cli.scenario_bench import Bench
    from verifier.config.scenario import Scenario
    from verifier.simulate.scenario_junit import Case

RUNGS = ("model", "decisions", "cycle", "fleet")
_NAME = "restic-verify"
_HEADING = re.compile(r"^\s*\[scenario\]", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add = parser.getgroup(_NAME, "scenarios of restic-verify").addoption
    add(
        "--restic-verify-fidelity",
        choices=RUNGS,
        action="append",
        help="only at this fidelity; may be repeated (default: all that a scenario names)",
    )
    add(
        "--restic-verify-strict",
        action="store_true",
        help="what this machine lacks a program or right for fails, instead of being skipped",
    )
    add(
        "--restic-verify-rebuild",
        action="store_true",
        help="run what has a result in the store too",
    )
    add(
        "--restic-verify-check",
        action="store_true",
        help="run everything twice, and fail where the runs differ",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what the items of this process share."""
    config.stash[_SHARED] = Shared(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put everything away that items shared."""
    shared = config.stash.get(_SHARED, None)
    if shared is not None:
        shared.close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a file that is a scenario, and leave every other one alone."""
    if file_path.suffix == ".toml" and _is_scenario(file_path):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class Shared:
    """What the items of one process share: one bench, opened when the first of them runs."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._stack = ExitStack()
        self._bench: Bench | None = None

    def bench(self) -> Bench:
        """Return the bench on which scenarios run."""
        if self._bench is None:
            from verifier.cli.context import Context
            from verifier.cli.scenario_bench import open_bench
            from verifier.clock.system import SystemClock

            option = self._config.getoption
            opened = open_bench(
                Context(SystemClock(), dict(os.environ), io.StringIO()),
                rebuild=option("restic_verify_rebuild"),
                check=option("restic_verify_check"),
            )
            self._bench = self._stack.enter_context(opened)
        return self._bench

    def close(self) -> None:
        """Put it away; nothing of it stays."""
        self._bench = None
        self._stack.close()


_SHARED = pytest.StashKey[Shared]()


class ScenarioFile(pytest.File):
    """A scenario file: an item for each rung that it names."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the items.

        Raises:
            CollectError: the file is not right.
        """
        from verifier.config.scenario import load_scenario
        from verifier.core.errors import VerifyError

        try:
            scenario = load_scenario(self.path)
        except VerifyError as error:
            raise self.CollectError(f"{error}\n  {error.remedy}") from error
        only = self.config.getoption("restic_verify_fidelity") or RUNGS
        for rung in scenario.about.fidelity:
            if rung in only:
                yield ScenarioItem.from_parent(self, name=rung, scenario=scenario)


class ScenarioItem(pytest.Item):
    """A scenario on one rung."""

    def __init__(self, *, scenario: Scenario, **more: Any) -> None:
        super().__init__(**more)
        self._scenario = scenario

    def runtest(self) -> None:
        """Run it, or take its result from the store.

        Raises:
            NotMet: it did not show what its file expects, or could not be run where it must.
        """
        from verifier.core.errors import UsageError

        try:
            bench = self.config.stash[_SHARED].bench()
            case = bench.run(bench.find(self.path, self._scenario, self.name))
        except UsageError as error:
            raise NotMet(f"{error}\n  {error.remedy}") from error
        self.user_properties += [("key", case.key), ("digest", case.digest)]
        self.user_properties += [("stored", case.stored)]
        if case.absent and not self.config.getoption("restic_verify_strict"):
            pytest.skip(case.findings[0].detail)
        if case.findings:
            raise NotMet(self._told(case))

    def _told(self, case: Case) -> str:
        file = os.path.relpath(self.path, self.config.invocation_params.dir)
        wrong = "is not as the file expects" if case.looked else "did not run to its end"
        if case.absent:
            wrong = "could not be run here"
        lines = [f"{case.name} ({case.fidelity}) {wrong}"]
        lines += [f"  {finding.kind}: {finding.detail}" for finding in case.findings]
        lines += [f"  not seen: {note}" for note in case.notes]
        again = f"restic-verify scenario run {file} --fidelity {case.fidelity} --rebuild"
        return "\n".join([*lines, f"run it again: {again}"])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what was wrong; where it is the scenario, that and no traceback."""
        if isinstance(excinfo.value, NotMet):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where it stands and how it is called."""
        return self.path, None, f"{self._scenario.name} ({self.name})"


class NotMet(Exception):
    """A scenario did not show what its file expects."""


def _is_scenario(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        # One that was broken by a slip must not vanish from a suite.
        return _HEADING.search(text) is not None
    about = table.get("scenario")
    # So must not one whose `expect` is misspelt; a `scenario` of somebody else's has not our keys.
    return isinstance(about, dict) and ("expect" in table or about.keys() >= {"about", "fidelity"})
