"""The sections about the history: what was collected, what is remembered, a report of the past."""

from __future__ import annotations

from typing import NotRequired

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict


class CollectedCycle(TypedDict):
    """A run of the coordinator of which something was new; `status` is null without an end."""

    coordinator: str
    service: str
    began: str
    duration_s: float
    status: int | None
    backups: int
    failed: list[str]


class Collected(TypedDict):
    """The section of `collect`.

    `lines` were read, `lines_new` are of runs and were not known, `passed_over` could not be read.
    Of the runs the last are listed.
    """

    source: str
    lines: int
    lines_new: int
    passed_over: int
    backups_new: int
    backups_failed: int
    cycles_new: int
    cycles: list[CollectedCycle]


class RememberedHost(TypedDict):
    """A host of the history; null where nothing is known."""

    host: str
    backups: int
    last: str | None
    last_good: str | None
    verified: str | None
    verdict: str | None


class RememberedReport(TypedDict):
    """A report of the history."""

    number: int
    kind: str
    verdict: str
    finished: str


class RememberedFile(TypedDict):
    """A file that was written."""

    path: str
    rows: int


class Remembered(TypedDict):
    """The section of `history`: what it holds, what was forgotten, what was written.

    `rows` is of each table; of the reports the last are listed.
    """

    first: str | None
    last: str | None
    size_bytes: int
    rows: dict[str, int]
    hosts: NotRequired[list[RememberedHost]]
    reports: NotRequired[list[RememberedReport]]
    removed: NotRequired[dict[str, int]]
    written: NotRequired[list[RememberedFile]]


class PastEnvelope(TypedDict):
    """The section of `report`: a report of the history, as it was recorded."""

    number: int
    envelope: dict[str, object]
