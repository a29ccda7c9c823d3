"""The envelope's shape, field by field: what every rendering reads and the JSON Schema is made of.

A report of a later release may carry more fields than these: readers pass over what they do not
know. Times are RFC 3339 texts with the UTC offset that the snapshot or the run had.
"""

from __future__ import annotations

from typing import Literal, NotRequired

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict

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


class DrillHost(TypedDict):
    """One snapshot of a host; `counts` is finding kind -> number of paths."""

    host: str
    snapshot: str
    taken: str
    files: int
    bytes: int
    counts: dict[str, int]


class DrillPacks(TypedDict):
    """The packs of a repository or a copy; `finished` where all that were due have been read."""

    packs: int
    packs_read: int
    bytes: int
    read_bytes: int
    finished: bool


class DrillExcluded(TypedDict):
    """What one exclude rule leaves out of one include, as the live files are now."""

    host: str
    pattern: str
    include: str
    files: int
    bytes: int


class DrillAsBackedUp(TypedDict):
    """Files that are restored as they were backed up, and refused; the first are named."""

    count: int
    first: list[str]


class DrillRehearsal(TypedDict):
    """One rehearsal.

    `reasons` is why -> entries, `counts` finding kind -> paths, and `applications` the name of one
    -> `accepted`, `refused` or `undecided` -> files.
    """

    host: str
    snapshot: str
    restic: str
    entries: int
    of_entries: int
    files: int
    bytes: int
    duration_s: float
    bytes_per_s: int
    reasons: dict[str, int]
    counts: dict[str, int]
    applications: dict[str, dict[str, int]]
    refused_as_backed_up: DrillAsBackedUp
    canaries: int


class DrillCopyHost(TypedDict):
    """A host's newest snapshot, and its newest that the copy can produce whole."""

    host: str
    newest: str
    newest_taken: str
    whole: str | None
    whole_taken: str | None


class DrillCopy(DrillPacks):
    """The off-site copy; snapshots are counted by what is the matter with them."""

    location: str
    method: str
    counts: dict[str, int]
    hosts: list[DrillCopyHost]
    files: NotRequired[dict[str, dict[str, int]]]


class Drill(TypedDict):
    """The section of `drill` and `monthly`; `off_site` where there is a copy to look at."""

    repository: DrillPacks
    hosts: list[DrillHost]
    excluded: list[DrillExcluded]
    rehearsals: list[DrillRehearsal]
    off_site: NotRequired[DrillCopy]


class AuditHost(TypedDict):
    """One host's newest snapshot; null where it has none."""

    host: str
    expected: bool
    newest: str | None
    age_s: float | None


class AuditGap(TypedDict):
    """Buckets without a restore point, in words."""

    rule: str
    words: str


class AuditChange(TypedDict):
    """What changed from the snapshot before to this one, in files."""

    snapshot: str
    time: str
    files: int
    bytes: int
    added: int
    removed: int
    changed: int
    scrambled: int


class AuditGroup(TypedDict):
    """One group of snapshots; `next_removed` is how many of them the next forget removes."""

    host: str
    paths: list[str]
    tags: list[str]
    snapshots: int
    oldest: str
    newest: str
    next_removed: int
    gaps: list[AuditGap]
    changes: list[AuditChange]


class AuditSuspect(TypedDict):
    """A snapshot whose date something contradicts; `kind` is a kind of finding."""

    id: str
    host: str
    time: str
    kind: str
    why: str


class Audit(TypedDict):
    """The section of `audit`."""

    policy: str
    rules: str
    hosts: list[AuditHost]
    groups: list[AuditGroup]
    suspects: list[AuditSuspect]


class LedgerAge(TypedDict):
    """What was proven last so many closed rounds ago; null where it never was."""

    rounds: int | None
    units: int
    bytes: int
    proven_at: str | None


class LedgerConfidence(TypedDict):
    """What follows from what was read.

    `least` is probability -> how few damaged units would have been met with it, `least_bytes` the
    bytes they must have had, and `chances` damaged fraction -> the probability to have met it.
    """

    least: dict[str, int | None]
    least_bytes: NotRequired[dict[str, int | None]]
    chances: dict[str, float]


class LedgerScope(TypedDict):
    """The files of a host, or the packs of a copy, as of the last run that went through them."""

    repository: str
    unit: str
    name: str
    run: int
    looked_at: str
    within: int
    units: int
    bytes: int
    proven: int
    overdue: int
    doubted: int
    ages: list[LedgerAge]
    confidence: LedgerConfidence


class LedgerRun(TypedDict):
    """One run; null where it is not finished."""

    number: int
    repository: str
    begun: str
    finished: str | None
    verdict: str | None
    totals: dict[str, object]


class Ledger(TypedDict):
    """The section of `ledger`; the last runs are newest first."""

    scopes: list[LedgerScope]
    runs: list[LedgerRun]


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
    """A scenario as listed, or one rung of it as shown or run.

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
    """One thing that `init` guessed; `sure` where nothing that was seen speaks against it."""

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
