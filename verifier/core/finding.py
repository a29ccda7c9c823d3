"""Findings and verdicts: what was seen, how bad it is, and the one table that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Verdict(Enum):
    """The monitoring plug-in convention; the value is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3

    @property
    def rank(self) -> int:
        """Order by which the worst wins: a failed look outranks a warning, a proven loss both."""
        return _RANK[self]


_RANK = {Verdict.OK: 0, Verdict.WARNING: 1, Verdict.UNKNOWN: 2, Verdict.CRITICAL: 3}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: its fixed severity and what it says to a tired person."""

    severity: Verdict
    meaning: str


_OK, _WARN, _CRIT, _UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.CRITICAL, Verdict.UNKNOWN

KINDS: Mapping[str, Kind] = {
    # A file, seen from three sides (drill).
    "identical": Kind(
        _OK, "live file and backup agree in content and metadata (counted, not listed)"
    ),
    "changed": Kind(_OK, "changed since the backup, and says so by its times"),
    "added": Kind(_OK, "created since the backup"),
    "deleted": Kind(_OK, "deleted since the backup; still in the snapshot"),
    "excluded": Kind(_OK, "left out by an exclude rule"),
    "changed-mtime-kept": Kind(
        _WARN, "content differs, mtime as recorded, ctime newer: rewritten behind its mtime"
    ),
    "unreadable": Kind(_WARN, "the live file could not be read, so it could not be compared"),
    "metadata": Kind(
        _WARN, "mode, owner, times, links or attributes differ though nothing says they changed"
    ),
    "stale-manifest": Kind(
        _WARN, "the manifest in a snapshot is older than the snapshot before: it settles less"
    ),
    "corrupted": Kind(_CRIT, "content differs and nothing says that the file changed"),
    "missing": Kind(_CRIT, "existed before the backup, is included, yet is not in the snapshot"),
    "lost": Kind(_CRIT, "the repository cannot produce it"),
    "empty": Kind(_UNKNOWN, "there was nothing to verify"),
    # A restored sample, and what its applications make of it.
    "application-failed": Kind(_CRIT, "restored data that its own application refuses"),
    "canary-changed": Kind(_CRIT, "a canary is not restored with the content that is known of it"),
    # The ledger.
    "rotation-missed": Kind(
        _WARN, "the budget is too small to verify everything within the promised runs"
    ),
    # The off-site copy.
    "copy-lags": Kind(_WARN, "the copy lacks the newest snapshots for longer than is allowed"),
    "copy-lacks": Kind(_CRIT, "the copy lacks a snapshot or its data, and no delay explains it"),
    "copy-differs": Kind(_CRIT, "the copy holds something else under the same name"),
    "recoverable": Kind(_OK, "lost in the repository, and whole in the copy"),
    "copy-extra": Kind(_OK, "the copy still holds what the repository has forgotten"),
    # The repository itself.
    "damaged": Kind(_WARN, "a file of the repository is damaged, and no snapshot loses by it"),
    "stale-lock": Kind(_WARN, "a lock of a restic that ended long ago keeps others out"),
    # Retention, as planned, simulated or found in production.
    "newest-removed": Kind(_CRIT, "forget removed the newest snapshot of a group"),
    "promise-broken": Kind(
        _CRIT, "a day, week, month or year that the policy promises has no restore point"
    ),
    "over-bound": Kind(_WARN, "a group holds more snapshots than its policy can keep"),
    "disagreement": Kind(_CRIT, "two ways of reaching the same answer gave different answers"),
    "unreachable-data": Kind(_WARN, "after prune the repository holds data that no snapshot needs"),
    "group-wiped": Kind(_CRIT, "the policy removes every snapshot of a group"),
    "forget-refused": Kind(_WARN, "forget stops with an error and removes nothing anywhere"),
    "frozen-group": Kind(_WARN, "a group receives no snapshots any more and is kept for ever"),
    "future-snapshot": Kind(
        _WARN, "a snapshot is dated after now and takes the place of real ones"
    ),
    "back-dated": Kind(_WARN, "a snapshot is dated well before it was made"),
    "late": Kind(_WARN, "a host's newest snapshot is older than the warning age"),
    "stopped": Kind(_CRIT, "a host's newest snapshot is older than the alarm age"),
    "unverified": Kind(_WARN, "a host's last good verification is older than the warning age"),
    "long-unverified": Kind(_CRIT, "a host's last good verification is older than the alarm age"),
    "unwatched": Kind(_WARN, "nobody looked at the alert rules for longer than is allowed"),
    "gap": Kind(_WARN, "a day, week or month between two backups of a host has no restore point"),
    "shrunk": Kind(_WARN, "a snapshot holds far less than the one before it"),
    "mass-change": Kind(_WARN, "an unusual share of the files changed between two snapshots"),
    "scrambled": Kind(_CRIT, "many files changed to content that looks encrypted"),
    "over-excluded": Kind(_WARN, "one exclude rule leaves out most of what an include names"),
    "mixed-offsets": Kind(
        _WARN, "snapshots of one group carry different UTC offsets that no daylight saving explains"
    ),
    "day-boundary": Kind(_OK, "days are cut in another time zone than the reader's"),
    "stretched-days": Kind(
        _OK, "keep-daily reaches further back because it counts days that have snapshots"
    ),
    "oldest-kept": Kind(
        _OK, "the first snapshot of a group stays until its rule's count is used up"
    ),
    # The cycle.
    "step-failed": Kind(_CRIT, "a backup, forget, prune or sync of the cycle ended with an error"),
    # What production needs, as `doctor` sees it.
    "unprepared": Kind(_CRIT, "something that the configuration asks for is not there or fails"),
    "imperfect": Kind(_WARN, "it works, but not as it should, or not for long"),
    # A scenario, held against what it expects.
    "unexpected": Kind(_CRIT, "a scenario showed something that it does not expect"),
    "unmet": Kind(_CRIT, "a scenario did not show something that it expects"),
    "observed": Kind(_OK, "what a simulated system visibly became, and no rule judges"),
    # Signed reports.
    "evidence-broken": Kind(
        _CRIT, "a signed report is missing, altered, out of its order, or signed by someone else"
    ),
    "unanchored": Kind(
        _WARN, "nothing outside the folder says which signed report is the last one"
    ),
    "not-signed": Kind(_WARN, "a report could not be signed, so nothing will prove it later"),
    # Telling people. It is listed in a report and changes no verdict.
    "not-delivered": Kind(_WARN, "something could not be told to a sink, or kept for it or here"),
    # What production has installed.
    "drifted": Kind(_WARN, "an installed file is not what verify.toml says"),
    # Everything that could not be looked at.
    "could-not-verify": Kind(_UNKNOWN, "something stopped the verifier from looking"),
    "interrupted": Kind(_UNKNOWN, "the run was stopped by a signal before it was done"),
    "internal": Kind(_UNKNOWN, "a fault of restic-verify itself"),
}
"""Every kind of finding with its severity; the documentation's table is made from it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was seen.

    Attributes:
        kind: a key of `KINDS`.
        subject: what it is about: a host, a path, a snapshot, a day.
        detail: one sentence for a person.
        evidence: the values behind it, JSON-ready.
    """

    kind: str
    subject: str
    detail: str
    evidence: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.kind in KINDS, f"unknown finding kind {self.kind!r}"

    @property
    def severity(self) -> Verdict:
        """The fixed severity of the kind."""
        return KINDS[self.kind].severity


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """Return the verdict of the worst finding; OK where there is none."""
    return max((f.severity for f in findings), key=lambda v: v.rank, default=Verdict.OK)
