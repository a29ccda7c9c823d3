"""A full disk is full while a command runs; before and afterwards nobody sees anything of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.simulate.faults_disk import FullDisk, check_mounts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "pack").write_bytes(b"x" * 10_000)
    (folder / "data" / "pack").chmod(0o400)
    return folder


def full(folder: Path) -> FullDisk:
    disk = FullDisk(LocalHost(), folder)
    disk.full = True
    return disk


def shell(folder: Path, line: str) -> Command:
    return Command(("sh", "-c", line), cwd=str(folder.parent))


def files(folder: Path) -> dict[str, tuple[int, int]]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.name: (path.stat().st_size, path.stat().st_mode & 0o777) for path in found}


def test_a_lock_fits_and_a_backup_does_not(folder: Path) -> None:
    line = "head -c 150 /dev/zero >repository/lock; head -c 9000 /dev/zero >repository/more"
    done = full(folder).run(shell(folder, line))

    assert "No space left on device" in done.last_lines()
    assert {"lock": (150, 0o644), "more": (0, 0o644), "pack": (10_000, 0o400)} == files(folder)


def test_what_is_deleted_there_is_gone_and_the_status_is_the_commands(folder: Path) -> None:
    done = full(folder).run(shell(folder, "rm -f repository/data/pack; exit 7"))

    assert (7, {}) == (done.status, files(folder))
    assert [folder] == list(folder.parent.iterdir())


def test_disk_that_is_not_full_is_the_machines_own(folder: Path) -> None:
    line = "head -c 9000 /dev/zero >repository/more"

    assert 0 == FullDisk(LocalHost(), folder).run(shell(folder, line)).status
    assert 9_000 == files(folder)["more"][0]


def test_no_mount_is_left_by_a_command_that_is_ended(folder: Path) -> None:
    with pytest.raises(CannotVerify):
        full(folder).run(shell(folder, ">repository/there; sleep 60"), timeout_s=1)

    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert ["pack"] == list(files(folder))


class _Confined(LocalHost):
    """A host whose commands may not mount anything, as in most containers."""

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        none = 'echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$@"'
        confined = ("unshare", "--map-root-user", "sh", "-c", none, "sh")
        return super().run(replace(command, argv=(*confined, *command.argv)), timeout_s=timeout_s)


def test_who_may_not_mount_is_told_so(folder: Path) -> None:
    check_mounts(LocalHost(), folder)
    with pytest.raises(CannotVerify) as caught:
        check_mounts(_Confined(), folder)

    assert "a full disk cannot be mounted here: unshare" in str(caught.value)
