"""What is wrong with a TOML file: from the parsers' errors to one ConfigError with line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from verifier.config.locate import Location, locate
from verifier.config.places import mask
from verifier.config.values import UNFIT
from verifier.core.errors import ConfigError

_SHOWN_MAX = 60

SIZE_MAX_BYTES = 16 << 20
"""What is longer is no configuration, and `/dev/zero` has no end."""

FROM_ENVIRONMENT = {
    "location": "RESTIC_REPOSITORY",
    "password-file": "RESTIC_PASSWORD_FILE",
    "password-command": "RESTIC_PASSWORD_COMMAND",
}
"""Key of `[repository]` -> the variable of restic that fills it where the file leaves it out."""

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
class Problem:
    """One thing that is wrong in a file: where, what stands there, what may, what to do."""

    location: Location
    found: str
    expected: str
    remedy: str


_HANDED_OVER = ("/dev/stdin", "/dev/fd", "/proc/self/fd")
"""Below these a pipe has been opened already: by a shell that writes `<(...)`."""


def read_text(path: Path) -> str:
    """Return the text of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    about, remedy = "a readable TOML file", "see that the path is right and that you may read it"
    try:
        if path.is_fifo() and not any(map(path.is_relative_to, _HANDED_OVER)):
            raise ValueError("a pipe, which is no file")  # that would be waited for without end
        with path.open("rb") as file:
            written = file.read(SIZE_MAX_BYTES + 1)
        if len(written) > SIZE_MAX_BYTES:
            raise ValueError(f"more than {SIZE_MAX_BYTES >> 20} MiB")
        return written.decode("utf-8").replace("\r\n", "\n")
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


def not_toml(file: str, text: str, error: Exception) -> ConfigError:
    """Return the error for a text that the parser of TOML refuses."""
    message = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    line = int(place[1]) if place else None
    if message.endswith("(at end of document)"):
        line = text.rstrip("\n").count("\n") + 1
    what = re.sub(r" \(at [^()]*\)$", "", message)
    shown = _shorten(mask(text.split("\n")[line - 1].strip())) if line else "the file"
    return ConfigError(
        file,
        "",
        line=line,
        found=f"`{shown}`",
        expected=f"valid TOML ({what[:1].lower()}{what[1:]})",
        remedy="texts stand in quotes, lists in brackets, and every key once",
    )


def problem_of(error: ErrorDetails) -> Problem:
    """Return what one of pydantic's errors says; an unknown key is its caller's to explain."""
    location: Location = error["loc"]
    context = error.get("ctx", {})
    key = str(location[-1]) if location else ""
    if error["type"] == UNFIT:
        found = error["input"]
        if context["key"]:
            location, found = (*location, context["key"]), found[context["key"]]
        return Problem(location, _show(found), context["expected"], context["remedy"])
    if error["type"] == "missing":
        variable = FROM_ENVIRONMENT.get(key, "")
        remedy = f"add {key}" + (f", or set {variable}" if variable else "")
        return Problem(location, "nothing", f"a value for {key}", remedy)
    expected, remedy = _TYPES.get(
        error["type"], (error["msg"].lower(), "see docs/configuration.md")
    )
    return Problem(location, _show(error["input"]), expected.format_map(context), remedy)


def combined(file: str, text: str, problems: list[Problem]) -> ConfigError:
    """Return the first problem of a file as an error that lists the others."""
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


def _sentence(line: int | None, problem: Problem) -> str:
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
    return _shorten(repr(mask(value)) if isinstance(value, str) else str(value))


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
