"""A rehearsal without root's rights: what cannot be given back is counted, and is no alarm.

Goal: the same healthy backup is rehearsed by root and by somebody else. Method: a child process
gives its rights up and rehearses.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drill.stage import Stage, new_stage
from tests.drill.unprivileged import NOBODY, as_nobody

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what others may not restore"),
]


@pytest.fixture
def open_stage(restic_program: str) -> Iterator[Stage]:
    """A stage that anybody may enter."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    stage = new_stage(root, restic_program)
    stage.scratch.mkdir()
    yield stage
    shutil.rmtree(root)


def fill(live: Path) -> None:
    """Make what takes rights to restore, and what takes some to look at afterwards."""
    for name, mode in (("setuid", 0o6755), ("plain", 0o644), ("closed", 0)):
        (live / name).write_bytes(name.encode())
        (live / name).chmod(mode)
    os.chown(live / "plain", 1234, 4321)
    os.mknod(live / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.setxattr(live / "plain", "user.k", b"v")
    os.setxattr(live / "plain", "security.restic-verify", b"v")
    (live / "shut").mkdir(mode=0o500)


def hand_over(*folders: Path) -> None:
    """Give folders to somebody else."""
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def test_what_takes_more_rights_is_counted_and_no_alarm(open_stage: Stage) -> None:
    fill(open_stage.live)
    open_stage.backup()
    root = open_stage.rehearse()
    hand_over(open_stage.repository, open_stage.scratch)

    def look() -> dict[str, Any]:
        found = open_stage.rehearse()
        return {"kinds": open_stage.kinds(found), "skipped": dict(found.skipped)}

    other = as_nobody(look)

    assert () == root.findings
    assert {"identical": 5} == root.section["counts"]
    assert {} == dict(root.skipped)
    assert {} == other["kinds"]
    assert {
        "device not restored: it takes more rights": 1,
        "extended attributes that take more rights to restore": 1,
        "owner as restored: it takes more rights": 4,
    } == other["skipped"]
