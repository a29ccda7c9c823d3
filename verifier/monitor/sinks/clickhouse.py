"""ClickHouse, over its plain HTTP interface: log lines, verdicts of reports, telemetry of backups.

Works with every release from 18.16 on. Database and tables are made where there are none, and what
is there is left as it is: of a table with fewer columns than ours, those that it has are filled.
Lines go into a table of exactly the columns that the dashboard's query reads; the other two carry
the ID of each delivery.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from verifier.core.errors import CannotVerify, DeliveryFailed
from verifier.core.finding import Verdict
from verifier.monitor.clickhouse_columns import (
    LOGS_NEEDED,
    NO_COLUMN,
    ROWS_NEEDED,
    description,
    parse_columns,
)
from verifier.monitor.delivery import Delivery, Kind
from verifier.monitor.render.envelope import Envelope
from verifier.monitor.render.summary import headline
from verifier.monitor.sinks.http import Line, Refused

Row = Mapping[str, object]

NAME = "clickhouse"
LAST_SECOND = (1 << 32) - 1
"""The end of ClickHouse's `DateTime`."""

SERVICES_NAMED = 50
"""How many services a query for lines that are there names at most."""

LOG_COLUMNS = {"when": "DateTime", "host": "String", "service": "String", "data": "String"}

RESULT_COLUMNS = {
    "when": "DateTime",
    "id": "String",
    "kind": "String",
    "verdict": "String",
    "started": "DateTime",
    "checked": "UInt64",
    "total": "UInt64",
    **{name.lower(): "UInt32" for name in Verdict.__members__},
    "summary": "String",
    "version": "String",
    "report": "String",
}
"""`when` it finished; how many findings there are of each severity; `report` is its JSON."""

BACKUP_COLUMNS = {
    "when": "DateTime",
    "id": "String",
    "host": "String",
    "ended": "DateTime",
    "duration_s": "Float64",
    "status": "Int32",
    "snapshot": "String",
    "restic": "String",
    "files_new": "UInt64",
    "files_changed": "UInt64",
    "files_unmodified": "UInt64",
    "processed_bytes": "UInt64",
    "added_bytes": "UInt64",
    "errors": "UInt64",
}
"""`when` it began."""

_NO_TABLE = re.compile(r"Code: (?:60|81)\b")
"""What a server says of a table or a database that it does not have."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, and what becomes a row of it.

    Attributes:
        columns: name -> type.
        needed: columns without which it is of no use.
        order: what its rows are sorted by.
    """

    name: str
    columns: Mapping[str, str]
    needed: tuple[str, ...]
    order: str
    row: Callable[[Delivery], Row]


class ClickHouse:
    """A server; a `Sink`.

    Args:
        database, table, results, backups: names, as the configuration has them.
        login: user and password; empty for none.
        logs: whether it is sent lines; those that wait for it already are sent to it all the same.
    """

    name = NAME
    batch = 1_000

    def __init__(
        self,
        url: str,
        database: str,
        table: str,
        results: str,
        backups: str,
        *,
        login: tuple[str, str],
        timeout_s: float,
        logs: bool = True,
    ) -> None:
        user, password = login
        self._url = f"{url}/"
        self._database = database
        self._line = Line(NAME, timeout_s, (password,))
        self._headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password} if user else {}
        self._logs = logs
        kind, host = "(`kind`, `when`, `id`)", "(`host`, `when`, `id`)"
        self._tables: dict[Kind, Table] = {
            "log": Table(table, LOG_COLUMNS, LOGS_NEEDED, "(`service`, `when`)", log_row),
            "report": Table(results, RESULT_COLUMNS, ROWS_NEEDED, kind, result_row),
            "backup": Table(backups, BACKUP_COLUMNS, ROWS_NEEDED, host, backup_row),
        }

    def takes(self, delivery: Delivery) -> bool:
        """Lines, unless somebody else sends them, reports and backups."""
        return delivery.kind in self._tables and (self._logs or delivery.kind != "log")

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Insert what is not there yet: in one request a run of deliveries of one kind.

        Raises:
            DeliveryFailed: the server did not take all of it.
        """
        arrived = 0
        for kind, run in self._runs(deliveries):
            try:
                self._insert(kind, run, again=again)
            except DeliveryFailed as error:
                error.arrived = arrived
                raise
            arrived += len(run)

    def _runs(self, deliveries: Iterable[Delivery]) -> Iterable[tuple[Kind, list[Delivery]]]:
        runs: list[tuple[Kind, list[Delivery]]] = []
        for delivery in deliveries:
            if not runs or runs[-1][0] != delivery.kind:
                runs.append((delivery.kind, []))
            runs[-1][1].append(delivery)
        return runs

    def _insert(self, kind: Kind, run: Sequence[Delivery], *, again: bool) -> None:
        table = self._tables[kind]
        rows = [_row(table, delivery) for delivery in run]
        try:
            wanted = self._lacking(table, rows) if again else rows
            if wanted:
                self._ask(self._insertion(table), _lines(wanted))
        except Refused as error:
            # Only now, so that a user who may do nothing but insert needs no other right.
            if _NO_TABLE.search(error.said):
                self._create(table)
                self._ask(self._insertion(table), _lines(rows))
            elif NO_COLUMN.search(error.said):
                fitted = self._fitted(table)
                if fitted.columns == table.columns:
                    raise
                self._tables[kind] = fitted
                self._insert(kind, run, again=again)
            else:
                raise

    def _fitted(self, table: Table) -> Table:
        """Ask which columns a table has, and return it with those of ours alone."""
        named = self._named(table)
        try:
            there = parse_columns(self._ask(description(named)), named, table.needed)
        except CannotVerify as error:
            message = f"{error.subject} {error.message}"
            raise DeliveryFailed(NAME, message, error.remedy) from error
        ours = {name: kind for name, kind in table.columns.items() if name in there}
        return replace(table, columns=ours)

    def _lacking(self, table: Table, rows: Sequence[Row]) -> list[Row]:
        """Ask which rows are there, and return the others; of equal ones as many as are missing."""
        keys = ("id",) if "id" in table.columns else tuple(table.columns)
        there: Counter[tuple[object, ...]] = Counter()
        for line in self._ask(_there(self._named(table), table, rows)).splitlines():
            found = json.loads(line)
            there[tuple(found[f"key_{key}"] for key in keys)] = found["count"]
        lacking = []
        for row in rows:
            values = tuple(row[key] for key in keys)
            if there[values] > 0:
                there[values] -= 1
            else:
                lacking.append(row)
        return lacking

    def _create(self, table: Table) -> None:
        columns = ", ".join(f"`{name}` {kind}" for name, kind in table.columns.items())
        self._ask(f"CREATE DATABASE IF NOT EXISTS `{self._database}`")
        self._ask(
            f"CREATE TABLE IF NOT EXISTS {self._named(table)} ({columns}) "
            f"ENGINE = MergeTree() PARTITION BY toYYYYMM(`when`) ORDER BY {table.order}"
        )

    def _insertion(self, table: Table) -> str:
        # Further columns of a table that is not ours have their defaults.
        columns = ", ".join(f"`{name}`" for name in table.columns)
        return f"INSERT INTO {self._named(table)} ({columns}) FORMAT JSONEachRow"

    def _named(self, table: Table) -> str:
        return f"`{self._database}`.`{table.name}`"

    def _ask(self, query: str, rows: bytes | None = None) -> str:
        if rows is None:
            return self._line.send("POST", self._url, query.encode(), self._headers)
        return self._line.send("POST", self._url, rows, self._headers, {"query": query})


def _row(table: Table, delivery: Delivery) -> Row:
    row = table.row(delivery)
    return {name: row[name] for name in table.columns}


def log_row(delivery: Delivery) -> Row:
    """Return a line as a row of the table of logs."""
    line = delivery.body
    return {
        "when": _second(delivery.at),
        "host": _text(line["host"]),
        "service": _text(line["service"]),
        "data": _text(line["data"]),
    }


def result_row(delivery: Delivery) -> Row:
    """Return a report as a row of the table of results."""
    report = cast(Envelope, delivery.body)
    severities = Counter[str](finding["severity"] for finding in report["findings"])
    return {
        "when": _second(delivery.at),
        "id": delivery.id,
        "kind": report["kind"],
        "verdict": report["verdict"],
        "started": _second(datetime.fromisoformat(report["started"])),
        "checked": report["coverage"]["checked"],
        "total": report["coverage"]["total"],
        **{name.lower(): severities[name] for name in Verdict.__members__},
        "summary": _text(headline(report)),
        "version": _text(report["tool"].get("restic-verify", "")),
        "report": json.dumps(report),
    }


def backup_row(delivery: Delivery) -> Row:
    """Return the telemetry of a backup as a row of the table of backups."""
    run = cast(Mapping[str, Any], delivery.body)
    told = {
        name: _text(run[name]) if kind == "String" else run[name]
        for name, kind in BACKUP_COLUMNS.items()
        if name not in {"when", "id", "ended"}
    }
    began_at = datetime.fromisoformat(run["began_at"])
    when = {"when": _second(began_at), "id": delivery.id, "ended": _second(delivery.at)}
    return {**when, **told}


def _there(name: str, table: Table, rows: Sequence[Row]) -> str:
    """Return the query that counts rows as these, by ID or, where there is none, by content."""
    if "id" in table.columns:
        ids = ", ".join(_quoted(str(row["id"])) for row in rows)
        read, where, by = "`id` AS key_id", f"`id` IN ({ids})", "`id`"
    else:
        seconds = [cast(int, row["when"]) for row in rows]
        services = sorted({str(row["service"]) for row in rows})
        columns = [f"`{column}` AS key_{column}" for column in table.columns if column != "when"]
        read = ", ".join(("toUInt32(`when`) AS key_when", *columns))
        where = f"`when` BETWEEN toDateTime({min(seconds)}) AND toDateTime({max(seconds)})"
        if len(services) <= SERVICES_NAMED:
            # A place in the primary key, so that a table of years is not read for it.
            where += f" AND `service` IN ({', '.join(map(_quoted, services))})"
        by = ", ".join(f"`{column}`" for column in table.columns)
    # Every name in it is the configuration's, and every text is quoted.
    return (
        f"SELECT {read}, toUInt32(count()) AS count "  # noqa: S608
        f"FROM {name} WHERE {where} GROUP BY {by} FORMAT JSONEachRow"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _lines(rows: Iterable[Row]) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def _text(value: object) -> str:
    # Half a character of a file's name has no place in its UTF-8, and would be refused for ever.
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _second(at: datetime) -> int:
    return min(max(int(at.timestamp()), 0), LAST_SECOND)
