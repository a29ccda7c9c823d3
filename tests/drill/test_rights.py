"""A drill without root's rights: what cannot be given back is no alarm, what is closed is said.

Goal: the same healthy backup is drilled by root and by somebody else; only the files that this
somebody may not read differ. Method: a child process gives its rights up and drills.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drill.lab import HOST, Lab, counts
from tests.drill.unprivileged import NOBODY, as_nobody

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make what others may not read or restore"
)


@pytest.fixture
def open_lab(restic_program: str, empty_repository: Path) -> Iterator[Lab]:
    """A laboratory that anybody may enter."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    shutil.copytree(empty_repository, root / "repository")
    (root / "live").mkdir()
    (root / "scratch").mkdir()
    yield Lab(root, restic_program)
    shutil.rmtree(root)


def fill(live: Path) -> None:
    """Make what takes rights to restore."""
    for name, mode in (("setuid", 0o6755), ("plain", 0o644), ("closed", 0o600)):
        (live / name).write_bytes(name.encode())
        (live / name).chmod(mode)
    os.chown(live / "plain", 1234, 4321)
    os.mknod(live / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.setxattr(live / "plain", "user.k", b"v")
    os.setxattr(live / "plain", "security.restic-verify", b"v")
    (live / "shut").mkdir(mode=0o700)
    (live / "shut/in").write_bytes(b"in")


def hand_over(*folders: Path) -> None:
    """Give folders to somebody else."""
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def test_what_takes_more_rights_is_skipped_and_what_is_closed_unreadable(open_lab: Lab) -> None:
    fill(open_lab.live)
    open_lab.backup()
    root = open_lab.drill()
    hand_over(open_lab.repository, open_lab.scratch)
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable

    def look() -> dict[str, Any]:
        found = open_lab.drill(open_lab.target(HOST, python=python))
        return {"kinds": open_lab.kinds(found), "skipped": dict(found.coverage.skipped)}

    other = as_nobody(look)

    assert root.findings == ()
    assert counts(root) == {"identical": 7}
    assert other["kinds"] == {p: "unreadable" for p in ("/closed", "/shut", "/shut/in")}
    assert other["skipped"].pop("owner as restored: it takes more rights") == 6
    assert other["skipped"] == {
        "device not restored: it takes more rights": 1,
        "extended attributes that take more rights to restore": 1,
        "unreadable": 3,
    }
