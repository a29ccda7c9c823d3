"""Commands on this machine, with real process trees: none of them outlives its run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from verifier.core.errors import CannotVerify, Interrupted, ToolMissing
from verifier.core.host import Command, Host
from verifier.fleet.local import CLEAN_ENV, LocalHost

SECRET = "correct horse"


def bash(script: str, *, stdin: bytes | None = None) -> Command:
    """Return a command that runs the script."""
    return Command(("bash", "-c", script), stdin=stdin)


def living(mark: str) -> list[int]:
    """Return the processes whose command line holds the mark."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(int(folder.name))
    return found


def die_out(mark: str) -> bool:
    """Wait until no process holds the mark; a killed one takes a moment to go."""
    while living(mark):
        os.sched_yield()
    return True


@contextmanager
def interrupting(number: signal.Signals) -> Iterator[None]:
    """Turn a signal into Interrupted, as the command line does."""

    def stop(received: int, frame: object) -> None:
        raise Interrupted(received, signal.Signals(received).name)

    before = signal.signal(number, stop)
    try:
        yield
    finally:
        signal.signal(number, before)


def fifo(folder: Path) -> Path:
    """Return a pipe that a script writes to as soon as it runs."""
    path = folder / "ready"
    os.mkfifo(path)
    return path


def test_local_host_is_a_host() -> None:
    host: Host = LocalHost()

    assert "localhost" == host.name


def test_input_and_output_may_be_files(tmp_path: Path) -> None:
    asked, told = tmp_path / "asked", tmp_path / "told"
    asked.write_bytes(b"question\n" * 100_000)
    told.write_bytes(b"what stood there before" * 100_000)
    script = ("sh", "-c", "cat; printf err >&2; exit 7")
    done = LocalHost().run(Command(script, stdin_file=str(asked), stdout_file=str(told)))

    assert (7, b"", b"err") == (done.status, done.stdout, done.stderr)
    assert asked.read_bytes() == told.read_bytes()


def test_a_new_output_file_is_its_owners_alone(tmp_path: Path) -> None:
    LocalHost().run(Command(("true",), stdout_file=str(tmp_path / "told")))

    assert 0o600 == (tmp_path / "told").stat().st_mode & 0o777


@pytest.mark.parametrize("end", ["stdin_file", "stdout_file"])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, end: str) -> None:
    path = str(tmp_path / "nowhere" / "file")
    with pytest.raises(CannotVerify, match=path) as caught:
        LocalHost().run(Command(("true",), **{end: path}))

    assert not isinstance(caught.value, ToolMissing)


def test_no_file_stays_open_here(tmp_path: Path) -> None:
    host, path = LocalHost(), tmp_path / "file"
    path.touch()

    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    host.run(Command(("true",)))
    before = opened()
    host.run(Command(("cat",), stdin_file=str(path), stdout_file=str(path)))
    with pytest.raises(ToolMissing):
        host.run(Command(("no-such-program",), stdin_file=str(path), stdout_file=str(path)))

    assert before == opened()


def test_output_status_and_duration_are_captured() -> None:
    done = LocalHost().run(bash("printf out; printf err >&2; exit 7"))

    assert (7, b"out", b"err") == (done.status, done.stdout, done.stderr)
    assert done.duration_s > 0


def test_a_signal_is_a_negative_status() -> None:
    assert -9 == LocalHost().run(bash("kill -9 $$")).status


def test_large_stdin_passes_while_output_is_read() -> None:
    data = b"x" * 3_000_000

    assert data == LocalHost().run(Command(("cat",), stdin=data)).stdout


def test_stdin_is_closed_where_none_is_given() -> None:
    assert b"" == LocalHost().run(Command(("cat",))).stdout


def test_a_program_that_ignores_its_stdin_is_no_error() -> None:
    assert 0 == LocalHost().run(Command(("true",), stdin=b"x" * 3_000_000)).status


def test_environment_is_the_given_one_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "1")
    host = LocalHost(env={"PATH": CLEAN_ENV["PATH"], "A": "host", "B": "host"})

    seen = host.run(Command(("env",), env={"B": "command"})).stdout.decode().split()

    assert {f"PATH={CLEAN_ENV['PATH']}", "A=host", "B=command"} == set(seen)


def test_a_host_without_environment_uses_the_clean_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "1")

    seen = LocalHost().run(Command(("env",))).stdout.decode().split()

    assert {f"{name}={value}" for name, value in CLEAN_ENV.items()} == set(seen)


def test_working_folder_is_the_commands_own(tmp_path: Path) -> None:
    done = LocalHost().run(Command(("pwd", "-P"), cwd=str(tmp_path)))

    assert f"{tmp_path.resolve()}\n" == done.stdout.decode()


def test_a_missing_program_is_named_with_a_remedy() -> None:
    with pytest.raises(ToolMissing) as caught:
        LocalHost("web1").run(Command(("no-such-program", "--version")))

    assert "no-such-program" == caught.value.subject
    assert "install no-such-program on web1" in caught.value.remedy


def test_a_program_without_x_permission_is_named(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")

    with pytest.raises(ToolMissing, match="may not be executed"):
        LocalHost().run(Command((str(program),)))


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(Command(("true",), cwd="/no/such/folder"), id="no folder"),
        pytest.param(Command(("true", "a\0b")), id="nul byte"),
        pytest.param(Command(("true", "x" * 4_000_000)), id="argument too long"),
    ],
)
def test_a_command_that_cannot_start_is_not_verified(command: Command) -> None:
    with pytest.raises(CannotVerify, match="could not be started"):
        LocalHost().run(command)


def test_secrets_are_masked_in_every_error() -> None:
    secret = Command(("bash", "-c", f"sleep 60 # {SECRET}"), secrets=(SECRET,))

    with pytest.raises(CannotVerify) as caught:
        LocalHost(grace_s=0.1).run(secret, timeout_s=0.05)

    assert SECRET not in str(caught.value)
    assert "***" in str(caught.value)


TREES = {
    "leader only": "exec sleep 61.{mark}",
    "background child": "sleep 61.{mark} & wait",
    "detached output": "sleep 61.{mark} >/dev/null 2>&1 & sleep 62.{mark}",
    "deaf leader": "trap '' INT TERM; sleep 61.{mark}; sleep 62.{mark}",
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_the_time_limit_leaves_no_process(tree: str) -> None:
    mark = f"{os.getpid()}1"

    with pytest.raises(CannotVerify, match=r"did not end within 0\.2 s"):
        LocalHost(grace_s=0.2).run(bash(tree.format(mark=mark)), timeout_s=0.2)

    assert die_out(f".{mark}")


def test_a_command_within_its_limit_is_not_stopped() -> None:
    assert 0 == LocalHost().run(bash("exit 0"), timeout_s=60).status


def test_sigint_comes_first_so_that_locks_are_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    script = f"trap 'rm {lock}; exit 130' INT; while :; do read -t 60 <> {fifo(tmp_path)}; done"

    with pytest.raises(CannotVerify):
        LocalHost().run(bash(script), timeout_s=0.3)

    assert not lock.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_a_signal_leaves_no_process(tree: str, number: signal.Signals, tmp_path: Path) -> None:
    mark, ready = f"{os.getpid()}2", fifo(tmp_path)

    def interrupt() -> None:
        ready.read_bytes()
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    command = bash(f": >{ready}; " + tree.format(mark=mark))
    with ThreadPoolExecutor() as other, interrupting(number):
        other.submit(interrupt)
        with pytest.raises(Interrupted) as caught:
            LocalHost(grace_s=0.2).run(command)

    assert number == caught.value.signal
    assert die_out(f".{mark}")


def test_end_all_ends_the_commands_of_every_thread(tmp_path: Path) -> None:
    mark, ready = f"{os.getpid()}3", fifo(tmp_path)
    host = LocalHost(grace_s=0.2)

    with ThreadPoolExecutor(len(TREES)) as workers:
        scripts = [f": >{ready}; " + tree.format(mark=mark) for tree in TREES.values()]
        runs = [workers.submit(host.run, bash(script)) for script in scripts]
        while len(living(f"61.{mark}")) < len(TREES):
            with ready.open("rb") as pipe:
                pipe.read()
        host.end_all()

    assert all("was stopped" in str(run.exception()) for run in runs)
    assert die_out(f".{mark}")


def test_nothing_starts_after_end_all() -> None:
    host = LocalHost()
    host.end_all()

    with pytest.raises(CannotVerify, match="the run is ending"):
        host.run(Command(("true",)))


def test_a_child_left_behind_on_purpose_lives_on() -> None:
    mark = f"{os.getpid()}4"
    done = LocalHost().run(bash(f"sleep 61.{mark} >/dev/null 2>&1 & echo $!"))

    left = int(done.stdout)

    assert [left] == living(f"61.{mark}")
    os.kill(left, signal.SIGKILL)


def test_what_a_child_says_after_its_parent_belongs_to_the_command() -> None:
    done = LocalHost().run(bash("(sleep 0.3; echo late; echo worse >&2) & echo early"))

    assert (b"early\nlate\n", b"worse\n") == (done.stdout, done.stderr)


def test_a_child_that_goes_on_saying_is_within_the_time_limit_too() -> None:
    mark = f"{os.getpid()}7"

    with pytest.raises(CannotVerify, match=r"did not end within 0\.2 s"):
        LocalHost(grace_s=0.2).run(bash(f"sleep 61.{mark} & exit 0"), timeout_s=0.2)

    assert die_out(f".{mark}")
