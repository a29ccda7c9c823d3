"""What a process that is killed outright leaves behind: none of its commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PARENT = """
import sys
from verifier.core.host import Command
from verifier.fleet.local import LocalHost

LocalHost(grace_s=0.2).run(Command(("sh", "-c", sys.argv[1])))
"""


def kill_during(script: str, started: Path) -> None:
    """Kill a process that runs a script as soon as that has made a file."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, script])
    while not started.exists():
        assert parent.poll() is None
        os.sched_yield()
    parent.kill()
    parent.wait()


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process that is no child of ours; nobody may be there to reap it."""
    state = "R"
    while state != "Z":
        os.sched_yield()
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return


@pytest.mark.parametrize("trap", ["", "trap '' INT; "])
def test_a_command_does_not_outlive_whom_it_was_run_for(tmp_path: Path, trap: str) -> None:
    started = tmp_path / "pid"
    kill_during(
        f"{trap}sleep 1000 & sleep 0.3; echo $$ > {started}.new; mv {started}.new {started}; wait",
        started,
    )

    wait_until_gone(int(started.read_text()))


def test_a_command_is_asked_to_tidy_up_first(tmp_path: Path) -> None:
    started, tidied = tmp_path / "started", tmp_path / "tidied"
    script = f"trap 'touch {tidied}; exit' INT; sleep 0.3; touch {started}; sleep 1000 & wait"
    kill_during(script, started)
    while not tidied.exists():
        os.sched_yield()


def test_a_process_that_ends_well_ends_its_lifeline_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    script = f"sleep 1000 > /dev/null 2>&1 & echo $! > {kept}"
    done = subprocess.run([sys.executable, "-c", PARENT, script], capture_output=True, check=False)
    left_behind = int(kept.read_text())

    assert (0, b"") == (done.returncode, done.stderr)
    assert Path(f"/proc/{left_behind}").exists()
    os.kill(left_behind, signal.SIGKILL)
