"""Pages of the reference that are made of the code: commands, and the report's schema."""

from __future__ import annotations

import argparse
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from verifier.cli.main import COMMANDS, EXIT_CODES, Parser, _parser
from verifier.monitor.render.schema import schema_text

COMMANDS_HEAD = """\
# Commands

Every command, with all that it understands, made of the parsers themselves: `restic-verify COMMAND
--help` says the same. `--keep-*`, `--group-by`, `--host`, `--tag` and `--path` have restic's own
names and values.

| exit | verdict | |
|---|---|---|
| 0 | OK | |
| 1 | WARNING | |
| 2 | CRITICAL | proven loss, or a broken promise |
| 3 | UNKNOWN | could not verify; never counts as passed |
| 64 | | wrong usage or configuration |
| 130, 143, 129 | | interrupted by SIGINT, SIGTERM, SIGHUP; `daemon` and `dashboard` end with 0 |

`daemon` and `dashboard` run until SIGINT or SIGTERM, and then end with 0.

[What is found](findings.md) makes the verdict. Two options are the same everywhere: `--json` prints
exactly one JSON object on standard output, whatever happens ([its schema](report.md)); `--report
DIR` writes an HTML page and the JSON report into DIR.
"""

REPORT_HEAD = """\
# The report

Every command ends in one report, and prints it as one JSON object with `--json`. This page is made
of its [JSON Schema](report.schema.json), which every report is held against before it is printed. A
report of a later release may have more fields than these: pass over what you do not know.

Times are RFC 3339 texts with their offset. A figure has its unit at the end of its name: `_s`
seconds, `_bytes` bytes.
"""

_COMMON = {"--json", "--report", "--help"}


def parser_of(command: str) -> Parser:
    """Return the parser of a command, with all its options."""
    module = importlib.import_module(f"verifier.cli.{command.replace(' ', '_')}")
    parser = _parser(command)
    module.add_options(parser)
    return parser


def commands_page() -> str:
    """Return docs/commands.md as the code has it."""
    parts = [COMMANDS_HEAD]
    for command, about in COMMANDS.items():
        parts.append(f"\n## `{command}`\n\n{about[:1].upper()}{about[1:]}.\n")
        parts += _options(parser_of(command), command, 3)
    assert "130/143/129" in EXIT_CODES
    return "".join(parts)


def _options(parser: argparse.ArgumentParser, command: str, depth: int) -> Iterator[str]:
    shown = [action for action in parser._actions if not _COMMON & {*action.option_strings}]
    inner = [action for action in shown if isinstance(action, argparse._SubParsersAction)]
    rows = [row for action in shown if action not in inner for row in [_row(action)] if row]
    if rows:
        yield "\n| option | |\n|---|---|\n" + "\n".join(rows) + "\n"
    for action in inner:
        helps = {choice.dest: choice.help for choice in action._choices_actions}
        for name, part in action.choices.items():
            yield f"\n{'#' * depth} `{command} {name}`\n\n{_sentence(helps.get(name) or '')}\n"
            yield from _options(part, f"{command} {name}", depth + 1)


def _row(action: argparse.Action) -> str:
    if action.help == argparse.SUPPRESS:
        return ""
    names = _metavar(action)
    if action.option_strings:
        value = "" if action.nargs == 0 else f" {names}"
        names = ", ".join(f"`{option}{value}`" for option in action.option_strings)
    else:
        names = f"`{names}`"
    about = _cell((action.help or "") % vars(action)) + (" (required)" if _needed(action) else "")
    return f"| {names.replace('|', chr(92) + '|')} | {about} |"


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    if action.metavar:
        return action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper() if action.option_strings else action.dest


def _needed(action: argparse.Action) -> bool:
    return bool(action.option_strings) and action.required


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", ")")) or not text else ".")


def _cell(text: str) -> str:
    return re.sub(r"([|*_<>\[\]])", r"\\\1", text).replace("\n", " ")


def report_page() -> str:
    """Return docs/report.md as the schema has it."""
    schema = json.loads(schema_text())
    parts = [REPORT_HEAD, "\n## The envelope\n", *_fields(schema)]
    for name, definition in schema["$defs"].items():
        if "properties" in definition:
            about = " ".join(definition.get("description", "").split())
            parts += [f"\n## `{name}`\n", f"\n{_prose(about)}\n" if about else ""]
            parts += _fields(definition)
    return "".join(parts)


def _fields(definition: Mapping[str, Any]) -> Iterator[str]:
    needed = definition.get("required", [])
    yield "\n| field | type | |\n|---|---|---|\n"
    for name, field in definition["properties"].items():
        yield f"| `{name}` | {_type(field)} | {'' if name in needed else 'may be absent'} |\n"


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}" if field.get("items") else "list"
    if field.get("type") == "object":
        values = field.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) and values else "object"
    return str(field.get("type", "anything"))


def _prose(text: str) -> str:
    return re.sub(r"([*_<>\[\]])(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", r"\\\1", text)
