"""Scenario files to typed models: a system as `verify.toml` has it, faults, and what must follow.

A scenario file holds the tables of `verify.toml` that matter to it, those that it leaves out being
the production set-up's, and three tables of its own: `scenario`, `faults` and `expect`.
`docs/scenarios.md` explains every key.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from verifier.config.contradictions import contradictions
from verifier.config.expected import ExpectedAlert, ExpectedRecovery
from verifier.config.locate import Location
from verifier.config.models import Config, keys_of, table_in
from verifier.config.own import read_own
from verifier.config.problems import Problem, combined, not_toml, problem_of, read_text
from verifier.config.scenario_days import out_of_timeline, strayed
from verifier.config.scenario_faults import RUNGS, Faults, Release
from verifier.config.scenario_fits import misfits, unknown_host
from verifier.config.scenario_own import misfits_of_own
from verifier.config.table import Table, tables
from verifier.config.values import Day, Name, Paths, Text, Texts, unfit
from verifier.core.finding import KINDS

BASE: Mapping[str, Any] = {
    "repository": {
        "location": "/mnt/storage/restic",
        "password-file": "/mnt/keys/restic/password",
    },
    "coordinator": {"name": "jak"},
    "schedule": {"times": ["04:00"], "timezone": "America/Los_Angeles"},
    "retention": {"keep-daily": 30, "keep-weekly": 5, "keep-monthly": 12, "keep-yearly": 10},
    "hosts": [
        {"name": "web1", "include": ["/etc", "/srv/www"]},
        {"name": "db1", "include": ["/etc", "/var/backups"]},
        {"name": "mail1", "include": ["/etc", "/var/mail"]},
    ],
}
"""What a scenario file need not say: the production set-up with short path lists."""


def _kind(value: Any) -> Any:
    if isinstance(value, str) and value not in KINDS:
        near = difflib.get_close_matches(value, KINDS, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "docs/findings.md has them all"
        raise unfit("a kind of finding", remedy)
    return value


Fidelity = Literal["model", "decisions", "cycle", "fleet"]


def _once(rungs: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(rungs)) < len(rungs):
        raise unfit("every fidelity once", "remove the second")
    return rungs


class About(Table):
    """What a scenario is about, and where it runs.

    Attributes:
        fidelity: every rung on which it runs; it must give the same on each.
        restic: the release; none for the one on PATH (in the model, the newest known).
    """

    about: Text
    fidelity: Annotated[
        tuple[Fidelity, ...], BeforeValidator(tables), Field(min_length=1), AfterValidator(_once)
    ]
    restic: Release | None = None


class ExpectedFinding(Table):
    """A finding that must be there.

    Attributes:
        subject: as a shell pattern; any where none is given.
    """

    kind: Annotated[str, BeforeValidator(_kind)]
    subject: Text = "*"


class ExpectedGroup(Table):
    """A group of snapshots that must be there at the end.

    Attributes:
        paths: where a host has several groups.
        tags: that each of its snapshots carries.
        oldest, newest: the civil day of its oldest and its newest snapshot.
    """

    host: Name
    paths: Paths | None = None
    tags: Texts | None = None
    count: Annotated[int, Field(ge=1)]
    oldest: Day | None = None
    newest: Day | None = None


class Expect(Table):
    """What must follow, and nothing else: every finding above OK and every group is named here.

    Attributes:
        alerts: every one is named; none at all where the list is empty, any where there is none.
    """

    verdict: Literal["OK", "WARNING", "UNKNOWN", "CRITICAL"]
    findings: Annotated[tuple[ExpectedFinding, ...], BeforeValidator(tables)] = ()
    survivors: Annotated[tuple[ExpectedGroup, ...], BeforeValidator(tables)] = ()
    alerts: Annotated[tuple[ExpectedAlert, ...] | None, BeforeValidator(tables)] = None
    recovery: Annotated[tuple[ExpectedRecovery, ...], BeforeValidator(tables)] = ()


class ScenarioTables(Table):
    """The tables that a scenario file has beside those of `verify.toml`."""

    scenario: About
    faults: Faults = Faults()
    expect: Expect


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: the system and its timeline, what goes wrong, what must follow.

    Attributes:
        file: that it was read from: names of other files in it are relative to its folder.
    """

    name: str
    config: Config
    about: About
    faults: Faults
    expect: Expect
    file: Path = Path()

    def own(self) -> dict[str, bytes]:
        """Return the user's own files by the names of the generated ones that they replace.

        Raises:
            ConfigError: one of them is not there, may not be read, or may not be executed.
        """
        return read_own(self.config, self.file)


_OWN = keys_of(ScenarioTables)


def load_scenario(path: Path) -> Scenario:
    """Load a scenario file; its name without `.toml` is the scenario's.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    return parse_scenario(read_text(path), str(path))


def parse_scenario(text: str, file: str) -> Scenario:
    """Parse the text of a scenario file; `file` names it in errors.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise not_toml(file, text, error) from error
    try:
        scenario = make_scenario(table, Path(file).name.removesuffix(".toml"))
    except ExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, ValidationError)]
        details = [detail for error in errors for detail in error.errors(include_url=False)]
        raise combined(file, text, list(map(_scenario_problem, details))) from group
    problems = [*contradictions(scenario.config), *_own_contradictions(scenario)]
    if problems:
        raise combined(file, text, problems)
    return replace(scenario, file=Path(file))


def make_scenario(table: Mapping[str, Any], name: str) -> Scenario:
    """Make a scenario of the tables that its file holds.

    Raises:
        ExceptionGroup: of pydantic's errors, for each half of the file that is not right.
    """
    system = {key: value for key, value in table.items() if key not in _OWN}
    errors: list[ValidationError] = []
    try:
        config = Config.model_validate({**BASE, **system})
    except ValidationError as error:
        errors.append(error)
    try:
        own = ScenarioTables.model_validate({key: table[key] for key in _OWN if key in table})
    except ValidationError as error:
        errors.append(error)
    if errors:
        raise ExceptionGroup("the scenario's tables are not right", errors)
    return Scenario(name, config, own.scenario, own.faults, own.expect)


def _scenario_problem(detail: ErrorDetails) -> Problem:
    if detail["type"] == "extra_forbidden":
        return _unknown(detail["loc"])
    if detail["type"] == "missing" and detail["loc"] == ("expect",):
        remedy = "add [expect] with a verdict, and [[expect.findings]] or [[expect.survivors]]"
        return Problem(detail["loc"], "nothing", "what must follow", remedy)
    if detail["type"] == "too_short":
        return Problem(detail["loc"], "an empty list", "at least one element", "name one")
    problem = problem_of(detail)
    if detail["type"] == "tuple_type" and detail["loc"][0] == "faults":
        heading = ".".join(map(str, detail["loc"]))
        return replace(problem, remedy=f"write its heading as [[{heading}]]")
    return problem


def _unknown(location: Location) -> Problem:
    key, table = str(location[-1]), _model_at(location[:-1])
    known = (*keys_of(table), *(_OWN if table is Config else ())) if table else ()
    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else "remove it; docs/scenarios.md has them all"
    return Problem(location, f"an unknown key {key!r}", f"one of {', '.join(known)}", remedy)


def _model_at(location: Location) -> type[Table] | None:
    model: type[Table] | None = ScenarioTables if location[:1] and location[0] in _OWN else Config
    for key in location:
        if model is not None and not isinstance(key, int):
            fields = {field.alias: field.annotation for field in model.model_fields.values()}
            model = table_in(fields.get(key))
    return model


def _own_contradictions(scenario: Scenario) -> Iterator[Problem]:
    yield from misfits(scenario.faults, scenario.config, scenario.about.fidelity)
    yield from misfits_of_own(scenario.faults, scenario.config, scenario.about.fidelity)
    yield from strayed(scenario.faults, scenario.config)
    for kind, faults in scenario.faults.model_dump(by_alias=True).items():
        yield from _wrong_rungs(kind, faults, scenario.about.fidelity)
    yield from _strangers(scenario)
    expect = scenario.expect
    if not (expect.findings or expect.survivors or expect.recovery) and expect.alerts is None:
        remedy = "add [[expect.findings]] or [[expect.survivors]]"
        yield Problem(("expect",), "a verdict alone", "what must follow", remedy)


def _strangers(scenario: Scenario) -> Iterator[Problem]:
    hosts = {host.name for host in scenario.config.hosts}
    named = {
        "alerts": [one.host for one in scenario.expect.alerts or ()],
        "recovery": [one.host for one in scenario.expect.recovery],
    }
    for key, listed in named.items():
        for index, name in enumerate(listed):
            yield from unknown_host(name, hosts, ("expect", key, index, "host"))
    for index, one in enumerate(scenario.expect.recovery):
        if one.on is not None:
            where: Location = ("expect", "recovery", index)
            yield from out_of_timeline({"on": one.on}, scenario.config, where)


def _wrong_rungs(
    kind: str, faults: Sequence[object], fidelity: Sequence[Fidelity]
) -> Iterator[Problem]:
    for rung in fidelity if faults else ():
        if rung not in RUNGS[kind]:
            where: Location = ("scenario", "fidelity")
            remedy = f"take {rung} out of the list, or [[faults.{kind}]] out of the file"
            yield Problem(where, repr(rung), f"a fidelity at which {kind} can be done", remedy)
