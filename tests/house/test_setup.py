"""The set-up is silent when nothing is to do, and says in one sentence what it cannot do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT


def _setup(env: dict[str, str] | None = None, *words: str) -> tuple[int, str]:
    ended = subprocess.run(
        [ROOT / "ci" / "setup", *words], env=env, check=False, capture_output=True, text=True
    )
    assert ended.stdout == "", "standard output belongs to the command that set up"
    return ended.returncode, ended.stderr


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder of programs, as an unprivileged user has them: neither restic nor rclone."""
    for name in ("bash", "env", "dirname", "cat", "sha256sum", "cut"):
        program = shutil.which(name)
        assert program is not None
        (tmp_path / name).symlink_to(program)
    _put(tmp_path, "id", "echo 1000")
    return tmp_path


def _put(folder: Path, name: str, line: str) -> None:
    (folder / name).write_text(f"#!/usr/bin/env bash\n{line}\n")
    (folder / name).chmod(0o755)


def test_set_up_tree_is_left_alone() -> None:
    assert (0, "") == _setup()


def test_missing_restic_is_said_in_one_sentence(path: Path) -> None:
    status, said = _setup({"PATH": str(path)})

    assert 3 == status
    assert 1 == len(said.splitlines())
    assert "restic is missing: install the package restic" in said


def test_missing_rclone_is_said_and_stops_nothing(path: Path) -> None:
    _put(path, "restic", "")
    status, said = _setup({"PATH": str(path)})

    assert 0 == status
    assert 1 == len(said.splitlines())
    assert "rclone is missing" in said


def test_any_restic_on_the_path_serves(path: Path) -> None:
    for name in ("restic", "rclone"):
        _put(path, name, "")

    assert (0, "") == _setup({"PATH": str(path)})


@pytest.mark.parametrize(
    ("engine", "said"), [("exit 0", "install the package mmdebstrap"), ("exit 1", "")]
)
def test_builder_of_images_is_asked_for_where_an_engine_is(
    path: Path, engine: str, said: str
) -> None:
    for name in ("restic", "rclone"):
        _put(path, name, "")
    _put(path, "docker", engine)
    told = {words: _setup({"PATH": str(path)}, *words) for words in ((), ("fleet",))}

    assert (0, "") == told[()]
    assert (0, bool(said)) == (told[("fleet",)][0], bool(told[("fleet",)][1]))
    assert said in told[("fleet",)][1]


def test_builder_is_installed_by_root_alone(path: Path, tmp_path: Path) -> None:
    for name in ("restic", "rclone", "docker"):
        _put(path, name, "")
    _put(path, "id", "echo 0")
    _put(path, "apt-get", f'echo "$@" >>{tmp_path}/asked')
    status, _ = _setup({"PATH": str(path)}, "fleet")

    assert 0 == status
    assert "mmdebstrap" == (tmp_path / "asked").read_text().split()[-1]
