"""`restic-verify daemon` as a process: jobs, signals, `kill -9`, and what is remembered.

Goal: what a container needs of it. Method: the real command, in a mount namespace where the
coordinator's script is one of ours; a run that is long due is started at once, so nothing waits for
a time of day. Red where a job is lost, runs twice, outlives the daemon, or where the end is not 0.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from tests.cli.console import SCRIPT, environment, report, wait_for
from verifier.fleet.locked import is_held
from verifier.monitor.history.memory import open_history

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can put a script in its place"),
]

CONFIG = """
schema = 1
[repository]
location = "{folder}/repository"
password-file = "{folder}/password"
[coordinator]
name = "jak"
[schedule]
times = [{time}]
timezone = "UTC"
[retention]
keep-daily = 30
[jobs]
skip = ["monthly", "alert", "collect", "tidy"]
[history]
file = "{folder}/history.sqlite"
spool = "{folder}/spool"
[[hosts]]
name = "web1"
include = ["/etc"]
"""

QUICK = """#!/bin/sh
echo run >>{folder}/runs
echo 'Started run backups.'
echo 'backup host=web1 status=0 duration_s=2'
echo 'run status=0 duration_s=2'
echo 'Finished run backups.'
"""

SLOW = """#!/bin/bash
echo run >>{folder}/runs
echo 'Started run backups.'
echo 'backup host=web1 status=0 duration_s=2'
trap 'echo ended >>{folder}/ended; exit 143' TERM
sleep 60 & wait
"""


@dataclass
class Place:
    """A configuration, its history, and a script in the place of the coordinator's."""

    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def script(self, text: str) -> None:
        """Put a script in its place."""
        path = self.folder / "bin" / "run-backups"
        path.write_text(text.format(folder=self.folder))
        path.chmod(0o755)

    def configure(self, **changed: str) -> None:
        """Write the configuration."""
        values = {"folder": self.folder, "time": '"00:00"', **changed}
        (self.folder / "verify.toml").write_text(CONFIG.format(**values))

    def claim(self, ended: bool = True) -> None:
        """Remember a run of days ago, so that one is long due."""
        at = datetime(2024, 1, 1, tzinfo=UTC)
        stored = {"due": at.isoformat(), "ended": ended, "tries": 1}
        with open_history(self.folder / "history.sqlite") as history:
            history.set_cursor("daemon backups", json.dumps(stored))

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the daemon; what it says goes into a file."""
        words = " ".join(map(quote, (str(SCRIPT), "daemon", "--log-format=json", *options)))
        script = f"mount --bind {self.folder}/bin /usr/local/bin && exec {words}"
        argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
        with (self.folder / "said").open("ab") as said:
            process = subprocess.Popen(
                argv, cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=said
            )
        self.started.append(process)
        return process

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return what was told."""
        try:
            lines = (self.folder / "said").read_text().splitlines(keepends=True)
        except OSError:
            return []
        told = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in told if not names or event["event"] in names]

    def until(self, name: str, process: subprocess.Popen[bytes], times: int = 1) -> None:
        """Wait until an event was told so often."""
        wait_for(lambda: len(self.events(name)) >= times, process)

    @property
    def runs(self) -> int:
        """How often the script was started."""
        file = self.folder / "runs"
        return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place; what was started in it is ended."""
    (tmp_path / "bin").mkdir()
    found = Place(tmp_path)
    found.configure()
    found.claim()
    yield found
    for process in found.started:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    """Ask a daemon to end, and return its exit code."""
    process.send_signal(number)
    process.wait(60)
    return process.returncode


def test_a_missed_run_is_made_up_for_and_remembered(place: Place) -> None:
    place.script(QUICK)
    process = place.start("--json")
    place.until("ended", process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    found = report(out)

    assert (0, "OK", 1) == (
        process.returncode,
        found["verdict"],
        found["measurements"]["runs_started"],
    )
    (event,) = place.events("ended")
    assert ("backups", 0) == (event["job"], event["status"])
    with open_history(place.folder / "history.sqlite") as history:
        backup = history.last_backup("web1")
        assert backup is not None
        assert (0, 2.0) == (backup.status, backup.duration_s)
        assert 0 == (history.last_cycle() or pytest.fail("no cycle")).cycle.status
    assert not (place.folder / "daemon-backups.log").exists()


def test_a_run_is_not_made_up_for_twice(place: Place) -> None:
    place.script(QUICK)
    for times in (1, 2):
        process = place.start()
        place.until("running", process, times)
        wait_for(lambda: place.events("ended"), process)
        assert 0 == ended(process)

    assert 1 == place.runs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_runs_is_ended_with_the_daemon(place: Place, number: signal.Signals) -> None:
    place.script(SLOW)
    process = place.start()
    place.until("started", process)
    wait_for(lambda: place.runs, process)

    assert 0 == ended(process, number)
    assert "ended\n" == (place.folder / "ended").read_text()
    assert not is_held(place.folder / "daemon-backups.lock")
    assert ["stopping", "stopped", "stopped"] == [e["event"] for e in place.events()][-3:]
    place.script(QUICK)
    again = place.start()
    place.until("ended", again)
    assert 0 == ended(again)
    assert 2 == place.runs


def test_kill_9_loses_no_run_and_leaves_none_behind(place: Place) -> None:
    place.script(SLOW)
    process = place.start()
    wait_for(lambda: place.runs, process)
    process.kill()
    process.wait()
    place.script(QUICK)
    again = place.start()
    place.until("ended", again)

    assert 0 == ended(again)
    assert 2 == place.runs
    assert 1 == len(place.events("cut-off"))
    with open_history(place.folder / "history.sqlite") as history:
        cut, whole = history.cycles()
    # What the first one said before its end was not lost with it.
    assert [None, 0] == [cut.cycle.status, whole.cycle.status]
    assert ["web1"] == [backup.host for backup in cut.cycle.backups]


def test_two_daemons_do_not_run_a_job_twice(place: Place) -> None:
    place.script(SLOW)
    first, second = place.start(), place.start()
    wait_for(lambda: len(place.events("running")) == 2, first)
    wait_for(lambda: place.runs, first)

    assert (0, 0) == (ended(second), ended(first))
    assert 1 == place.runs


def test_a_new_configuration_is_taken_and_a_broken_one_is_not(place: Place) -> None:
    place.script(QUICK)
    process = place.start()
    place.until("ended", process)
    place.configure(time='"00:00", "24:00"')
    process.send_signal(signal.SIGHUP)
    place.until("not-reloaded", process)
    place.configure(time='"00:00", "12:00"')
    process.send_signal(signal.SIGHUP)
    place.until("reloaded", process)

    assert "24:00" in place.events("not-reloaded")[0]["why"]
    assert 0 == ended(process)


def test_what_fails_is_told_with_its_last_words(place: Place) -> None:
    place.script("#!/bin/sh\necho 'the disk is full' >&2\nexit 5\n")
    process = place.start()
    place.until("ended", process)

    (event,) = place.events("ended")
    assert (5, "the disk is full", "error") == (event["status"], event["detail"], event["level"])
    assert 0 == ended(process)


def test_a_broken_configuration_is_wrong_usage(place: Place) -> None:
    place.configure(time='"25:00"')
    process = place.start("--json")
    out, _ = process.communicate(timeout=60)

    assert (64, "UNKNOWN") == (process.returncode, report(out)["verdict"])
