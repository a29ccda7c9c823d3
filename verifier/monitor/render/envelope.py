"""The envelope's shape, field by field: what every rendering reads and the JSON Schema is made of.

A report of a later release may carry more fields than these: readers pass over what they do not
know. Times are RFC 3339 texts with the UTC offset that the snapshot or the run had.
"""

from __future__ import annotations

from typing import Literal, NotRequired

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict

from verifier.monitor.render.envelope_drill import Audit, Drill, Ledger
from verifier.monitor.render.envelope_evidence import Controls, Evidence, Signed
from verifier.monitor.render.envelope_history import Collected, PastEnvelope, Remembered

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
    another, whether or not they survive, or after the last one where its host has no other group.
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


class StoredRelease(TypedDict):
    """One restic release of the toolchain; no path where it is not stored."""

    version: str
    digest: str | None
    path: str | None


class Releases(TypedDict):
    """The section of `toolchain`."""

    releases: list[StoredRelease]


class RenderedFile(TypedDict):
    """A file to install; `mode` is octal."""

    path: str
    mode: str
    text: str


class ScenarioRecord(TypedDict):
    """A scenario as listed, or at one fidelity as shown or run.

    `met` is null where it could not be run. `inputs` is all that the result is a function of, `key`
    the SHA-256 over them, `digest` that of what was seen; null where nothing was. `stored` says
    that the result comes, or would come, from the store; `notes` what a run cannot see.
    """

    name: str
    fidelity: str
    about: NotRequired[str]
    verdict: NotRequired[VerdictName]
    file: NotRequired[str]
    text: NotRequired[str]
    met: NotRequired[bool | None]
    duration_s: NotRequired[float]
    stored: NotRequired[bool]
    key: NotRequired[str]
    digest: NotRequired[str | None]
    inputs: NotRequired[dict[str, str]]
    notes: NotRequired[list[str]]


class FileChange(TypedDict):
    """A rendered file and its place: what it was found as, or what became of it.

    `diff` is unified, and empty where not everybody may read what is there.
    """

    path: str
    state: Literal["missing", "differs", "created", "changed", "unchanged"]
    mode: str
    diff: list[str]


class GuessRecord(TypedDict):
    """One thing that `init` guessed; `sure` where enough was seen and none speaks against it."""

    about: str
    value: str
    sure: bool
    why: str


class CheckRecord(TypedDict):
    """One question of a check-up with its answer."""

    subject: str
    name: str
    status: Literal["ok", "warning", "failed", "unknown", "skipped"]
    saw: str
    remedy: str


class AlertSubject(TypedDict):
    """One subject that is watched.

    `good` is when its last success began; null where none is known, and its age then counts from
    the beginning of the watch. `next` is when it is worth telling of if nothing more is heard; of
    one that is told of already, when it becomes an alarm.
    """

    subject: str
    good: str | None
    age_s: float
    next: str | None


class AlertIncident(TypedDict):
    """An incident that is open; `told` is null while a silence keeps it from everybody."""

    subject: str
    level: Literal["warning", "alarm"]
    opened: str
    lasted_s: float
    flapping: bool
    told: str | None


class AlertTold(TypedDict):
    """Something that people are told, in its words; `kind` is a kind of transition."""

    kind: str
    subject: str
    level: Literal["warning", "alarm"]
    time: str
    title: str
    lines: list[str]


class AlertSilence(TypedDict):
    """A silence that is not over; one of the configuration has no number."""

    number: int | None
    subject: str
    begins: str
    until: str
    reason: str


class AlertTrial(TypedDict):
    """A channel or sink that was sent a test; `arrived` is null where none can be sent."""

    name: str
    arrived: bool | None
    detail: str


class Alert(TypedDict):
    """The section of `alert`: of a look, of a test, of silences."""

    subjects: NotRequired[list[AlertSubject]]
    incidents: NotRequired[list[AlertIncident]]
    told: NotRequired[list[AlertTold]]
    trials: NotRequired[list[AlertTrial]]
    silences: NotRequired[list[AlertSilence]]


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
    audit: NotRequired[Audit]
    ledger: NotRequired[Ledger]
    toolchain: NotRequired[Releases]
    files: NotRequired[list[RenderedFile]]
    changes: NotRequired[list[FileChange]]
    scenarios: NotRequired[list[ScenarioRecord]]
    signed: NotRequired[Signed]
    evidence: NotRequired[Evidence]
    controls: NotRequired[Controls]
    checks: NotRequired[list[CheckRecord]]
    guesses: NotRequired[list[GuessRecord]]
    alert: NotRequired[Alert]
    collected: NotRequired[Collected]
    remembered: NotRequired[Remembered]
    past: NotRequired[PastEnvelope]
    error: NotRequired[ErrorRecord]
