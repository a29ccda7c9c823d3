"""A program under a lock: never twice at once, and free with the end of all that it started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from verifier.core.host import Command
from verifier.fleet.local import LocalHost
from verifier.fleet.locked import HELD, is_held, locked, was_held


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock that nobody has."""
    return tmp_path / "job.lock"


def test_a_program_runs_as_without_a_lock(lock: Path) -> None:
    script = 'echo "$1"; echo >&2 to nobody; exit 7'
    done = LocalHost().run(Command(locked(lock, ("sh", "-c", script, "sh", "a b"))))

    assert (7, b"a b\n", b"to nobody\n") == (done.status, done.stdout, done.stderr)
    assert not is_held(lock)


def test_a_program_that_is_not_there_is_said(lock: Path) -> None:
    done = LocalHost().run(Command(locked(lock, ("/no/such/program",))))

    assert (127, b"/no/such/program: No such file or directory\n") == (done.status, done.stderr)


def test_another_one_is_not_started_meanwhile(lock: Path) -> None:
    with subprocess.Popen(
        locked(lock, ("cat",)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write(b"x")
        cat.stdin.flush()
        assert b"x" == cat.stdout.read(1), "it has the lock, and runs"
        done = LocalHost().run(Command(locked(lock, ("echo", "twice"))))

        assert (HELD, b"") == (done.status, done.stdout)
        assert was_held(done.status, done.stderr)
        assert is_held(lock)
        cat.stdin.close()
    assert not is_held(lock)


def test_what_a_program_leaves_behind_keeps_the_lock(lock: Path) -> None:
    script = "sleep 60 >/dev/null 2>&1 & echo $!"
    with subprocess.Popen(locked(lock, ("sh", "-c", script)), stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        child = int(left.stdout.readline())
    assert is_held(lock)
    subprocess.run(("kill", "-9", str(child)), check=True)
    while is_held(lock):
        assert Path(f"/proc/{child}").exists()


def test_its_own_75_is_not_taken_for_the_locks(lock: Path) -> None:
    done = LocalHost().run(Command(locked(lock, (sys.executable, "-c", "raise SystemExit(75)"))))

    assert HELD == done.status
    assert not was_held(done.status, done.stderr)
