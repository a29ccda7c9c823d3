"""`restic snapshots --json`, read from a file or from standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verifier.core.errors import UsageError
from verifier.core.snapshot import Snapshot, parse_snapshot


def read_snapshots(name: str) -> tuple[Snapshot, ...]:
    """Read `restic snapshots --json` from a file, or from standard input for `-`.

    Raises:
        UsageError: no such file, not JSON, or not what restic prints.
    """
    return tuple(map(parse_snapshot, read_stored(name)))


def read_stored(name: str) -> tuple[Mapping[str, Any], ...]:
    """Read the same, with everything that stands there; each is known to parse.

    Raises:
        UsageError: no such file, not JSON, or not what restic prints.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise _unfit(name, f"cannot be read: {error.strerror}") from error
    except AttributeError as error:
        raise _unfit(name, "cannot be read: standard input is closed") from error
    return stored_snapshots(name, data)


def stored_snapshots(name: str, data: bytes) -> tuple[Mapping[str, Any], ...]:
    """Return what `restic snapshots --json` printed, each of which is known to parse.

    Raises:
        UsageError: it is not JSON, or not what restic prints.
    """
    try:
        # restic prints nothing at all where no snapshot matches a filter, and `null` for none.
        listed = json.loads(data.strip() or b"null")
    except (ValueError, RecursionError) as error:
        raise _unfit(name, f"is not JSON: {error}") from error
    if not isinstance(listed, list | None):
        raise _unfit(name, "holds no list of snapshots")
    stored = _ungrouped(listed or [])
    return tuple(
        _checked(name, f"snapshot {position} of {len(stored)}", element)
        for position, element in enumerate(stored, start=1)
    )


def _checked(name: str, which: str, stored: object) -> Mapping[str, Any]:
    wrong = _wrong(stored)
    if wrong:
        raise _unfit(name, f"{which} is not as restic prints it: {wrong}")
    assert isinstance(stored, dict), "that is not wrong with it"
    try:
        parse_snapshot(stored)
    except (TypeError, ValueError, AttributeError) as error:
        raise _unfit(name, f"{which} is not as restic prints it: {error}") from error
    return stored


def _wrong(stored: object) -> str:
    if not isinstance(stored, dict):
        return "it is no object"
    for key in ("id", "time"):
        if not isinstance(stored.get(key), str):
            return f"it has no {key}"
    for key in ("paths", "tags"):
        if not isinstance(stored.get(key), list | None):
            return f"its {key} are no list"
    return ""


def _ungrouped(listed: list[object]) -> list[object]:
    # `restic snapshots --group-by ... --json` nests the lists in groups.
    flat: list[object] = []
    for element in listed:
        nested: object = None
        if isinstance(element, dict) and "group_key" in element:
            nested = element.get("snapshots") or []
        flat += nested if isinstance(nested, list) else [element]
    return flat


def _unfit(name: str, message: str) -> UsageError:
    return UsageError(name, message, "write it with `restic snapshots --json > FILE`")
