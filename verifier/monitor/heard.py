"""What is heard of each subject, from whatever remembers it: the embedded history or ClickHouse.

Both answer with the same values, so that the same follows from either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from verifier.monitor.alerts.transition import News
from verifier.monitor.history.memory import History
from verifier.monitor.history.reports import Verified
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine

LATE = timedelta(days=8)
"""How late a word may come and still be heard in full; of what is older, the newest success is."""

_SECOND = timedelta(seconds=1)
_MOMENT = timedelta(microseconds=1)


class Source(Protocol):
    """A memory of what the coordinator did."""

    def cycles(self, since: datetime, until: datetime) -> Sequence[CycleRun]:
        """Return the runs that began from one instant up to another, in order."""
        ...

    def last_good_backup(self, host: str) -> BackupRun | None:
        """Return a host's newest backup that made a whole snapshot."""
        ...

    def lines(self, cycle: CycleRun) -> Sequence[LogLine]:
        """Return what a run printed, in order."""
        ...


@dataclass(frozen=True, slots=True)
class HistorySource:
    """The embedded history; a `Source`."""

    history: History

    def cycles(self, since: datetime, until: datetime) -> Sequence[CycleRun]:
        """Return the runs that began from one instant up to another, in order."""
        found = self.history.cycles(since, until + _MOMENT)
        return tuple(past.cycle for past in found)

    def last_good_backup(self, host: str) -> BackupRun | None:
        """Return a host's newest backup that made a whole snapshot."""
        return self.history.last_good_backup(host)

    def lines(self, cycle: CycleRun) -> Sequence[LogLine]:
        """Return what a run printed, in order."""
        found = self.history.cycles(cycle.began_at, cycle.began_at + _SECOND)
        return tuple(line for past in found for line in self.history.cycle_lines(past.number))


def is_of(cycle: CycleRun, coordinator: str) -> bool:
    """Say whether a run is this coordinator's: another one's says nothing of our hosts.

    A table of logs may have a machine by its full name where the configuration has its first label.
    """
    said, ours = cycle.coordinator, coordinator
    return said == ours or said.partition(".")[0] == ours or said == ours.partition(".")[0]


def is_mute(cycle: CycleRun) -> bool:
    """Say whether a run ended well and told nothing: not of ours, or written to print nothing."""
    return cycle.status == 0 and not cycle.backups and not cycle.stages


def backup_news(
    host: str, cycles: Iterable[CycleRun], last_good: BackupRun | None = None
) -> Iterator[News]:
    """Yield what is heard of a host's backups.

    A run that has ended without a backup of the host (the key was locked) has failed it; one
    whose end was never heard of says nothing, nor does one that is mute.

    Args:
        last_good: the newest good one, should it be older than the cycles.
    """
    if last_good is not None:
        yield _backup(last_good)
    for cycle in cycles:
        backups = [backup for backup in cycle.backups if backup.host == host]
        yield from map(_backup, backups)
        if not backups and cycle.status is not None and not is_mute(cycle):
            yield News(cycle.began_at, cycle.ended_at, succeeded=False)


def _backup(backup: BackupRun) -> News:
    return News(backup.began_at, backup.ended_at, backup.succeeded)


def verification_news(verified: Verified | None) -> Iterator[News]:
    """Yield what is heard of a host's verification: the newest good one, and a worse one since."""
    if verified is None:
        return
    newest, good = verified.newest, verified.good
    if good is not None:
        yield News(good.at, good.at, succeeded=True)
    if good is None or good.at < newest.at:
        yield News(newest.at, newest.at, succeeded=False)
