"""`verify.toml` to a Config, and everything that is wrong with it to one ConfigError."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from verifier.config.install import is_mountable
from verifier.config.locate import Location
from verifier.config.models import Config, keys_of, table_at
from verifier.config.problems import (
    FROM_ENVIRONMENT,
    Problem,
    combined,
    not_toml,
    problem_of,
    read_text,
)


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Load a configuration file.

    Args:
        environ: restic's own variables fill what the file leaves out of `[repository]`.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    return parse(read_text(path), str(path), environ)


def parse(text: str, file: str, environ: Mapping[str, str]) -> Config:
    """Parse the text of a configuration file; `file` names it in errors.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise not_toml(file, text, error) from error
    _fill(table, environ)
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False)]
        raise combined(file, text, problems) from error
    problems = list(contradictions(config))
    if problems:
        raise combined(file, text, problems)
    return config


def _fill(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    repository = table.setdefault("repository", {})
    if not isinstance(repository, dict):
        return
    given = {"password-file", "password-command"} & repository.keys()
    for key, variable in FROM_ENVIRONMENT.items():
        if environ.get(variable) and key not in repository and not (given and "password" in key):
            repository[key] = environ[variable]
            given |= {key} - {"location"}


def _problem(error: ErrorDetails) -> Problem:
    unknown = error["type"] == "extra_forbidden"
    return _unknown(error["loc"]) if unknown else problem_of(error)


def _unknown(location: Location) -> Problem:
    key = str(location[-1])
    table = table_at(location[:-1])
    known = keys_of(table) if table else ()
    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    remedy = (
        f"did you mean {near[0]!r}?" if near else "remove it; docs/configuration.md has them all"
    )
    return Problem(location, f"an unknown key {key!r}", f"one of {', '.join(known)}", remedy)


def contradictions(config: Config) -> Iterator[Problem]:
    """Yield what no table is wrong by itself with: names that come twice, or that nobody has."""
    names = [host.name for host in config.hosts]
    if not names:
        yield Problem(("hosts",), "no host", "at least one host", "add a [[hosts]] table")
    for index, name in enumerate(names):
        if name in names[:index]:
            where: Location = ("hosts", index, "name")
            yield Problem(
                where, f"{name!r} again", "a name of its own", "give every host another name"
            )
    mentions: list[tuple[Location, str]] = [
        (("simulate", "down", i), d.host) for i, d in enumerate(config.simulate.down)
    ]
    mentions += [(("simulate", "paths", i), p.host) for i, p in enumerate(config.simulate.paths)]
    mentions += [(("canaries", i), canary.host) for i, canary in enumerate(config.canaries)]
    mentions += [(("applications", i), a.host) for i, a in enumerate(config.applications) if a.host]
    for table, host in mentions:
        if host not in names:
            near = difflib.get_close_matches(host, names, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "add a [[hosts]] table for it"
            expected = f"one of the hosts {', '.join(names)}"
            yield Problem((*table, "host"), repr(host), expected, remedy)
    if config.alerts.source == "clickhouse" and config.sinks.clickhouse is None:
        remedy = "add [sinks.clickhouse], or leave alerts.source away"
        yield Problem(("alerts", "source"), "'clickhouse'", "a source that is configured", remedy)
    yield from _unmountable(config)


def _unmountable(config: Config) -> Iterator[Problem]:
    """Yield what NFS cannot carry, or a mount unit not name."""
    if config.nfs is None:
        return
    expected, remedy = "a full path that can be mounted", "write one as /mnt/storage/restic"
    location = config.repository.location
    if not is_mountable(location):
        yield Problem(("repository", "location"), repr(location), f"{expected}, for [nfs]", remedy)
    for index, host in enumerate(config.hosts):
        if (
            host.repository
            and host.repository.startswith("/")
            and not is_mountable(host.repository)
        ):
            where: Location = ("hosts", index, "repository")
            yield Problem(where, repr(host.repository), f"{expected}, for [nfs]", remedy)
