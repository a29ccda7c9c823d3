"""`restic snapshots --json`, read from a file or from standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from verifier.core.errors import UsageError
from verifier.core.snapshot import Snapshot, parse_snapshot


def read_snapshots(name: str) -> tuple[Snapshot, ...]:
    """Read `restic snapshots --json` from a file, or from standard input for `-`.

    Raises:
        UsageError: no such file, not JSON, or not what restic prints.
    """
    remedy = "write it with `restic snapshots --json > FILE`"
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(name, f"cannot be read: {error.strerror}", remedy) from error
    try:
        # restic prints nothing at all where no snapshot matches a filter, and `null` for none.
        listed = json.loads(data or b"[]") or []
    except ValueError as error:
        raise UsageError(name, f"is not JSON: {error}", remedy) from error
    if not isinstance(listed, list):
        raise UsageError(name, "holds no list of snapshots", remedy)
    found = []
    for position, stored in enumerate(_ungrouped(listed)):
        try:
            found.append(parse_snapshot(stored))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = (
                f"snapshot {position + 1} of {len(listed)} is not as restic prints it: {error}"
            )
            raise UsageError(name, message, remedy) from error
    return tuple(found)


def _ungrouped(listed: list[object]) -> list[dict[str, object]]:
    # `restic snapshots --group-by ... --json` nests the lists in groups.
    flat: list[dict[str, object]] = []
    for element in listed:
        nested = (
            element.get("snapshots")
            if isinstance(element, dict) and "group_key" in element
            else None
        )
        flat += nested if isinstance(nested, list) else [element]  # type: ignore[list-item]
    return flat
