"""The envelope's shape, field by field: what every rendering reads and the JSON Schema is made of.

A report of a later release may carry more fields than these: readers pass over what they do not
know. Times are RFC 3339 texts with the UTC offset that the snapshot or the run had.
"""

from __future__ import annotations

from typing import Literal, NotRequired

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict

VerdictName = Literal["OK", "WARNING", "CRITICAL", "UNKNOWN"]


class StepFinding(TypedDict):
    """One thing that was seen on a step; the report's own findings tell it in full."""

    kind: str
    subject: str
    detail: str


class FindingRecord(StepFinding):
    """One thing that was seen."""

    severity: VerdictName
    evidence: dict[str, object]


class CoverageRecord(TypedDict):
    """How much was looked at; `skipped` is reason -> count."""

    unit: str
    checked: int
    total: int
    skipped: dict[str, int]


class Taken(TypedDict):
    """A snapshot on the step that made it."""

    id: str
    host: str
    paths: list[str]
    time: str


class Kept(Taken):
    """A snapshot with the reasons that keep it, or that kept it last."""

    reasons: list[str]


class StepRecord(TypedDict):
    """One turn of the cycle; the last two are null where no real repository took part."""

    time: str
    created: list[Taken]
    removed: list[Kept]
    kept: int
    missed: list[str]
    findings: list[StepFinding]
    duration_s: float | None
    repository_bytes: int | None


class Recovery(TypedDict):
    """How far the nearest restore point not younger than an age is off; null where none is."""

    age_days: float
    loss_s: float | None


class GroupRecord(TypedDict):
    """One group of snapshots at the end of a timeline.

    `bound` is null where counts have no end; `worst_gap_s` lies between backups that followed one
    another, whether or not they survive.
    """

    host: str
    paths: list[str]
    survivors: int
    bound: int | None
    worst_gap_s: float | None
    recovery: list[Recovery]


class Agreement(TypedDict):
    """On how many decisions the model and restic agreed."""

    decisions: int
    agreed: int


class Invariant(TypedDict):
    """A promise, the sentence that states it, and how often it was checked and found broken."""

    name: str
    stated: str
    checked: int
    violated: int


class Timeline(TypedDict):
    """The section of `simulate`; survivors are newest first within a group."""

    fidelity: str
    restic: str | None
    days: int
    first: str
    last: str
    created: int
    steps: list[StepRecord]
    survivors: list[Kept]
    groups: list[GroupRecord]
    agreement: Agreement | None
    invariants: list[Invariant]
    notes: list[str]
    next: NotRequired[str | None]


class PlanKept(TypedDict):
    """A snapshot that a plan keeps."""

    id: str
    time: str
    reasons: list[str]


class PlanRemoved(TypedDict):
    """A snapshot that a plan removes."""

    id: str
    time: str


class PlanGroup(TypedDict):
    """One group of a plan, newest first."""

    host: str
    paths: list[str]
    tags: list[str]
    keep: list[PlanKept]
    remove: list[PlanRemoved]


class Surprise(TypedDict):
    """Something about the plan that its reader might not expect; `kind` is a kind of finding."""

    kind: str
    subject: NotRequired[str]
    sentence: str


class Plan(TypedDict):
    """The section of `plan`.

    `refused` is restic's sentence where forget stops and removes nothing at all.
    """

    groups: list[PlanGroup]
    rules: str
    policy: str
    refused: NotRequired[str]
    surprises: list[Surprise]


class DrillHost(TypedDict):
    """One host of a drill; `counts` is finding kind -> number of files."""

    host: str
    snapshot: str | None
    taken: str | None
    files: int
    bytes: int
    counts: dict[str, int]
    duration_s: float | None


class Drill(TypedDict):
    """The section of `drill` and `monthly`."""

    hosts: list[DrillHost]


class StoredRelease(TypedDict):
    """One restic release of the toolchain; no path where it is not stored."""

    version: str
    digest: str | None
    path: str | None


class Releases(TypedDict):
    """The section of `toolchain`."""

    releases: list[StoredRelease]


class ErrorRecord(TypedDict):
    """Why a command could not do its work, and what to do about it."""

    message: str
    remedy: str
    exit_code: int


class Envelope(TypedDict):
    """What every command prints with --json, whatever happens."""

    schema: Literal[1]
    kind: str
    verdict: VerdictName
    started: str
    finished: str
    tool: dict[str, str]
    inputs: dict[str, object]
    findings: list[FindingRecord]
    measurements: dict[str, object]
    coverage: CoverageRecord
    timeline: NotRequired[Timeline]
    plan: NotRequired[Plan]
    drill: NotRequired[Drill]
    toolchain: NotRequired[Releases]
    error: NotRequired[ErrorRecord]
