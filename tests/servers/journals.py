"""Real journal files of another machine, written by systemd-journal-remote; no root is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from tests.servers.programs import find

BOOT = "0123456789abcdef0123456789abcdef"


def write_journal(folder: Path, entries: Iterable[Mapping[str, str]]) -> None:
    """Append entries to the journal of a folder, made where there is none."""
    program = find("systemd-journal-remote", package="systemd-journal-remote")
    folder.mkdir(exist_ok=True)
    # An empty line ends each.
    texts = ("".join(f"{name}={value}\n" for name, value in one.items()) + "\n" for one in entries)
    subprocess.run(
        [program, f"--output={folder}/system.journal", "-"],
        input="".join(texts),
        text=True,
        check=True,
        capture_output=True,
    )


def entry(at: datetime, text: str, *, unit: str = "run-backups", run: str = "") -> dict[str, str]:
    """Return a line that a unit printed, as journald keeps it."""
    return {
        **_stamp(at),
        "MESSAGE": text,
        "SYSLOG_IDENTIFIER": unit,
        "_SYSTEMD_UNIT": f"{unit}.service",
        **({"_SYSTEMD_INVOCATION_ID": run} if run else {}),
    }


def said_of(at: datetime, text: str, *, unit: str = "run-backups", run: str = "") -> dict[str, str]:
    """Return what systemd says of a unit."""
    return {
        **_stamp(at),
        "MESSAGE": text,
        "SYSLOG_IDENTIFIER": "systemd",
        "_SYSTEMD_UNIT": "init.scope",
        "_PID": "1",
        "UNIT": f"{unit}.service",
        **({"INVOCATION_ID": run} if run else {}),
    }


def _stamp(at: datetime) -> dict[str, str]:
    stamp = int(at.timestamp() * 1e6)
    return {
        "__REALTIME_TIMESTAMP": str(stamp),
        "__MONOTONIC_TIMESTAMP": str(stamp),
        "_BOOT_ID": BOOT,
        "_MACHINE_ID": BOOT,
        "_HOSTNAME": "some-machine",
    }
