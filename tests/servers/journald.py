"""A real systemd-journald beside the machine's own, in a namespace of its own; needs root.

`from tests.servers.journald import journald` in a conftest or a test module gives the fixture.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.programs import find, running


@dataclass(frozen=True)
class Journald:
    """Where it listens, and the namespace by which `journalctl --namespace` knows it."""

    namespace: str
    socket: Path

    def entries(self, *matches: str) -> list[dict[str, Any]]:
        """Return its entries, oldest first: every field, however long.

        Args:
            matches: as `journalctl` takes them: `SYSLOG_IDENTIFIER=restic-verify`.
        """
        self.sync()
        told = subprocess.run(
            ("journalctl", f"--namespace={self.namespace}", "--all", "-o", "json", *matches),
            check=True,
            capture_output=True,
            text=True,
        )
        return [json.loads(line) for line in told.stdout.splitlines()]

    def sync(self) -> None:
        """Wait until what was sent has been written."""
        argv = ("journalctl", f"--namespace={self.namespace}", "--sync", "--quiet")
        subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    """Run one with an empty journal; it and its journal go with the test."""
    if os.geteuid() != 0:
        pytest.skip("a journald of one's own needs root")
    program = find("systemd-journald", package="systemd")
    namespace = f"restic-verify-{os.getpid()}"
    folder = Path(f"/run/systemd/journal.{namespace}")
    server = Journald(namespace, folder / "socket")
    try:
        with running((program, namespace), server.socket.exists, tmp_path / "journald.log"):
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for logs in (Path("/var/log/journal"), Path("/run/log/journal")):
            for left in logs.glob(f"*.{namespace}"):
                shutil.rmtree(left)
