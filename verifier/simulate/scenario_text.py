"""The tables of a scenario as the text of its file, for scenarios that a program has made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any


def render_scenario(table: Mapping[str, Any]) -> str:
    """Return a scenario file; parsed again, it gives the same tables."""
    return "\n".join(_lines(table, "")).strip() + "\n"


def _lines(table: Mapping[str, Any], name: str) -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _is_tables(value):
            yield f"{key} = {_value(value)}"
    for key, value in table.items():
        dotted = f"{name}.{key}" if name else key
        if isinstance(value, Mapping) and value:
            if any(not isinstance(v, Mapping) and not _is_tables(v) for v in value.values()):
                yield f"\n[{dotted}]"
            yield from _lines(value, dotted)
        elif _is_tables(value):
            for element in value:
                yield f"\n[[{dotted}]]"
                yield from _lines(element, dotted)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, datetime | date):
        return value.isoformat()
    # A JSON string is a TOML basic string, but for DEL, which JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
