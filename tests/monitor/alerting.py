"""What the tests of alerts share: a configuration, runs of the coordinator, and their lines."""

from __future__ import annotations

from datetime import datetime, timedelta

from verifier.config.load import parse
from verifier.config.models import Config
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine

COORDINATOR, SERVICE = "jak", "run-backups"

TEXT = """\
schema = 1
[repository]
location = "/mnt/storage/restic"
password-file = "/mnt/keys/restic/password"
[coordinator]
name = "jak"
[schedule]
times = ["04:00"]
timezone = "America/Los_Angeles"
[retention]
keep-daily = 30
[[hosts]]
name = "web1"
include = ["/srv"]
[[hosts]]
name = "db1"
include = ["/srv"]
"""

TAKES = timedelta(minutes=10)


def configured(more: str = "") -> Config:
    """Return a configuration of two hosts that are backed up at 04:00, with further tables."""
    return parse(TEXT + more, "verify.toml", {})


CONFIG = configured()


def lines(begun: datetime, *texts: tuple[int, str]) -> tuple[LogLine, ...]:
    """Return lines of the coordinator, so many seconds after its beginning."""
    return tuple(
        LogLine(begun + timedelta(seconds=after), COORDINATOR, SERVICE, text)
        for after, text in texts
    )


def good_lines(
    begun: datetime, hosts: tuple[str, ...] = ("web1", "db1"), takes: timedelta = TAKES
) -> tuple[LogLine, ...]:
    """Return what a run prints in which every host is backed up, one after the other."""
    each = int(takes.total_seconds())
    said = [(0, "Started run backups.")]
    for turn, host in enumerate(hosts, start=1):
        summary = (
            '{"message_type":"summary","files_new":1,"files_changed":2,"files_unmodified":3,'
            '"data_added":1024,"total_bytes_processed":4096,"total_duration":1.5,'
            f'"snapshot_id":"{turn:x}099a2b0"}}'
        )
        said += [(turn * each, summary)]
        said += [(turn * each, f"backup host={host} status=0 duration_s={each}")]
    end = len(hosts) * each
    said += [(end, f"run status=0 duration_s={end}"), (end, "Finished run backups.")]
    return lines(begun, *said)


def locked_lines(begun: datetime) -> tuple[LogLine, ...]:
    """Return what a run prints that finds the password's data set locked."""
    return lines(
        begun,
        (0, "Started run backups."),
        (0, "The password file is not there: is its data set still locked?"),
        (0, "password status=3 reason=key-file-absent"),
        (0, "run status=3 duration_s=0"),
        (0, "Failed run backups."),
    )


def backup(
    host: str, at: datetime, takes: timedelta = TAKES, status: int = 0, message: str = ""
) -> BackupRun:
    """Return a backup."""
    snapshot = "2099a2b0" if status == 0 else ""
    return BackupRun(host, at, takes.total_seconds(), status, snapshot, message=message)


def cycle(at: datetime, *backups: BackupRun, status: int | None = 0) -> CycleRun:
    """Return a run of these backups."""
    ended = max([at, *(one.ended_at for one in backups)])
    duration_s = (ended - at).total_seconds()
    return CycleRun(COORDINATOR, SERVICE, at, duration_s, status, backups, ())
