"""`verify.toml` to a Config, and everything that is wrong with it to one ConfigError."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from verifier.config.locate import Location, locate
from verifier.config.models import Config, keys_of, table_at
from verifier.config.values import UNFIT
from verifier.core.errors import ConfigError

_SHOWN_MAX = 60

_FROM_ENVIRONMENT = {
    "location": "RESTIC_REPOSITORY",
    "password-file": "RESTIC_PASSWORD_FILE",
    "password-command": "RESTIC_PASSWORD_COMMAND",
}

_TYPES: Mapping[str, tuple[str, str]] = {
    "string_type": ("a text", 'put it in quotes, as "value"'),
    "int_type": ("a whole number", "write digits only, without quotes"),
    "bool_type": ("true or false", "write true or false, without quotes"),
    "tuple_type": ("a list", 'put it in brackets, as ["value"]'),
    "model_type": ("a table", "give it keys of its own, under a [table] heading"),
    "model_attributes_type": ("a table", "give it keys of its own, under a [table] heading"),
    "greater_than_equal": ("a number of at least {ge}", "write a larger number"),
    "less_than_equal": ("a number of at most {le}", "write a smaller number"),
    "less_than": ("a number below {lt}", "write a smaller number"),
    "literal_error": ("{expected}", "write one of these"),
}
"""Type of a pydantic error -> what was expected (its context filled in), and the remedy."""


@dataclass(frozen=True, slots=True)
class _Problem:
    location: Location
    found: str
    expected: str
    remedy: str


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Load a configuration file.

    Args:
        environ: restic's own variables fill what the file leaves out of `[repository]`.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    return parse(_read(path), str(path), environ)


def parse(text: str, file: str, environ: Mapping[str, str]) -> Config:
    """Parse the text of a configuration file; `file` names it in errors.

    Raises:
        ConfigError: with the first thing that is wrong; its message lists the others.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_toml(file, text, error) from error
    _fill(table, environ)
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False)]
        raise _combine(file, text, problems) from error
    problems = list(_contradictions(config))
    if problems:
        raise _combine(file, text, problems)
    return config


def _read(path: Path) -> str:
    about, remedy = "a readable TOML file", "see that the path is right and that you may read it"
    try:
        return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found = f"the byte 0x{error.object[error.start]:02x}"
        about, remedy = "UTF-8", "save the file as UTF-8"
        cause: Exception = error
    except OSError as error:
        line, found, cause = None, (error.strerror or "an error").lower(), error
    except ValueError as error:
        line, found, cause = None, str(error), error
    raise ConfigError(
        str(path), "", line=line, found=found, expected=about, remedy=remedy
    ) from cause


def _not_toml(file: str, text: str, error: Exception) -> ConfigError:
    message = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    line = int(place[1]) if place else None
    if message.endswith("(at end of document)"):
        line = text.rstrip("\n").count("\n") + 1
    what = re.sub(r" \(at [^()]*\)$", "", message)
    shown = _shorten(text.split("\n")[line - 1].strip()) if line else "the file"
    return ConfigError(
        file,
        "",
        line=line,
        found=f"`{shown}`",
        expected=f"valid TOML ({what[:1].lower()}{what[1:]})",
        remedy="texts stand in quotes, lists in brackets, and every key once",
    )


def _fill(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    repository = table.setdefault("repository", {})
    if not isinstance(repository, dict):
        return
    given = {"password-file", "password-command"} & repository.keys()
    for key, variable in _FROM_ENVIRONMENT.items():
        if environ.get(variable) and key not in repository and not (given and "password" in key):
            repository[key] = environ[variable]
            given |= {key} - {"location"}


def _problem(error: ErrorDetails) -> _Problem:
    location: Location = error["loc"]
    context = error.get("ctx", {})
    key = str(location[-1]) if location else ""
    if error["type"] == UNFIT:
        found = error["input"]
        if context["key"]:
            location, found = (*location, context["key"]), found[context["key"]]
        return _Problem(location, _show(found), context["expected"], context["remedy"])
    if error["type"] == "extra_forbidden":
        return _unknown(location)
    if error["type"] == "missing":
        variable = _FROM_ENVIRONMENT.get(key, "")
        remedy = f"add {key}" + (f", or set {variable}" if variable else "")
        return _Problem(location, "nothing", f"a value for {key}", remedy)
    expected, remedy = _TYPES.get(
        error["type"], (error["msg"].lower(), "see docs/configuration.md")
    )
    return _Problem(location, _show(error["input"]), expected.format_map(context), remedy)


def _unknown(location: Location) -> _Problem:
    key = str(location[-1])
    table = table_at(location[:-1])
    known = keys_of(table) if table else ()
    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    remedy = (
        f"did you mean {near[0]!r}?" if near else "remove it; docs/configuration.md has them all"
    )
    return _Problem(location, f"an unknown key {key!r}", f"one of {', '.join(known)}", remedy)


def _contradictions(config: Config) -> Iterator[_Problem]:
    names = [host.name for host in config.hosts]
    if not names:
        yield _Problem(("hosts",), "no host", "at least one host", "add a [[hosts]] table")
    for index, name in enumerate(names):
        if name in names[:index]:
            where: Location = ("hosts", index, "name")
            yield _Problem(
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
            yield _Problem((*table, "host"), repr(host), expected, remedy)


def _combine(file: str, text: str, problems: list[_Problem]) -> ConfigError:
    placed = sorted(
        ((locate(text, problem.location), problem) for problem in problems),
        key=lambda pair: (pair[0] is not None, pair[0] or 0),
    )
    (line, first), *rest = placed
    return ConfigError(
        file,
        _dotted(first.location),
        line=line,
        found=first.found,
        expected=first.expected,
        remedy=first.remedy,
        others=tuple(_sentence(line, problem) for line, problem in rest),
    )


def _sentence(line: int | None, problem: _Problem) -> str:
    where = f"line {line}, " if line is not None else ""
    about = f"{where}{_dotted(problem.location)}"
    return f"{about}: found {problem.found}, expected {problem.expected} ({problem.remedy})"


def _dotted(location: Location) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return f"a table with {', '.join(map(str, value)) or 'nothing in it'}"
    if isinstance(value, list | tuple):
        return f"[{_shorten(', '.join(map(_show, value)))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return _shorten(repr(value) if isinstance(value, str) else str(value))


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
