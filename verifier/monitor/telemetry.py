"""What a run of the coordinator says of itself, as values: its backups, its stages, its lines.

Pure. `parse_log` (monitor/cycles.py) reads the lines that `run-backups` and the hosts' restic
print, whether they come from journald, ClickHouse, a file or a simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log; `yamon.logs` has the same columns.

    Attributes:
        host: the coordinator.
        service: the unit that printed it; `systemd` for what is said of a unit.
        run: journald's invocation ID, which tells one start of a unit from every other; empty where
            it is not known.
    """

    at: datetime
    host: str
    service: str
    data: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class BackupRun:
    """One backup of one host, as the coordinator's line and restic's summary tell it.

    Attributes:
        status: restic's, or ssh's where that came to nothing: 0 is success.
        snapshot: its ID, shortened before restic 0.17; empty where none was made.
        restic: the release that made it; empty where it was not told.
        errors: files that could not be read.
        message: restic's last word, where it ended with an error and said why.
    """

    host: str
    began_at: datetime
    duration_s: float
    status: int
    snapshot: str = ""
    restic: str = ""
    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    processed_bytes: int = 0
    added_bytes: int = 0
    errors: int = 0
    message: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether it made a snapshot of all that it was to read."""
        return self.status == 0

    @property
    def ended_at(self) -> datetime:
        """When it was known how it ended."""
        return self.began_at + timedelta(seconds=self.duration_s)


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a cycle that concerns all hosts: forget, prune, offsite, password."""

    name: str
    began_at: datetime
    duration_s: float
    status: int


@dataclass(frozen=True, slots=True)
class CycleRun:
    """One run of the coordinator's script.

    Attributes:
        status: none while its end has not been heard of.
        run: journald's invocation ID; empty where it is not known.
    """

    coordinator: str
    service: str
    began_at: datetime
    duration_s: float
    status: int | None
    backups: tuple[BackupRun, ...]
    stages: tuple[StageRun, ...]
    run: str = ""

    @property
    def ended_at(self) -> datetime:
        """When it ended, or was last heard of."""
        return self.began_at + timedelta(seconds=self.duration_s)
