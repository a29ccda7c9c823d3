"""Lines of a log from the shapes they are kept in: journald's JSON, rows of a table, plain text.

Pure. Half a line, as a writer that is killed leaves it, is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from verifier.monitor.cycles import SYSTEMD
from verifier.monitor.telemetry import LogLine

LINE_LONGEST = 65_536
"""How much of one line is kept."""

FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""Between these lie instants that can be."""

JOURNAL_FIELDS = (
    "MESSAGE",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_HOSTNAME",
    "_SYSTEMD_INVOCATION_ID",
    "INVOCATION_ID",
)
"""What of an entry of the journal is needed."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What was read.

    Attributes:
        passed_over: lines that are none of what was expected.
        cursor: journald's, of the last entry; empty where there is none.
    """

    lines: tuple[LogLine, ...]
    passed_over: int = 0
    cursor: str = ""


def parse_journal(texts: Iterable[str], coordinator: str | None = None) -> Entries:
    """Read what `journalctl -o json` prints, a line an entry.

    Args:
        coordinator: whose lines they are; by default the machine's own name.
    """
    lines: list[LogLine] = []
    passed_over, cursor = 0, ""
    for entry in _objects(texts):
        if entry is None:
            passed_over += 1
            continue
        cursor = str(entry.get("__CURSOR") or cursor)
        lines += _entry(entry, coordinator)
    return Entries(tuple(lines), passed_over, cursor)


def _entry(entry: Mapping[str, Any], coordinator: str | None) -> Iterator[LogLine]:
    text = _message(entry.get("MESSAGE"))
    if text is None:
        return
    stamp = entry.get("__REALTIME_TIMESTAMP")
    host = coordinator or str(entry.get("_HOSTNAME") or "")
    service = str(entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "")
    run = entry.get("INVOCATION_ID" if service == SYSTEMD else "_SYSTEMD_INVOCATION_ID")
    try:
        at = datetime.fromtimestamp(int(stamp or 0) / 1e6, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return
    if not FIRST <= at < LAST:
        return
    for line in text.splitlines():
        yield LogLine(at, _text(host), _text(service), _text(line), str(run or ""))


def _message(message: object) -> str | None:
    if isinstance(message, str):
        return message
    # Bytes that are no UTF-8 come as numbers.
    if isinstance(message, list) and all(isinstance(b, int) and 0 <= b < 256 for b in message):
        return bytes(message).decode(errors="replace")
    return None


def parse_rows(texts: Iterable[str], coordinator: str | None = None) -> Entries:
    """Read rows of `yamon.logs` as ClickHouse's `JSONEachRow` prints them.

    Args:
        coordinator: whose lines they are; by default the row's `host`.
    """
    lines, passed_over = [], 0
    for row in _objects(texts):
        try:
            assert row is not None
            at = _when(row["when"])
            assert FIRST <= at < LAST
            host = coordinator or str(row["host"])
            line = LogLine(at, _text(host), _text(str(row["service"])), _text(str(row["data"])))
            lines.append(line)
        except (AssertionError, KeyError, ValueError, OverflowError, OSError):
            passed_over += 1
    return Entries(tuple(lines), passed_over)


def _when(value: object) -> datetime:
    text = str(value)
    if text.isdecimal():
        return datetime.fromtimestamp(int(text), UTC)
    at = datetime.fromisoformat(text)
    # A table without a zone of its own is in UTC, as ours is.
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _text(text: str) -> str:
    # Half a character has no place in UTF-8.
    return text[:LINE_LONGEST].encode("utf-8", "replace").decode()


def _objects(texts: Iterable[str]) -> Iterator[dict[str, Any] | None]:
    for text in texts:
        if not text.strip():
            continue
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            yield None
            continue
        yield found if isinstance(found, dict) else None


def shape_of(texts: Iterable[str]) -> str:
    """Return what lines of text are, by the first that tells: `journal`, `rows` or `plain`."""
    for found in _objects(texts):
        if found and "__REALTIME_TIMESTAMP" in found:
            return "journal"
        if found and found.keys() >= {"when", "service", "data"}:
            return "rows"
    return "plain"
