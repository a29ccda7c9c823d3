"""The templates of what production installs, and how values get into them unharmed.

Every value goes through the quoting of what reads it: the shell's, systemd's, exports(5)'s. Nothing
of the configuration can become a command or another setting.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_WORD = re.compile(r"[^\s\"'\\]+")
_ESCAPED_BY_SYSTEMD = re.compile(rb"^\.|[^A-Za-z0-9:_./]")
_PLAIN_IN_EXPORTS = re.compile(rb"[^A-Za-z0-9/._-]")


def fill(template: str, **values: object) -> str:
    """Return a template's text with its values."""
    return _environment().get_template(f"{template}.j2").render(values)


def unit_name(path: str) -> str:
    """Return a path as systemd escapes it in the name of a mount unit; without its ending."""
    plain = posixpath.normpath(path).strip("/").encode(errors="surrogateescape")
    escaped = _ESCAPED_BY_SYSTEMD.sub(lambda match: b"\\x%02x" % match[0][0], plain)
    return escaped.decode("ascii").replace("/", "-") or "-"


def nearest_word(path: str) -> str:
    """Return a path, or the nearest above it that can stand in a list of a unit's."""
    while not path.isprintable() or re.search(r"[\"'\\]", path):
        path = posixpath.dirname(path)
    return path


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    escaped = _specifiers(text)
    return escaped if _WORD.fullmatch(escaped) else f'"{escaped}"'


def _exported(path: str) -> str:
    stored = path.encode(errors="surrogateescape")
    return _PLAIN_IN_EXPORTS.sub(lambda match: b"\\%03o" % match[0][0], stored).decode("ascii")


@cache
def _environment() -> Environment:
    # Shell scripts and units, not HTML: the filters are the escaping here.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "sh": shlex.quote,
        "word": _word,
        "specifiers": _specifiers,
        "exported": _exported,
    }
    return environment
