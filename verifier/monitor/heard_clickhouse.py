"""What is heard of backups by way of ClickHouse: log lines and telemetry, asked over HTTP.

Reads alone, and makes nothing. Works with every release from 18.16 on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from verifier.core.errors import CannotVerify
from verifier.monitor.clickhouse_columns import (
    LOGS_NEEDED,
    NO_COLUMN,
    description,
    parse_columns,
)
from verifier.monitor.cycles import SYSTEMD, parse_log
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine

_MARGIN = timedelta(days=1)
"""A run that begins before what is asked for is read whole, and then left out."""

_NO_TABLE = "Code: 60"
_SAID_LONGEST = 200


@dataclass(slots=True)
class ClickHouseSource:
    """A server's tables of logs and backups; a `Source`.

    Attributes:
        service: under which the coordinator's script logs.
        headers: who asks.
        coordinator: whose lines they are, of a table that does not say so.
    """

    url: str
    database: str
    table: str
    backups: str
    service: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 10.0
    coordinator: str = ""
    _lines: dict[tuple[str, datetime], tuple[LogLine, ...]] = field(default_factory=dict)

    def cycles(self, since: datetime, until: datetime) -> Sequence[CycleRun]:
        """Return the runs that began from one instant up to another, in order.

        Raises:
            CannotVerify: the server does not answer, or has no such table.
        """
        logs = parse_log(self.log(since - _MARGIN, until), self.service)
        found = [log for log in logs if since <= log.cycle.began_at <= until]
        self._lines = {(log.cycle.coordinator, log.cycle.began_at): log.lines for log in found}
        return tuple(log.cycle for log in found)

    def last_good_backup(self, host: str) -> BackupRun | None:
        """Return a host's newest backup that made a whole snapshot.

        Raises:
            CannotVerify: the server does not answer.
        """
        query = (
            f"SELECT toUnixTimestamp(`when`) AS began, {', '.join(_COLUMNS)} "  # noqa: S608
            f"FROM {self._named(self.backups)} "
            f"WHERE host = {_quoted(host)} AND status = 0 ORDER BY `when` DESC LIMIT 1"
        )
        rows = self._ask(query, missing_ok=True)
        return _backup(rows[0]) if rows else None

    def lines(self, cycle: CycleRun) -> Sequence[LogLine]:
        """Return what a run printed, in order; of those alone that `cycles` returned last."""
        return self._lines.get((cycle.coordinator, cycle.began_at), ())

    def log(self, since: datetime, until: datetime) -> list[LogLine]:
        """Return what the coordinator's unit printed, and systemd of it, in order.

        Raises:
            CannotVerify: the server does not answer, or has no such table.
        """
        try:
            return self._log(since, until, "host")
        except CannotVerify as error:
            if not NO_COLUMN.search(error.message):
                raise
        named = self._named(self.table)
        answer = self._send(description(named))
        there = parse_columns(answer, named, LOGS_NEEDED)
        return self._log(since, until, "host" if "host" in there else _quoted(self.coordinator))

    def _log(self, since: datetime, until: datetime, host: str) -> list[LogLine]:
        unit = f"data LIKE '%run backups%' OR data LIKE {_quoted(f'%{self.service}.service%')}"
        # Of lines of one second the order is that in which they were inserted, which alone one
        # thread keeps.
        query = (
            "SELECT toUnixTimestamp(`when`) AS at, whose, service, data FROM ("  # noqa: S608
            f"SELECT `when`, {host} AS whose, service, data, rowNumberInAllBlocks() AS place "
            f"FROM {self._named(self.table)} "
            f"WHERE `when` >= toDateTime({int(since.timestamp())}) "
            f"AND `when` <= toDateTime({int(until.timestamp())}) "
            f"AND (service = {_quoted(self.service)} OR (service = '{SYSTEMD}' AND ({unit})))"
            ") ORDER BY `when`, place"
        )
        return [
            LogLine(_instant(row["at"]), row["whose"], row["service"], row["data"])
            for row in self._ask(query)
        ]

    def _named(self, table: str) -> str:
        return f"`{self.database}`.`{table}`"

    def _ask(self, query: str, *, missing_ok: bool = False) -> list[dict[str, Any]]:
        answer = self._send(f"{query} FORMAT JSONEachRow", missing_ok=missing_ok)
        return [json.loads(line) for line in answer.splitlines()]

    def _send(self, query: str, *, missing_ok: bool = False) -> str:
        remedy = "see that it runs and that [sinks.clickhouse] is right, or set alerts.source"
        try:
            answer = httpx.post(
                f"{self.url}/",
                content=query.encode(),
                params={"max_threads": "1"},
                headers=dict(self.headers),
                timeout=self.timeout_s,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"ClickHouse cannot be asked: {error or type(error).__name__}"
            raise CannotVerify(self.url, message, remedy) from error
        if answer.is_success:
            return answer.text
        if missing_ok and _NO_TABLE in answer.text:
            return ""
        said = " ".join(answer.text.split())[:_SAID_LONGEST]
        message = f"ClickHouse answered {answer.status_code}: {said}"
        raise CannotVerify(self.url, message, remedy)


_COUNTS = (
    "files_new",
    "files_changed",
    "files_unmodified",
    "processed_bytes",
    "added_bytes",
    "errors",
)
_COLUMNS = ("host", "duration_s", "status", "snapshot", "restic", *_COUNTS)


def _backup(row: Mapping[str, Any]) -> BackupRun:
    # Numbers of 64 bits come as texts, unless the server is told otherwise.
    counts = (int(row[name]) for name in _COUNTS)
    new, changed, unmodified, processed_bytes, added_bytes, errors = counts
    return BackupRun(
        row["host"],
        _instant(row["began"]),
        float(row["duration_s"]),
        int(row["status"]),
        row["snapshot"],
        row["restic"],
        new,
        changed,
        unmodified,
        processed_bytes,
        added_bytes,
        errors,
    )


def _instant(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
