"""A disk that may become full: one page is left then, and nothing of it afterwards."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from verifier.core.errors import CannotVerify
from verifier.fleet.disk import open_disk, unmount_below

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@ROOT_ONLY
def test_full_disk_has_room_for_a_lock_and_no_backup(tmp_path: Path) -> None:
    with open_disk(tmp_path) as disk:
        (tmp_path / "before").write_bytes(bytes(100_000))
        disk.fill()
        (tmp_path / "lock").write_bytes(bytes(200))
        with pytest.raises(OSError, match="No space left") as caught:
            (tmp_path / "pack").write_bytes(bytes(20_000))
        disk.free()
        (tmp_path / "pack").write_bytes(bytes(1_000_000))

    assert errno.ENOSPC == caught.value.errno
    assert [] == list(tmp_path.iterdir())


@ROOT_ONLY
def test_what_a_killed_run_left_mounted_is_unmounted(tmp_path: Path) -> None:
    inside = tmp_path / "fleet" / "repository"
    inside.mkdir(parents=True)
    with open_disk(inside):
        before = os.path.ismount(inside)
        only_ours = unmount_below(tmp_path)

    assert only_ours
    assert (True, False) == (before, os.path.ismount(inside))


def test_who_cannot_mount_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CannotVerify) as caught, open_disk(tmp_path / "none"):
        pass

    assert "a small disk cannot be mounted: " in caught.value.message
    assert "disk-full" == caught.value.subject


@ROOT_ONLY
def test_disk_of_somebody_else_is_left_alone_and_told(tmp_path: Path) -> None:
    """What deletes the folder afterwards must know of it."""
    theirs = tmp_path / "a folder"
    theirs.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "theirs", str(theirs)), check=True)
    try:
        only_ours = unmount_below(tmp_path)
        still = os.path.ismount(theirs)
    finally:
        subprocess.run(("umount", str(theirs)), check=True)

    assert (False, True) == (only_ours, still)
