"""The password is found where restic finds it, and restic itself is asked whether that is so."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from verifier.cli import secrets
from verifier.cli.secrets import repository_password
from verifier.config.words import split_command
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.host import Command
from verifier.fleet.local import CLEAN_ENV, LocalHost
from verifier.restic.commands import Access

HERE = LocalHost()


def ask(environ: Mapping[str, str], access: Access | None = None) -> str:
    return repository_password(access, environ, HERE)


def test_variable_is_the_last_resort() -> None:
    assert "plain" == ask({"RESTIC_PASSWORD": "plain"})


def test_file_goes_before_the_variable(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from file\n")

    found = ask({"RESTIC_PASSWORD": "plain", "RESTIC_PASSWORD_FILE": str(tmp_path / "key")})

    assert "from file" == found


def test_command_goes_before_the_variable() -> None:
    found = ask({"RESTIC_PASSWORD": "plain", "RESTIC_PASSWORD_COMMAND": "echo ' two  words '"})

    assert "two  words" == found


def test_configuration_goes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("configured")
    access = Access("/repository", password_file=str(tmp_path / "key"))

    assert "configured" == ask({"RESTIC_PASSWORD_COMMAND": "echo other"}, access)


def test_settings_without_a_password_leave_it_to_the_environment() -> None:
    assert "plain" == ask({"RESTIC_PASSWORD": "plain"}, Access("/repository"))


def test_file_and_command_together_are_refused() -> None:
    with pytest.raises(UsageError, match="both"):
        ask({"RESTIC_PASSWORD_FILE": "/key", "RESTIC_PASSWORD_COMMAND": "echo x"})


def test_no_password_at_all_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="nothing says"):
        ask({})


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfea"])
def test_file_without_a_password_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(CannotVerify):
        ask({"RESTIC_PASSWORD_FILE": str(tmp_path / "key")})


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotVerify, match="cannot be read") as caught:
        ask({"RESTIC_PASSWORD_FILE": str(tmp_path / "none")})

    assert str(tmp_path / "none") == caught.value.subject


@pytest.mark.parametrize("command", ["false", "no-such-program", "true"])
def test_failing_command_cannot_be_used(command: str) -> None:
    with pytest.raises(CannotVerify) as caught:
        ask({"RESTIC_PASSWORD_COMMAND": command})

    assert "password command" == caught.value.subject


@pytest.mark.parametrize(("after_s", "told"), [(0.05, True), (60.0, False)])
def test_who_waits_long_for_a_command_is_told_for_what(
    after_s: float,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(secrets, "TOLD_AFTER_S", after_s)

    assert "late" == ask({"RESTIC_PASSWORD_COMMAND": "sh -c 'sleep 0.5; echo late'"})
    said = "restic-verify: waiting for the password command (sh), at most 300 s\n"
    assert (said if told else "") == capsys.readouterr().err


def test_password_is_never_in_an_error() -> None:
    with pytest.raises(CannotVerify) as caught:
        ask({"RESTIC_PASSWORD_COMMAND": "sh -c 'echo hunter2; echo hunter2 >&2; exit 1'"})

    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("show a b", ("show", "a", "b")),
        ('show "a b"', ("show", "a b")),
        ("show 'a b'c", ("show", "a b", "c")),
        ('show pre"x y"post', ("show", "pre", "x y", "post")),
        (r"show a\ b", ("show", "a", "b")),
        (r'show "a\"b"', ("show", r"a\"b")),
        (r"show \"a b\"", ("show", '"a', "b", '"')),
        ('show ""', ("show",)),
    ],
)
def test_command_is_split_as_restic_does(command: str, words: tuple[str, ...]) -> None:
    assert words == split_command(command)


@pytest.mark.parametrize("command", ['show "a', r"show 'a\'b", "", "  ", '""'])
def test_command_that_restic_refuses_is_refused(command: str) -> None:
    with pytest.raises(UsageError):
        split_command(command)


FILES = {
    "plain": b"secret",
    "line end": b"secret\r\n",
    "byte order mark": b"\xef\xbb\xbfsecret\n",
    "UTF-16": "secret\n".encode("utf-16"),
    "UTF-16 big": b"\xfe\xff" + "secret".encode("utf-16-be"),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    program = shutil.which("restic")
    if program is None:
        pytest.fail("restic is not on PATH: these tests ask the real program, install it first")
    root = tmp_path_factory.mktemp("secrets") / "repository"
    init = Command((program, "-r", str(root), "init"), env={"RESTIC_PASSWORD": "secret"})

    assert HERE.run(init).status == 0

    return program, root


@pytest.mark.heavy
@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_restic_opens_with_the_file_that_we_read(
    repository: tuple[str, Path], tmp_path: Path, content: bytes
) -> None:
    program, root = repository
    (tmp_path / "key").write_bytes(content)
    env = {**CLEAN_ENV, "RESTIC_PASSWORD_FILE": str(tmp_path / "key")}
    opened = HERE.run(Command((program, "-r", str(root), "cat", "config", "--no-lock"), env=env))

    assert (0, "secret") == (opened.status, ask(env))


@pytest.mark.heavy
@pytest.mark.parametrize(
    "arguments", ["a b", '"a b"', "'a b'c", 'pre"x y"post', r"a\ b", r'"a\"b"', r"\"a b\"", '""']
)
def test_restic_splits_the_command_as_we_do(
    repository: tuple[str, Path], tmp_path: Path, arguments: str
) -> None:
    program, root = repository
    show = tmp_path / "show"
    show.write_text(f'#!/bin/sh\nprintf "%s\\0" "$0" "$@" > {tmp_path}/seen\necho secret\n')
    show.chmod(0o755)
    command = f"{show} {arguments}"
    env = {**CLEAN_ENV, "RESTIC_PASSWORD_COMMAND": command}
    HERE.run(Command((program, "-r", str(root), "cat", "config", "--no-lock"), env=env))
    seen = (tmp_path / "seen").read_text().split("\0")[:-1]

    assert tuple(seen) == split_command(command)
