"""Scratch space: private, swept, removed however it ends, and refused where it does not fit."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
from pathlib import Path

import pytest

from tests.drill.unprivileged import as_nobody
from verifier.core.errors import CannotVerify, Interrupted, NoSpace
from verifier.core.host import Command
from verifier.drill.scratch import PREFIX, remove, require_space, rights, scratch, sweep
from verifier.fleet.local import LocalHost


def spread(folder: Path) -> None:
    """Make what is hard to remove."""
    (folder / "closed/deeper").mkdir(parents=True)
    (folder / "closed/deeper/file").write_bytes(b"x")
    (folder / "closed/deeper").chmod(0)
    (folder / "closed").chmod(0)
    (folder / "link").symlink_to("/")
    os.mkfifo(folder / "pipe", 0)
    Path(os.fsdecode(bytes(folder) + b"/\xff\n")).touch(0)


def test_a_scratch_folder_is_private_and_goes(tmp_path: Path) -> None:
    with scratch(tmp_path / "new/base") as folder:
        spread(folder)
        mode = stat.S_IMODE(folder.stat().st_mode)

        assert mode == 0o700
        assert folder.name.startswith(PREFIX)

    assert list((tmp_path / "new/base").iterdir()) == []


def test_modes_do_not_keep_it_from_its_owner() -> None:
    base = Path(tempfile.mkdtemp())
    base.chmod(0o777)

    def fill_and_leave() -> list[str]:
        with scratch(base) as folder:
            spread(folder)
        return os.listdir(base)  # noqa: PTH208 - names are what travels

    assert as_nobody(fill_and_leave) == []
    base.rmdir()


@pytest.mark.parametrize("error", [Interrupted(15, "SIGTERM"), KeyboardInterrupt(), MemoryError()])
def test_a_scratch_folder_goes_whatever_happens(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        with scratch(tmp_path) as folder:
            spread(folder)
            raise error

    with pytest.raises(type(error)):
        fail()

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_removal_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rmtree, signals = shutil.rmtree, iter([Interrupted(15, "SIGTERM")])

    def interrupt_once(path: Path) -> None:
        for interrupted in signals:
            raise interrupted
        rmtree(path)

    monkeypatch.setattr("shutil.rmtree", interrupt_once)
    with pytest.raises(Interrupted), scratch(tmp_path) as folder:
        spread(folder)

    assert not (folder / "closed").exists()
    assert sweep(tmp_path) == (folder,)


def test_leftovers_of_killed_runs_are_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (f"{PREFIX}killed", f"{PREFIX}bare", "foreign", f"{PREFIX}unlocked"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{PREFIX}killed/lock").touch()
    spread(tmp_path / f"{PREFIX}killed")
    (tmp_path / f"{PREFIX}unlocked/kept").touch()
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "foreign")
    (tmp_path / "foreign/kept").touch()
    with scratch(tmp_path / ".") as used:
        swept = sweep(tmp_path)

        assert swept == ()
        assert used.exists()
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
            [used.name, "foreign", f"{PREFIX}file", f"{PREFIX}link", f"{PREFIX}unlocked"]
        )

    assert (tmp_path / "foreign/kept").exists()


def test_a_folder_in_use_by_another_process_is_not_swept(tmp_path: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with scratch(tmp_path):
            os.write(write, b"x")
            signal.pause()
    os.read(read, 1)
    in_use = sweep(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    assert in_use == ()
    assert len(sweep(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")


def test_a_place_that_holds_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(CannotVerify, match="no scratch folder can be made"),
        scratch(tmp_path / "file"),
    ):
        pass


def test_a_restore_that_does_not_fit_is_refused_with_both_figures(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize
    require_space(tmp_path, 1000, 10, budget_bytes=free)

    with pytest.raises(NoSpace, match=r"needs .* and .* are free"):
        require_space(tmp_path, free, 10, budget_bytes=1 << 62)
    with pytest.raises(NoSpace, match=r"needs .* and .* are allowed"):
        require_space(tmp_path, 1000, 10, budget_bytes=1000)


def test_every_entry_is_given_a_block(tmp_path: Path) -> None:
    with pytest.raises(NoSpace, match="are allowed"):
        require_space(tmp_path, 0, 1000, budget_bytes=1000 * 512 - 1)


def test_rights_are_found_by_trying(tmp_path: Path) -> None:
    found = rights(tmp_path)

    assert "user" in found.namespaces
    assert found.owner == (os.geteuid() == 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_disk_without_inodes_is_too_small(tmp_path: Path) -> None:
    host = LocalHost()
    mount = ("mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=20", "none", str(tmp_path))

    assert host.run(Command(mount)).status == 0
    try:
        require_space(tmp_path, 0, 5, budget_bytes=1 << 40)
        with pytest.raises(NoSpace, match="inodes"):
            require_space(tmp_path, 0, 50, budget_bytes=1 << 40)
    finally:
        host.run(Command(("umount", str(tmp_path))))
