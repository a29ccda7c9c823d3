"""The one serialisation: what `--json` prints, a webhook receives and the spool keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import cast

from verifier.monitor.render.envelope import Envelope
from verifier.monitor.render.summary import worst_first

_LINE_LONGEST = 96

_DEPTH = 3
"""How deep containers are opened: each step, survivor and finding then has one line of its own."""


def render_json(envelope: Mapping[str, object]) -> str:
    """Return the report as exactly one JSON object and a line end, ASCII only.

    The envelope's own fields keep their order, verdict near the top; below them keys are sorted,
    and findings stand worst first, so that equal reports are equal texts. Numbers that JSON has no
    word for become null.
    """
    findings = worst_first(cast(Envelope, envelope)["findings"])
    fields = {**envelope, "findings": findings}
    try:
        return _object(fields) + "\n"
    except ValueError:
        return _object(cast(dict[str, object], _finite(fields))) + "\n"


def _object(fields: Mapping[str, object]) -> str:
    lines = (f"  {json.dumps(key)}: {_opened(value, 1)}" for key, value in fields.items())
    return "{\n" + ",\n".join(lines) + "\n}"


def _opened(value: object, depth: int) -> str:
    # json's own `indent` is twenty times slower, and gives every number of a step its own line.
    text = json.dumps(value, sort_keys=True, allow_nan=False, default=_plain)
    if depth == _DEPTH or len(text) <= _LINE_LONGEST:
        return text
    pad = "  " * (depth + 1)
    if isinstance(value, Mapping):
        named = (
            f"{json.dumps(str(key))}: {_opened(value[key], depth + 1)}" for key in sorted(value)
        )
        return "{\n" + ",\n".join(pad + part for part in named) + f"\n{pad[2:]}}}"
    if isinstance(value, list | tuple):
        items = (pad + _opened(item, depth + 1) for item in value)
        return "[\n" + ",\n".join(items) + f"\n{pad[2:]}]"
    return text


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return str(value)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
