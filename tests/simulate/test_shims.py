"""What stands in the way of a cycle's commands does no more than it says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.simulate.lab import program
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.simulate import timeline

SHIMS = Path(timeline.__file__).parent / "shims"
SEND = ("-p", "50000", "-o", "BatchMode=yes", "-o", "SendEnv=RESTIC_PASSWORD")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a simulation of one host, whose script tells its environment and its folder."""
    for name in ("bin", "down", "time", "zone", "hosts/web1/usr/local/bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("ssh", "restic"):
        shutil.copy(SHIMS / f"{name}.sh", tmp_path / "bin" / name)
        (tmp_path / "bin" / name).chmod(0o755)
    program(tmp_path / "hosts/web1/usr/local/bin", "backup-restic", "env -0; pwd")
    program(tmp_path / "bin", "real-restic", 'printf "%s\\n" "TZ=${TZ-}" "$@"')
    (tmp_path / "time" / "web1").write_text("2024-01-01 04:00:00\n")
    return tmp_path


def call(folder: Path, *argv: str, **env: str) -> Completed:
    base = {"SIMULATION": str(folder), "TZ": "Europe/Berlin", "RESTIC_PASSWORD": "secret"}
    return LocalHost().run(Command((f"{folder}/bin/{argv[0]}", *argv[1:]), env={**base, **env}))


def environment(done: Completed) -> dict[str, str]:
    pairs = (line.partition("=") for line in done.stdout.decode().split("\0")[:-1])
    # What bash sets by itself.
    return {name: value for name, _, value in pairs if name not in {"PWD", "SHLVL", "_"}}


def test_ssh_passes_the_password_and_nothing_else_of_the_caller(folder: Path) -> None:
    target = "restic@web1.simulated"
    done = call(folder, "ssh", *SEND, target, "/usr/local/bin/backup-restic", AWS_SECRET_KEY="x")
    known = {"PATH", "HOME", "TZ", "RESTIC_CACHE_DIR", "SIMULATION", "SIMULATED_HOST"}

    assert known | {"RESTIC_PASSWORD"} == environment(done).keys()
    assert "secret" == environment(done)["RESTIC_PASSWORD"]
    assert done.stdout.decode().endswith(f"{folder}/hosts/web1\n")


def test_programs_of_the_host_come_before_those_of_all(folder: Path) -> None:
    (folder / "hosts/web1/bin").mkdir()
    program(folder / "hosts/web1/usr/local/bin", "backup-restic", "restic version")
    program(folder / "hosts/web1/bin", "restic", "echo its own")
    path = f"{folder}/bin:/usr/bin:/bin"
    done = call(folder, "ssh", "restic@web1.simulated", "/usr/local/bin/backup-restic", PATH=path)

    assert b"its own\n" == done.stdout


def test_ssh_that_is_not_told_to_send_the_password_does_not(folder: Path) -> None:
    done = call(
        folder, "ssh", "-p", "50000", "restic@web1.simulated", "/usr/local/bin/backup-restic"
    )

    assert 0 == done.status
    assert "" == environment(done)["RESTIC_PASSWORD"]


def test_ssh_reaches_no_host_that_is_down_or_unknown(folder: Path) -> None:
    (folder / "down" / "web1").touch()
    down = call(folder, "ssh", *SEND, "restic@web1.simulated", "/usr/local/bin/backup-restic")
    unknown = call(folder, "ssh", *SEND, "restic@db1.simulated", "/usr/local/bin/backup-restic")

    assert (255, 255) == (down.status, unknown.status)
    assert b"" == down.stdout + unknown.stdout


def test_restic_dates_backups_of_a_host_and_nothing_else(folder: Path) -> None:
    backup = call(folder, "restic", "backup", "-q", "--", "/srv dir", SIMULATED_HOST="web1")
    dated = ["backup", "--time=2024-01-01 04:00:00", "-q", "--", "/srv dir"]

    assert [f"TZ={folder}/zone/web1", *dated] == backup.stdout.decode().splitlines()
    for argv, env in ((("forget", "-q"), {"SIMULATED_HOST": "web1"}), (("backup", "/srv"), {})):
        plain = call(folder, "restic", *argv, **env)
        assert ["TZ=Europe/Berlin", *argv] == plain.stdout.decode().splitlines()
