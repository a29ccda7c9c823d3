"""Scenario files to typed models: a system as `verify.toml` has it, faults, and what must follow.

A scenario file holds the tables of `verify.toml` that matter to it, those that it leaves out being
the production set-up's, and three tables of its own: `scenario`, `faults` and `expect`.
`docs/scenarios.md` explains every key.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from verifier.config.load import (
    _combine,
    _contradictions,
    _not_toml,
    _Problem,
    _problem,
    _read,
)
from verifier.config.locate import Location
from verifier.config.models import Config, _table_in, keys_of
from verifier.config.scenario_faults import RUNGS, Faults
from verifier.config.table import Table, tables
from verifier.config.values import Day, Name, Paths, Text, unfit
from verifier.core.errors import UsageError
from verifier.core.finding import KINDS
from verifier.retention.rules import rules_for

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


def _release(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return rules_for(value).release
    except UsageError as error:
        raise unfit("a release of restic", error.remedy) from error


def _kind(value: Any) -> Any:
    if isinstance(value, str) and value not in KINDS:
        near = difflib.get_close_matches(value, KINDS, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "docs/findings.md has them all"
        raise unfit("a kind of finding", remedy)
    return value


Fidelity = Literal["model", "decisions", "cycle", "fleet"]


class About(Table):
    """What a scenario is about, and where it runs.

    Attributes:
        fidelity: every rung on which it runs; it must give the same on each.
        restic: the release; none for the one on PATH (in the model, the newest known).
    """

    about: Text
    fidelity: Annotated[tuple[Fidelity, ...], BeforeValidator(tables), Field(min_length=1)]
    restic: Annotated[str, BeforeValidator(_release)] | None = None


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
        oldest, newest: the civil day of its oldest and its newest snapshot.
    """

    host: Name
    paths: Paths | None = None
    count: Annotated[int, Field(ge=1)]
    oldest: Day | None = None
    newest: Day | None = None


class Expect(Table):
    """What must follow, and nothing else: every finding above OK and every group is named here."""

    verdict: Literal["OK", "WARNING", "UNKNOWN", "CRITICAL"]
    findings: Annotated[tuple[ExpectedFinding, ...], BeforeValidator(tables)] = ()
    survivors: Annotated[tuple[ExpectedGroup, ...], BeforeValidator(tables)] = ()


class ScenarioTables(Table):
    """The tables that a scenario file has beside those of `verify.toml`."""

    scenario: About
    faults: Faults = Faults()
    expect: Expect


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: the system and its timeline, what goes wrong, what must follow."""

    name: str
    config: Config
    about: About
    faults: Faults
    expect: Expect


_OWN = keys_of(ScenarioTables)


def load_scenario(path: Path) -> Scenario:
    """Load a scenario file; its name without `.toml` is the scenario's.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    return parse_scenario(_read(path), str(path))


def parse_scenario(text: str, file: str) -> Scenario:
    """Parse the text of a scenario file; `file` names it in errors.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_toml(file, text, error) from error
    try:
        scenario = make_scenario(table, Path(file).name.removesuffix(".toml"))
    except ExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, ValidationError)]
        details = [detail for error in errors for detail in error.errors(include_url=False)]
        raise _combine(file, text, list(map(_scenario_problem, details))) from group
    problems = [*_contradictions(scenario.config), *_own_contradictions(scenario)]
    if problems:
        raise _combine(file, text, problems)
    return scenario


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


def _scenario_problem(detail: ErrorDetails) -> _Problem:
    if detail["type"] == "extra_forbidden":
        return _unknown(detail["loc"])
    if detail["type"] == "missing" and detail["loc"] == ("expect",):
        remedy = "add [expect] with a verdict, and [[expect.findings]] or [[expect.survivors]]"
        return _Problem(detail["loc"], "nothing", "what must follow", remedy)
    if detail["type"] == "too_short":
        return _Problem(detail["loc"], "an empty list", "at least one element", "name one")
    return _problem(detail)


def _unknown(location: Location) -> _Problem:
    key, table = str(location[-1]), _model_at(location[:-1])
    known = (*keys_of(table), *(_OWN if table is Config else ())) if table else ()
    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else "remove it; docs/scenarios.md has them all"
    return _Problem(location, f"an unknown key {key!r}", f"one of {', '.join(known)}", remedy)


def _model_at(location: Location) -> type[Table] | None:
    model: type[Table] | None = ScenarioTables if location[:1] and location[0] in _OWN else Config
    for key in location:
        if model is not None and not isinstance(key, int):
            fields = {field.alias: field.annotation for field in model.model_fields.values()}
            model = _table_in(fields.get(key))
    return model


def _own_contradictions(scenario: Scenario) -> Iterator[_Problem]:
    names = {host.name for host in scenario.config.hosts}
    for kind, faults in scenario.faults.model_dump(by_alias=True).items():
        for index, fault in enumerate(faults):
            if fault.get("host") not in {None, *names}:
                near = difflib.get_close_matches(fault["host"], sorted(names), n=1)
                remedy = f"did you mean {near[0]!r}?" if near else "add a [[hosts]] table for it"
                where: Location = ("faults", kind, index, "host")
                expected = f"one of the hosts {', '.join(sorted(names))}"
                yield _Problem(where, repr(fault["host"]), expected, remedy)
        yield from _wrong_rungs(kind, faults, scenario.about.fidelity)
    expect = scenario.expect
    if not expect.findings and not expect.survivors:
        remedy = "add [[expect.findings]] or [[expect.survivors]]"
        yield _Problem(("expect",), "a verdict alone", "what must follow", remedy)


def _wrong_rungs(
    kind: str, faults: Sequence[object], fidelity: Sequence[Fidelity]
) -> Iterator[_Problem]:
    for rung in fidelity if faults else ():
        if rung not in RUNGS[kind]:
            where: Location = ("scenario", "fidelity")
            remedy = f"take {rung} out of the list, or [[faults.{kind}]] out of the file"
            yield _Problem(where, repr(rung), f"a rung on which {kind} can be done", remedy)
