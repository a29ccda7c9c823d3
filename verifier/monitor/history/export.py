"""The history as files for other programs: Parquet or CSV, one file a table, in constant memory.

Instants are in UTC. Envelopes of reports stay where they are: `report --json` gives them.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier.core.errors import CannotVerify, ToolMissing, to_install

if TYPE_CHECKING:
    import pyarrow as pa

Write = Callable[[Sequence[Sequence[object]]], None]

BATCH = 20_000
"""How many rows are in memory at a time."""

_AT, _TEXT, _WHOLE, _REAL = "instant", "text", "whole", "real"

_BACKUPS = {
    "cycle": _WHOLE,
    "host": _TEXT,
    "began_at": _AT,
    "duration_s": _REAL,
    "status": _WHOLE,
    "snapshot": _TEXT,
    "restic": _TEXT,
    "files_new": _WHOLE,
    "files_changed": _WHOLE,
    "files_unmodified": _WHOLE,
    "processed_bytes": _WHOLE,
    "added_bytes": _WHOLE,
    "errors": _WHOLE,
    "message": _TEXT,
}

TABLES: Mapping[str, Mapping[str, str]] = {
    "cycles": {
        "number": _WHOLE,
        "coordinator": _TEXT,
        "service": _TEXT,
        "run": _TEXT,
        "began_at": _AT,
        "duration_s": _REAL,
        "status": _WHOLE,
    },
    "backups": _BACKUPS,
    "stages": {
        "cycle": _WHOLE,
        "name": _TEXT,
        "began_at": _AT,
        "duration_s": _REAL,
        "status": _WHOLE,
    },
    "lines": {"cycle": _WHOLE, "place": _WHOLE, "at": _AT, "service": _TEXT, "data": _TEXT},
    "reports": {
        "number": _WHOLE,
        "kind": _TEXT,
        "verdict": _TEXT,
        "started_at": _AT,
        "finished_at": _AT,
        "findings": _TEXT,
    },
    "verifications": {"host": _TEXT, "at": _AT, "report": _WHOLE, "verdict": _TEXT},
    "transitions": {
        "subject": _TEXT,
        "opened_at": _AT,
        "at": _AT,
        "kind": _TEXT,
        "level": _TEXT,
        "good_at": _AT,
    },
}
"""Table -> its columns in order, each with its type."""

_ORDER = {"cycles": "1", "backups": "began_at, host", "lines": "1, 2", "reports": "1"}


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written."""

    path: Path
    rows: int


def export(connection: sqlite3.Connection, folder: Path, form: str) -> Iterator[Exported]:
    """Write every table into a file of its own; one that is there is replaced when it is whole.

    Raises:
        ToolMissing: Parquet needs pyarrow.
        CannotVerify: a file cannot be written.
    """
    writing = {"parquet": _parquet, "csv": _csv}[form]
    for table, columns in TABLES.items():
        path = folder / f"{table}.{form}"
        partial = path.with_name(f".{path.name}.partial")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            count = 0
            with writing(partial, columns) as write:
                for rows in _batches(connection, table, columns):
                    write(rows)
                    count += len(rows)
            partial.replace(path)
        except OSError as error:
            message = f"cannot be written: {error.strerror or error}"
            raise CannotVerify(str(path), message, "name another folder with --to") from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        yield Exported(path, count)


def _batches(
    connection: sqlite3.Connection, table: str, columns: Mapping[str, str]
) -> Iterator[list[tuple[Any, ...]]]:
    query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {_ORDER.get(table, '1, 2, 3')}"  # noqa: S608
    rows = connection.execute(query)
    while batch := rows.fetchmany(BATCH):
        yield batch


@contextmanager
def _csv(path: Path, columns: Mapping[str, str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer.writerows


@contextmanager
def _parquet(path: Path, columns: Mapping[str, str]) -> Iterator[Write]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        remedy = f"{to_install('export')}; or choose --format csv"
        raise ToolMissing("Parquet", f"the package {error.name} is missing", remedy) from error
    schema = pa.schema([(name, _type(pa, kind)) for name, kind in columns.items()])

    def batch(rows: Sequence[Sequence[object]]) -> pa.Table:
        by_column = zip(schema, columns.values(), zip(*rows, strict=True), strict=True)
        arrays = [
            pa.array([_value(value, kind) for value in values], field.type)
            for field, kind, values in by_column
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    with parquet.ParquetWriter(path, schema) as writer:
        yield lambda rows: writer.write_table(batch(rows))


def _type(pa: Any, kind: str) -> Any:
    types = {
        _AT: pa.timestamp("us", "UTC"),
        _TEXT: pa.string(),
        _WHOLE: pa.int64(),
        _REAL: pa.float64(),
    }
    return types[kind]


def _value(value: Any, kind: str) -> object:
    if kind == _AT:
        return datetime.fromisoformat(value)
    if kind == _TEXT:
        # A name of a file may hold what is no character.
        return str(value).encode("utf-8", "backslashreplace").decode()
    return value
