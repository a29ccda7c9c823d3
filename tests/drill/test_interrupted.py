"""The command itself, stopped in the middle of a restore, by signals it can see and one it cannot.

Goal: nothing is left: no scratch, no restic, no lock. Method: the real command drills with a real
restic that is slowed down to a few KiB/s, and is signalled once its first folder is there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drill.lab import HOST, PASSWORD, Lab
from verifier.drill.scratch import PREFIX

CONFIG = """
schema = 1
[repository]
location = "{repository}"
restic = "{restic}"
[coordinator]
name = "jak"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[monthly]
scratch = "{scratch}"
[[hosts]]
name = "{host}"
address = "local"
include = ["{live}"]
exclude = {exclude}
"""


def configure(lab: Lab, restic: str, exclude: tuple[str, ...] = ()) -> Path:
    """Write the configuration."""
    file = lab.root / "verify.toml"
    text = CONFIG.format(
        repository=lab.repository,
        restic=restic,
        scratch=lab.scratch,
        host=HOST,
        live=lab.live,
        exclude=json.dumps(exclude),
    )
    file.write_text(text)
    return file


def command(lab: Lab, restic: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    line = [sys.executable, "-m", "verifier", "monthly", "--config", str(configure(lab, restic))]
    env = {"PATH": os.environ["PATH"], "RESTIC_PASSWORD": PASSWORD, "RESTIC_CACHE_DIR": "cache"}
    return subprocess.Popen(
        [*line, *arguments],
        env={**env, "PYTHONPATH": str(Path.cwd())},
        cwd=lab.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def slow(lab: Lab) -> str:
    """The real restic, slowed down."""
    program = lab.root / "slow-restic"
    program.write_text(f'#!/bin/sh\nexec {lab.program} --limit-download 60 "$@"\n')
    program.chmod(0o755)
    for number in range(20):
        lab.write(**{f"file{number}": os.urandom(600_000)})
    lab.backup()
    return str(program)


def wait_for_restore(lab: Lab, run: subprocess.Popen[bytes]) -> Path:
    """Wait until restic restores, folders first; return the scratch folder."""
    while not any(lab.scratch.glob(f"{PREFIX}*/restored/*")):
        assert run.poll() is None, run.communicate()
        os.sched_yield()
    (folder,) = lab.scratch.iterdir()
    return folder


def running(mark: str) -> list[int]:
    """Return the processes whose command line holds the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_behind(lab: Lab, slow: str, number: signal.Signals) -> None:
    run = command(lab, slow, "--json")
    wait_for_restore(lab, run)
    run.send_signal(number)
    stdout, _ = run.communicate()

    assert run.returncode == 128 + number
    assert [f["kind"] for f in json.loads(stdout)["findings"]] == ["interrupted"]
    assert list(lab.scratch.iterdir()) == []
    assert list((lab.repository / "locks").iterdir()) == []
    assert running(str(lab.repository)) == []


@pytest.mark.heavy
def test_what_a_killed_run_left_is_swept_by_the_next(lab: Lab, slow: str) -> None:
    run = command(lab, slow)
    folder = wait_for_restore(lab, run)
    run.kill()
    run.communicate()
    for orphan in running(str(lab.repository)):
        os.kill(orphan, signal.SIGTERM)
    while running(str(lab.repository)):
        os.sched_yield()

    assert folder.exists()

    done = command(lab, lab.program, "--json")
    stdout, stderr = done.communicate()

    assert done.returncode == 0, stderr
    assert json.loads(stdout)["verdict"] == "OK"
    assert list(lab.scratch.iterdir()) == []


@pytest.mark.heavy
def test_a_second_run_does_not_sweep_the_first(lab: Lab, slow: str) -> None:
    first = command(lab, slow)
    folder = wait_for_restore(lab, first)
    second = command(lab, lab.program)
    second.communicate()
    kept = folder.exists()
    first.terminate()
    first.communicate()

    assert second.returncode == 0
    assert kept
