"""`restic-verify doctor` as a user runs it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.console import SCRIPT, environment, report, run
from tests.clock.lab import forbid_ptrace
from tests.cycle.test_render import changed, one_host
from verifier.cli.doctor_subjects import grant
from verifier.drill.checkup.room import Place, ask_room

PASSWORD = "the password of this repository"
CONFIG = """
schema = 1
[repository]
location = "{folder}/repository"
password-file = "{folder}/password"
[coordinator]
name = "jak"
user = "{user}"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[monthly]
scratch = "{folder}/scratch"
scratch-budget = "1MiB"
ledger = "{folder}/ledger.sqlite"
workers = 1
[history]
file = "{folder}/history.sqlite"
spool = "{folder}/spool"
[[hosts]]
name = "web1"
address = "127.0.0.1"
port = {port}
include = ["/etc"]
[[hosts]]
name = "db1"
address = "local"
include = ["/etc"]
"""


@pytest.fixture
def folder(tmp_path: Path, restic_program: str) -> Path:
    """A repository, its password and a configuration; nobody listens where its host is to be."""
    (tmp_path / "password").write_text(PASSWORD)
    made = (restic_program, "-q", "-r", str(tmp_path / "repository"), "init")
    subprocess.run(made, env={**os.environ, "RESTIC_PASSWORD": PASSWORD}, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = subprocess.run(("id", "-un"), check=True, capture_output=True, text=True).stdout.strip()
    text = CONFIG.format(folder=tmp_path, port=port, user=user)
    (tmp_path / "verify.toml").write_text(text)
    return tmp_path


@pytest.mark.heavy
def test_everything_is_asked_and_said_with_its_remedy(folder: Path) -> None:
    done = run("doctor", cwd=folder)
    lines = done.stdout.decode().splitlines()
    at = next(n for n, line in enumerate(lines) if "✗ line" in line)

    assert (2, b"") == (done.returncode, done.stderr)
    assert lines[0].startswith("CRITICAL: unprepared ")
    assert "→ start sshd there" in "".join(lines[at : at + 4])
    assert sum("not asked until `line` is well" in line for line in lines) == 1
    assert PASSWORD not in done.stdout.decode()
    assert "\x1b[" not in done.stdout.decode()


@pytest.mark.heavy
def test_one_host_alone_is_asked_and_told_as_json(folder: Path) -> None:
    done = run("doctor", "--host", "db1", "--json", cwd=folder)
    found = report(done.stdout)
    checks = {check["name"]: check["status"] for check in found["checks"]}

    assert {"host db1"} == {check["subject"] for check in found["checks"]}
    assert ("failed", "ok") == (checks["backup-restic"], checks["repository"])
    assert "unprepared" in {finding["kind"] for finding in found["findings"]}
    assert 2 == done.returncode


@pytest.mark.heavy
def test_a_terminal_without_these_signs_is_given_words(folder: Path) -> None:
    env = environment(PYTHONIOENCODING="ascii")
    done = run("doctor", "--host", "db1", cwd=folder, env=env)
    text = done.stdout.decode("ascii")

    assert "[XX] backup-restic" in text
    assert "-> install" in text
    assert "\\u" not in text


@pytest.mark.heavy
def test_without_a_configuration_the_machine_is_asked(tmp_path: Path) -> None:
    done = run("doctor", "--json", cwd=tmp_path, env=environment(RESTIC_REPOSITORY=None))
    found = report(done.stdout)

    assert {"this machine", "programs", "repository"} == {c["subject"] for c in found["checks"]}
    assert [] == [f for f in found["findings"] if f["kind"] == "unprepared"]
    assert 64 == run("doctor", "--host", "web1", cwd=tmp_path).returncode


def programs(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    """Return the status of each check by its name."""
    return {check["name"]: check["status"] for check in report(done.stdout)["checks"]}


@pytest.mark.heavy
def test_what_this_machine_permits_is_found_out(tmp_path: Path) -> None:
    """Docker as `docker info` says, and the clock of programs where ptrace is forbidden, too."""
    docker = subprocess.run(("docker", "info"), check=False, capture_output=True).returncode == 0
    argv = (SCRIPT, "doctor", "--json")
    free = subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True)
    bound = subprocess.run(
        argv,
        cwd=tmp_path,
        check=False,
        capture_output=True,
        preexec_fn=forbid_ptrace,
    )

    assert docker is (programs(free)["docker"] == "ok")
    assert ("ok", "warning") == (
        programs(free)["clock of programs"],
        programs(bound)["clock of programs"],
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_has_failed(full_disk: Callable[[str], Path]) -> None:
    folder = full_disk("2m")
    place = Place("history", folder, 1 << 20, "what it may grow by")

    assert "ok" == ask_room(place).status
    (folder / "fill").write_bytes(bytes((1 << 20) + 4096))
    assert ("failed", True) == (ask_room(place).status, "full" in ask_room(place).saw)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, "file"),
        ({"capability": "ambient"}, "permit"),
        ({"capability": "ambient", "address": "local"}, "unit"),
        # Nothing is rendered that root would have to be permitted.
        ({"capability": "ambient", "user": "root"}, "file"),
    ],
)
def test_right_is_asked_about_where_it_comes_from(table: dict[str, str], expected: str) -> None:
    (host,) = changed(hosts=one_host(**table)).hosts

    assert expected == grant(host)
