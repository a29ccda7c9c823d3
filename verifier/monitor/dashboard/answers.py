"""The shapes of the API's answers: what programs may rely on, and its description is made of.

Instants are RFC 3339 texts in UTC. A later release may add fields.
"""

from __future__ import annotations

from typing import Literal

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict

VerdictName = Literal["OK", "WARNING", "CRITICAL", "UNKNOWN"]


class ReasonAnswer(TypedDict):
    """Why the state is not OK."""

    verdict: VerdictName
    sentence: str


class HostAnswer(TypedDict):
    """One host; instants are null where there is none."""

    host: str
    expected: bool
    verdict: VerdictName
    state: str
    last_good_backup: str | None
    last_backup: str | None
    last_status: int | None
    last_verified: str | None
    last_verdict: VerdictName | None
    last_good_verification: str | None


class IncidentAnswer(TypedDict):
    """An incident; open while `resolved` is null."""

    subject: str
    level: Literal["warning", "alarm"]
    opened: str
    alarmed: str | None
    resolved: str | None


class AheadAnswer(TypedDict):
    """A job that comes next."""

    job: str
    at: str


class NowAnswer(TypedDict):
    """The state at present: the worst of the reasons makes it."""

    at: str
    verdict: VerdictName
    heading: str
    sentence: str
    reasons: list[ReasonAnswer]
    hosts: list[HostAnswer]
    incidents: list[IncidentAnswer]
    ahead: list[AheadAnswer]
    looked_at: str | None


class BackupAnswer(TypedDict):
    """One backup of one host."""

    host: str
    began: str
    duration_s: float
    status: int
    snapshot: str
    restic: str
    files_new: int
    files_changed: int
    files_unmodified: int
    processed_bytes: int
    added_bytes: int
    errors: int
    message: str


class BackupsAnswer(TypedDict):
    """Backups, the newest first; `more` where there are older ones."""

    backups: list[BackupAnswer]
    more: bool


class StageAnswer(TypedDict):
    """One stage of a cycle."""

    name: str
    began: str
    duration_s: float
    status: int


class CycleAnswer(TypedDict):
    """One run of the coordinator; no status while its end has not been heard of."""

    number: int
    coordinator: str
    service: str
    began: str
    duration_s: float
    status: int | None
    backups: list[BackupAnswer]
    stages: list[StageAnswer]


class CyclesAnswer(TypedDict):
    """Cycles, the newest first; `more` where there are older ones."""

    cycles: list[CycleAnswer]
    more: bool


class LineAnswer(TypedDict):
    """One line of a log."""

    at: str
    service: str
    line: str


class LinesAnswer(TypedDict):
    """Lines of a log in order; `total` is how many there are."""

    lines: list[LineAnswer]
    total: int


class IncidentsAnswer(TypedDict):
    """Incidents, the newest first."""

    incidents: list[IncidentAnswer]


class ReportAnswer(TypedDict):
    """A report without its content; `findings` is kind -> severity -> how many."""

    number: int
    kind: str
    verdict: VerdictName
    started: str
    finished: str
    findings: dict[str, dict[str, int]]


class ReportsAnswer(TypedDict):
    """Reports, the newest first."""

    reports: list[ReportAnswer]


class RestorePointAnswer(TypedDict):
    """A snapshot; `goes` is about when forget removes it, null where not soon."""

    id: str
    time: str
    reasons: list[str]
    goes: str | None


class RetentionAnswer(TypedDict):
    """The restore points of one host, the newest first.

    `source` is `repository` where they were read, at `read`, and `model` where they are those that
    should be there, by the backups that are known and the policy.
    """

    host: str
    source: Literal["repository", "model"]
    read: str | None
    days_ahead: int
    restore_points: list[RestorePointAnswer]


class ErrorAnswer(TypedDict):
    """Why there is no answer."""

    error: str
