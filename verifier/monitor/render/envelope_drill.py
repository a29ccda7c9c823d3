"""The sections about a real repository: drill, audit, ledger."""

from __future__ import annotations

from typing import NotRequired

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict


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
    """One host's newest snapshot; null where it has none whose date is believed."""

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
