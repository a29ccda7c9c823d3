"""The command itself, stopped in the middle of a restore, by signals it can see and one it cannot.

Goal: nothing is left: no scratch, no restic, no lock. Method: the real command drills with a real
restic that is slowed down to a few KiB/s, and is signalled once its first folder is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
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
[history]
file = "{ledger}.history"
[monthly]
scratch = "{scratch}"
ledger = "{ledger}"
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
        ledger=lab.ledger,
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
    while not any(lab.scratch.glob(f"{PREFIX}*/rehearsed/*")):
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
    while running(str(lab.root)):
        os.sched_yield()

    assert list((lab.repository / "locks").iterdir()) == []

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
    second = command(lab, lab.program, "--ledger", str(lab.root / "another"))
    second.communicate()
    kept = folder.exists()
    first.terminate()
    first.communicate()

    assert second.returncode == 0
    assert kept


@pytest.mark.heavy
def test_two_runs_on_one_ledger_take_turns(lab: Lab, slow: str) -> None:
    first = command(lab, slow)
    wait_for_restore(lab, first)
    second = command(lab, lab.program, "--json")
    stdout, _ = second.communicate()
    first.terminate()
    first.communicate()

    assert 3 == second.returncode
    assert str(first.pid) in json.loads(stdout)["error"]["message"]


def unfinished(lab: Lab) -> int:
    """Return how many runs in the ledger were begun and not finished."""
    with contextlib.closing(sqlite3.connect(lab.ledger)) as connection:
        query = "SELECT count(*) FROM runs WHERE finished_at IS NULL"
        (count,) = connection.execute(query).fetchone()
        return int(count)


@pytest.mark.heavy
def test_a_run_that_is_killed_anywhere_is_taken_up_and_ends_as_if_nothing_had_been(
    lab: Lab,
) -> None:
    """Killed later and later until one run gets through: at every stage, and often in none."""
    for number in range(6):
        lab.write(**{f"dir{number}__file": os.urandom(400_000)})
        lab.backup()
    (lab.live / "dir0/file").write_bytes(b"changed")
    allowed_s = 0.2
    kills = 0
    while True:
        run = command(lab, lab.program, "--json")
        try:
            stdout, stderr = run.communicate(timeout=allowed_s)
            break
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            kills += 1
            allowed_s += 0.1
    report = json.loads(stdout)
    (host,) = report["drill"]["hosts"]

    assert 0 == run.returncode, stderr
    assert kills
    # A run that was killed between its end and its last word is followed by another; any other is
    # taken up.
    assert 0 == unfinished(lab)
    assert {"changed": 1, "identical": 12} == host["counts"]
    assert report["drill"]["repository"]["packs_read"] == report["drill"]["repository"]["packs"]
    assert [6] == [one["files"] for one in report["drill"]["rehearsals"]]
    assert "audit" in report
    assert [] == list(lab.scratch.iterdir())
    while running(str(lab.root)):
        os.sched_yield()
    assert [] == list((lab.repository / "locks").iterdir())
