"""`verify.toml` to a Config, and everything that is wrong with it to one ConfigError."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from verifier.config.contradictions import contradictions
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
    repository = table.get("repository")
    written = isinstance(repository, dict) and "location" in repository
    _fill(table, environ)
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False)]
        raise combined(file, text, problems) from error
    problems = list(contradictions(config, written=written))
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
