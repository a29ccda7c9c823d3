"""The folders that commands make for themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from verifier.cli.folders import work_folder
from verifier.drill.scratch import scratch


def test_drill_beside_a_simulation_leaves_its_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in one temporary folder; seen red with the drill's own prefix for both."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with work_folder() as work, scratch(tmp_path):
        assert work.is_dir()


KILLED = """\
import os, signal
from verifier.cli.folders import work_folder
with work_folder() as work:
    (work / "repository").mkdir()
    print(work, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_command_left_is_swept_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is at work keeps its own; seen red without the sweep, and without the lock."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, check=False
    )
    left = Path(done.stdout.strip())
    assert (left / "repository").is_dir()

    with work_folder() as first, work_folder() as second:
        assert not left.exists()
        assert first.is_dir()
        assert second.is_dir()


KILLED_WITH_A_DISK = """\
import os, signal, subprocess, sys
from verifier.cli.folders import work_folder
from verifier.fleet.disk import open_disk
with work_folder() as work:
    (work / "repository").mkdir()
    if sys.argv[1] == "ours":
        disk = open_disk(work / "repository")
        disk.__enter__()
    else:
        mount = "mount", "-t", "tmpfs", "somebody's", str(work / "repository")
        subprocess.run(mount, check=True)
    (work / "repository" / "pack").touch()
    print(work, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("name", ["tmp", "a folder of my own"])
@pytest.mark.parametrize("whose", ["ours", "another's"])
def test_disk_that_a_killed_command_left_goes_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str, name: str
) -> None:
    """What somebody else has mounted there is left as it is."""
    base = tmp_path / name
    base.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    monkeypatch.setenv("TMPDIR", str(base))
    argv = [sys.executable, "-c", KILLED_WITH_A_DISK, whose]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    disk = Path(done.stdout.strip()) / "repository"
    try:
        before = os.path.ismount(disk)
        with work_folder():
            after = os.path.ismount(disk), (disk / "pack").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=False, capture_output=True)

    assert before
    assert (whose != "ours",) * 2 == after
    assert (whose != "ours") == disk.exists()
