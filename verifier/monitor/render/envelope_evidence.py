"""The sections about signed reports: where one stands, a chain after its check, and controls."""

from __future__ import annotations

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict


class Signed(TypedDict):
    """Where this report stands among the signed ones; the signed copy itself has no such section.

    `sha256` is over the whole file: it shows later that the end of the chain is still there.
    """

    number: int
    sha256: str
    file: str
    key: str


class EvidenceReport(TypedDict):
    """One signed report; texts of it are empty where it could not be opened."""

    number: int
    file: str
    sha256: str
    key: str
    holds: bool
    kind: str
    verdict: str
    finished: str


class Evidence(TypedDict):
    """The section of `report verify`.

    `folder` is null where files were named one by one, `whole` says that a chain was looked at from
    its first report, and `anchored` is the highest number that something outside vouches for.
    """

    folder: str | None
    whole: bool
    anchored: int | None
    keys: list[str]
    reports: list[EvidenceReport]


class ControlsTest(TypedDict):
    """One signed report of the period; `findings` is kind -> how many, of those that are not OK.

    What a drill read is null of an audit, and of a run that failed.
    """

    number: int
    sha256: str
    kind: str
    verdict: str
    started: str
    finished: str
    hosts: list[str]
    unit: str
    checked: int
    total: int
    packs: int | None
    packs_read: int | None
    findings: dict[str, int]


class ControlsBackups(TypedDict):
    """A host's backups in the period, as the history has them.

    `longest_gap_s` is the longest time without a good one up to the period's end, from `since` on:
    the period's beginning, or the first backup of the host where none is known from before. What
    began before the period counts whole. Both are null where no backup of the host is known.
    """

    good: int
    failed: int
    since: str | None
    longest_gap_s: float | None


class ControlsHost(TypedDict):
    """What is shown of one host.

    `longest_without_s` is the longest time without a good verification, up to the period's end and
    from its beginning, or from the last good one before. `newest_age_s` is the greatest age that
    its newest snapshot had when it was looked at, and `newest_missing` how many looks found none,
    or none whose date is believed.
    Rates are those of real restores, and `whole_s` what its newest snapshot would take at the
    median one.
    """

    host: str
    tests: int
    good: int
    last_good: str | None
    longest_without_s: float
    snapshots: int
    files: int
    bytes: int
    rehearsals: int
    restored_files: int
    restored_bytes: int
    restored_s: float
    least_bytes_per_s: float | None
    median_bytes_per_s: float | None
    whole_s: float | None
    newest_age_s: float | None
    newest_missing: int
    copies: int
    copies_whole: int
    backups: ControlsBackups | None


class ControlsTrouble(TypedDict):
    """Something that went wrong, from the report that showed it first to the one that did not.

    `about` is a host, or what else the findings name, `subjects` how many files or others were in
    trouble; the end is null where it is not over.
    """

    kind: str
    severity: str
    about: str
    detail: str
    subjects: int
    reports: int
    first: int
    began: str
    last: int
    ended_by: int | None
    ended: str | None
    lasted_s: float | None


class ControlsSignatures(TypedDict):
    """What the signatures are worth: the same figures as of `report verify`, over the chain."""

    reports: int
    holding: int
    chain: int
    anchored: int | None
    keys: list[str]
    last_sha256: str


class Controls(TypedDict):
    """The section of `report controls`.

    `hosts` are those that a test looked at or names, and those of which a backup of the period is
    known. `longest_untested_s` is the longest time without a test, counted as `longest_without_s`.
    `unsigned` is how many reports of the period the history has and the chain has not; null where
    no history was asked.
    """

    since: str
    until: str
    signatures: ControlsSignatures
    repositories: list[str]
    policies: list[str]
    tests: list[ControlsTest]
    longest_untested_s: float
    hosts: list[ControlsHost]
    troubles: list[ControlsTrouble]
    unsigned: int | None
