"""What the history knows of signed reports: anchors of their chain, and what is not in it.

A report is recorded with the number and the SHA-256 that it was given when it was signed, so the
history vouches for the chain as long as not both are in the same hands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from verifier.monitor.evidence.controls import Period
from verifier.monitor.evidence.verify import Anchor
from verifier.monitor.history.memory import History
from verifier.monitor.render.envelope_evidence import Signed
from verifier.monitor.telemetry import BackupRun

SIGNED_KINDS = ("monthly", "drill", "audit")
"""The kinds of report that are signed."""


def anchors(history: History, folder: Path) -> tuple[Anchor, ...]:
    """Return the anchors of the chain in a folder, or in the folder that it was copied from.

    A chain that was begun anew in another folder is another chain: where none of the reports was
    signed into this one, that of the newest is meant.
    """
    signed = list(_signed(history))
    folders = {str(Path(one["file"]).parent): None for one in signed}
    here = str(folder.absolute())
    meant = here if here in folders else next(iter(folders), None)
    return tuple(
        Anchor(one["sha256"], "the history", one["number"])
        for one in signed
        if str(Path(one["file"]).parent) == meant
    )


def _signed(history: History) -> Iterator[Signed]:
    """Yield where reports stand in a chain, the newest report first."""
    for past in history.reports():
        if past.kind in SIGNED_KINDS:
            signed = (history.report(past.number) or {}).get("signed")
            if signed is not None:
                yield cast(Signed, signed)


def backups(history: History, period: Period) -> tuple[BackupRun, ...]:
    """Return the backups of a period, and of each host the last and last good one before it.

    Without those the time that a host was without a backup when the period began is not known.
    """
    before: list[BackupRun] = []
    for host in history.hosts():
        last = history.newest_backups(host, None, period.since, limit=1)
        good = history.last_good_backup(host, before=period.since)
        before += last if good is None or good in last else (good, *last)
    return (*before, *history.backups(since=period.since, until=period.until))


def unsigned(history: History, period: Period) -> int:
    """Return how many reports of a period were recorded and not signed."""
    return sum(
        "signed" not in (history.report(past.number) or {})
        for past in history.reports()
        if past.kind in SIGNED_KINDS and period.holds(past.finished_at)
    )
