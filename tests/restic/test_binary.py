"""The program itself: recorded failures of three releases, and the restic of this machine."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from verifier.core.errors import (
    CannotVerify,
    NoRepository,
    NoSpace,
    RepositoryLocked,
    ResticFailed,
    ToolMissing,
    WrongPassword,
)
from verifier.core.host import Command, Completed, without_stacks
from verifier.core.policy import Policy
from verifier.fleet.local import CLEAN_ENV, LocalHost
from verifier.restic import binary
from verifier.restic.binary import Restic, Writer
from verifier.restic.commands import Access, Filter

CASES = Path(__file__).parents[1] / "cases" / "restic"
RELEASES = ("0.14.0", "0.18.0", "0.19.1")
SECRET = "correct horse"
ACCESS = Access("/repo", password=SECRET)

every_release = pytest.mark.parametrize("release", RELEASES)
real_restic = pytest.mark.skipif(shutil.which("restic") is None, reason="needs restic on PATH")


class Replay:
    """A host on which restic says what it once said."""

    name = "replay"

    def __init__(self, status: int, stdout: bytes = b"", stderr: bytes = b"") -> None:
        self._done = Completed(status, stdout, stderr, 0.1)

    @classmethod
    def of(cls, release: str, name: str) -> Replay:
        """Replay a recorded case."""
        case: dict[str, Any] = json.loads((CASES / release / f"{name}.json").read_text("utf-8"))
        return cls(case["status"], case["stdout"].encode(), case["stderr"].encode())

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Answer any command."""
        return self._done


@every_release
@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("snapshots-norepo", NoRepository, "Is there a repository"),
        ("wrong-password", WrongPassword, "wrong password or no key found"),
        ("locked", RepositoryLocked, "already locked by PID"),
        ("wrong-flag", ResticFailed, "invalid syntax"),
        ("backup-all-missing", ResticFailed, "files do not exist"),
        ("disk-full", NoSpace, "There were 2 errors"),
        ("disk-full-init", NoSpace, "no space left on device"),
    ],
)
def test_a_failure_is_the_same_error_in_every_release(
    release: str, name: str, error: type[CannotVerify], sentence: str
) -> None:
    with pytest.raises(CannotVerify) as caught:
        binary.run(Replay.of(release, name), Command(("restic", name)))

    assert error is type(caught.value)
    assert f"restic {name}" in caught.value.message
    assert caught.value.remedy
    if name != "locked":
        assert sentence in caught.value.message


@every_release
def test_success_is_no_error(release: str) -> None:
    assert 0 == binary.run(Replay.of(release, "snapshots"), Command(("restic",))).status


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (10, NoRepository),
        (11, RepositoryLocked),
        (12, WrongPassword),
        (1, ResticFailed),
        (-9, ResticFailed),
    ],
)
def test_the_exit_status_alone_names_the_error(status: int, error: type[CannotVerify]) -> None:
    with pytest.raises(CannotVerify) as caught:
        binary.run(Replay(status), Command(("restic",)))

    assert error is type(caught.value)
    assert "nothing on its standard error" in caught.value.message


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (b"Fatal: an empty password is not a password", "set RESTIC_PASSWORD_FILE"),
        (b"Resolving password failed: exit status 1", "set RESTIC_PASSWORD_FILE"),
        (b"Fatal: something else", "run the command by hand"),
    ],
)
def test_who_gives_no_password_hears_how_to(said: bytes, remedy: str) -> None:
    with pytest.raises(ResticFailed) as caught:
        binary.run(Replay(1, stderr=said), Command(("restic",)))

    assert remedy in caught.value.remedy


_SEE = "see that /keys/p is there and that this user may read it (is its data set still locked?)"


@pytest.mark.parametrize(
    ("said", "env", "remedy"),
    [
        (b"Resolving password failed: Fatal: /keys/p does not exist", {}, _SEE),
        (b"Resolving password failed: Readfile: open /keys/p: permission denied", {}, _SEE),
        (b"Resolving password failed: odd", {"RESTIC_PASSWORD_FILE": "/keys/p"}, _SEE),
        (
            b"Fatal: an empty password is not a password",
            {"RESTIC_PASSWORD_FILE": "/keys/p"},
            "write the password into /keys/p",
        ),
        (
            b"Resolving password failed: exit status 1",
            {"RESTIC_PASSWORD_COMMAND": "pass restic"},
            "run the password command by hand",
        ),
    ],
)
def test_what_was_to_give_the_password_is_named(
    said: bytes, env: dict[str, str], remedy: str
) -> None:
    with pytest.raises(ResticFailed) as caught:
        binary.run(Replay(1, stderr=said), Command(("restic",), env=env))

    assert remedy in caught.value.remedy


@pytest.mark.parametrize("named", [True, False])
def test_password_file_that_is_not_there_is_named_by_the_real_restic(
    tmp_path: Path, restic_program: str, named: bool
) -> None:
    file = str(tmp_path / "password")
    access = Access(str(tmp_path), password_file=file if named else None)
    here = LocalHost(env={**CLEAN_ENV, "RESTIC_PASSWORD_FILE": file})
    with pytest.raises(ResticFailed) as caught:
        binary.Restic(here, restic_program, access).snapshots()

    assert f"see that {file} is there" in caught.value.remedy


def test_a_repository_that_may_not_be_read_is_not_called_absent() -> None:
    said = (
        b"Fatal: unable to open config file: stat /r/config: permission denied\n"
        b"Is there a repository at the following location?\n/r"
    )

    with pytest.raises(ResticFailed) as caught:
        binary.run(Replay(1, stderr=said), Command(("restic",)))

    assert ResticFailed is type(caught.value)
    assert "let this user read" in caught.value.remedy


STACK = b"""write r/locks/6af6-tmp-26: input/output error
github.com/restic/restic/internal/backend/local.(*Local).Save
\tgithub.com/restic/restic/internal/backend/local/local.go:170
github.com/restic/restic/internal/backend.(*RetryBackend).Save.func1
\tgithub.com/restic/restic/internal/backend/backend_retry.go:66
main.glob..func2
\tgithub.com/restic/restic/cmd/restic/cmd_backup.go:74
runtime.goexit
\truntime/asm_amd64.s:1594
unable to create lock in backend
"""
SAID = "write r/locks/6af6-tmp-26: input/output error / unable to create lock in backend"


def test_no_stack_stands_before_what_went_wrong() -> None:
    with pytest.raises(ResticFailed) as caught:
        binary.run(Replay(1, stderr=STACK), Command(("restic",)))

    assert SAID == caught.value.last_lines
    assert SAID == Completed(1, b"", STACK, 0.0).last_lines()


def test_a_stack_in_a_json_message_is_none_either() -> None:
    line = {"message_type": "exit_error", "code": 1, "message": STACK.decode()}

    with pytest.raises(ResticFailed) as caught:
        binary.run(Replay(1, stderr=json.dumps(line).encode()), Command(("restic",)))

    assert SAID == caught.value.last_lines


def test_what_only_looks_like_a_stack_is_left() -> None:
    said = "/srv/main.go:12\n\nerror: in\n\t/srv/main.gone:7\n  x\n"

    assert said == without_stacks(said)


def test_what_restic_says_is_masked_too() -> None:
    command = Command(("restic",), secrets=(SECRET,))

    with pytest.raises(ResticFailed) as caught:
        binary.run(Replay(1, stderr=f"cannot use {SECRET}".encode()), command)

    assert SECRET not in str(caught.value) + caught.value.last_lines
    assert "cannot use ***" == caught.value.last_lines


@every_release
def test_a_new_release_is_understood(release: str) -> None:
    assert release == binary.version(Replay.of(release, "version"), "restic")


def test_a_release_that_is_too_old_is_refused() -> None:
    with pytest.raises(ToolMissing, match=r"restic 0\.9\.6 is too old"):
        binary.version(Replay(0, b"restic 0.9.6 compiled with go1.13\n"), "restic")


def test_a_program_that_does_not_start_is_missing() -> None:
    with pytest.raises(ToolMissing, match="command not found"):
        binary.version(Replay(127, stderr=b"bash: restic: command not found"), "restic")


def test_a_program_that_is_not_restic_is_not_believed() -> None:
    with pytest.raises(CannotVerify, match="not understood"):
        binary.version(LocalHost(), "echo")


@every_release
def test_damage_found_by_check_is_a_value(release: str) -> None:
    assert Restic(Replay.of(release, "check-damaged"), "restic", ACCESS).check().errors
    assert () == Restic(Replay.of(release, "check"), "restic", ACCESS).check().errors


@every_release
@pytest.mark.parametrize("name", ["wrong-password", "locked", "snapshots-norepo", "wrong-flag"])
def test_a_check_that_could_not_look_raises(release: str, name: str) -> None:
    with pytest.raises(ResticFailed):
        Restic(Replay.of(release, name), "restic", ACCESS).check()


@every_release
def test_files_that_cannot_be_restored_are_a_value(release: str) -> None:
    damaged = Restic(Replay.of(release, "restore-damaged"), "restic", ACCESS)
    healthy = Restic(Replay.of(release, "restore"), "restic", ACCESS)

    assert damaged.restore("latest", "/t").errors
    assert () == healthy.restore("latest", "/t").errors


@every_release
def test_a_snapshot_that_is_not_there_raises(release: str) -> None:
    with pytest.raises(ResticFailed, match="no matching ID found"):
        Restic(Replay.of(release, "restore-no-snapshot"), "restic", ACCESS).restore(
            "deadbeef", "/t"
        )


@every_release
def test_a_refusal_to_forget_is_a_decision(release: str) -> None:
    decision = Restic(Replay.of(release, "forget-refused"), "restic", ACCESS).plan_forget(
        Policy(tags=(("nosuch",),)), ("host", "paths")
    )

    assert (release != "0.14.0") == bool(decision.refused)
    assert (release == "0.14.0") == bool(decision.removed())


@pytest.fixture(scope="module")
def host() -> LocalHost:
    """This machine, with its own PATH."""
    return LocalHost(env={"PATH": os.environ["PATH"], "TZ": "America/Los_Angeles"})


@pytest.fixture(scope="module")
def made(host: LocalHost, tmp_path_factory: pytest.TempPathFactory) -> tuple[Access, Path]:
    """A real repository of two hosts and three days."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "src").mkdir()
    for name in ("a*", "ab"):
        (folder / "src" / name).write_text(name)
    access = Access(str(folder / "repo"), password=SECRET, options=("--no-cache",))
    writer = Writer(host, "restic", access)
    writer.init()
    for day in (1, 2, 3):
        writer.backup([str(folder / "src")], host="web1", taken_at=f"2024-01-0{day} 04:00:00")
    writer.backup([str(folder / "src")], host="db1", tags=("x",), taken_at="2024-01-03 04:01:00")
    return access, folder


def stored(folder: Path) -> dict[str, tuple[int, int]]:
    """Return every file of a repository with its size and time."""
    files = (path for path in (folder / "repo").rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@real_restic
def test_reading_changes_nothing_in_the_repository(
    host: LocalHost, made: tuple[Access, Path], tmp_path: Path
) -> None:
    access, folder = made
    before = stored(folder)
    restic = Restic(host, "restic", access)

    restic.snapshots()
    restic.repository_id()
    restic.plan_forget(Policy(last=1), ("host", "paths"))
    restic.ls("latest")
    restic.stats("raw-data")
    restic.check(read_data=True)
    restic.restore("latest", str(tmp_path))

    assert before == stored(folder)


@real_restic
def test_real_answers_are_understood(host: LocalHost, made: tuple[Access, Path]) -> None:
    restic = Restic(host, "restic", made[0])

    decision = restic.plan_forget(Policy(last=1), ("host", "paths"))

    assert ["web1", "web1", "web1", "db1"] == [s.host for s in restic.snapshots()]
    assert ["db1"] == [s.host for s in restic.snapshots(Filter(tags=("x",)))]
    assert ["db1", "web1"] == [group.key.host for group in decision.groups]
    assert 2 == len(decision.removed())


@real_restic
def test_an_included_path_restores_nothing_but_itself(
    host: LocalHost, made: tuple[Access, Path], tmp_path: Path
) -> None:
    access, folder = made
    restic = Restic(host, "restic", access)

    restic.restore("latest", str(tmp_path), include=[str(folder / "src" / "a*")])

    assert ["a*"] == [path.name for path in tmp_path.rglob("*") if path.is_file()]


@real_restic
def test_real_failures_are_translated(
    host: LocalHost, made: tuple[Access, Path], tmp_path: Path
) -> None:
    location = made[0].location

    with pytest.raises(WrongPassword):
        Restic(host, "restic", Access(location, password="wrong")).snapshots()
    with pytest.raises(NoRepository):
        Restic(host, "restic", Access(str(tmp_path), password=SECRET)).snapshots()


@pytest.mark.heavy
@real_restic
def test_what_forget_removes_is_what_it_planned(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "src").write_text("x")
    access = Access(str(tmp_path / "repo"), password=SECRET, options=("--no-cache",))
    writer, restic = Writer(host, "restic", access), Restic(host, "restic", access)
    writer.init()
    made = [
        writer.backup([str(tmp_path / "src")], host="web1", taken_at=f"2024-01-0{day} 04:00:00")
        for day in (1, 2)
    ]
    planned = restic.plan_forget(Policy(last=1), ("host",))

    done = writer.forget(Policy(last=1), ("host",))
    writer.prune(max_unused="0")
    writer.unlock()

    assert planned == done
    assert [made[1].snapshot[:8]] == [s.short_id for s in restic.snapshots()]
    assert () == restic.check(read_data=True).errors
