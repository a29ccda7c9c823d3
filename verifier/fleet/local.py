"""This machine as a host: commands are processes here, and none of them outlives its run.

Every command leads a session of its own, so that a signal reaches its children too, and Ctrl-C
in a terminal reaches nobody but us. It is ended with SIGINT first: restic then removes its locks,
where SIGKILL would leave them in the repository. A lifeline does the same where we are killed.
"""

from __future__ import annotations

import fcntl
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from verifier.core.errors import CannotVerify, ToolMissing
from verifier.core.host import Command, Completed
from verifier.fleet.lifeline import Lifeline

P = ParamSpec("P")
T = TypeVar("T")

GRACE_S = 5.0
"""How long a command may take to tidy up after SIGINT; restic needs well under a second."""

SETTLED_S = 0.5
"""How old a command is before it gets SIGINT: restic forgets a lock that it has only just made.

It makes the lock, sleeps 200 ms, looks for others, and only then counts the lock as its own.
"""

_LOOK_S = 0.01
"""How often it is looked whether the children of a command that has ended have ended too."""

CLEAN_ENV: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
}
"""What a command sees where no environment was given: nothing of the user's own."""


class LocalHost:
    """Runs commands on this machine; a `Host`. May be used from several threads at once.

    Args:
        name: the host's name, as in the configuration.
        env: the environment that every command inherits, whole; `CLEAN_ENV` where none is given.
        grace_s: how long a command may go on between SIGINT and SIGKILL.
        ending: what is sent in place of SIGINT.
    """

    def __init__(
        self,
        name: str = "localhost",
        *,
        env: Mapping[str, str] | None = None,
        grace_s: float = GRACE_S,
        ending: signal.Signals = signal.SIGINT,
    ) -> None:
        self._name = name
        self._ending_by = ending
        self._env = dict(CLEAN_ENV if env is None else env)
        self._grace_s = grace_s
        self._live: set[subprocess.Popen[bytes]] = set()
        self._lifeline = Lifeline(SETTLED_S, grace_s)
        self._changed = threading.Condition()
        self._ending = False

    @property
    def name(self) -> str:
        """The host's name, as in the configuration."""
        return self._name

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Run the command to its end, its output captured or in the file that it names.

        Whatever else passes through here (a time limit, a signal handler's exception), the
        command and its children are ended and reaped first. A child that a command leaves behind
        on purpose when it ends by itself is not touched.

        Raises:
            ToolMissing: there is no such program, or it may not be executed.
            CannotVerify: the time limit ran out, the process could not be started, or `end_all`
                was called.
        """
        assert command.argv, "a command has a program"
        assert command.stdin is None or not command.stdin_file, "one standard input is enough"
        begun_s = time.perf_counter()
        started: list[subprocess.Popen[bytes]] = []
        try:
            with _memory() as stdout, _memory() as stderr:
                process = _undisturbed(self._start, command, stdout, stderr, started)
                process.communicate(command.stdin, timeout=timeout_s)
                end_s = math.inf if timeout_s is None else begun_s + timeout_s
                _wait_until_let_go((stdout, stderr), command, end_s)
                if self._ending:
                    raise self._refusal(command)
                said = _content(stdout), _content(stderr)
        except BaseException as error:
            for process in started:
                self._end(process, time.perf_counter() - begun_s)
            if isinstance(error, subprocess.TimeoutExpired):
                raise self._out_of_time(command, timeout_s or 0.0) from None
            raise
        finally:
            for process in started:
                self._forget(process)
        return Completed(process.returncode, *said, time.perf_counter() - begun_s)

    def end_all(self) -> None:
        """End every running command, whichever thread waits for it, and start no more.

        To be called before an executor's threads are joined: they wait for their commands.
        """
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: not self._live, timeout=SETTLED_S)
            for process in self._live:
                _signal_group(process, self._ending_by)
            if not self._changed.wait_for(lambda: not self._live, timeout=self._grace_s):
                for process in self._live:
                    _signal_group(process, signal.SIGKILL)

    def _start(
        self, command: Command, stdout: int, stderr: int, started: list[subprocess.Popen[bytes]]
    ) -> subprocess.Popen[bytes]:
        with self._changed:
            if self._ending:
                raise self._refusal(command)
            try:
                with (
                    _held(stdout) as said,
                    _held(stderr) as complained,
                    _ends(command, said) as (stdin, output),
                ):
                    process = subprocess.Popen(
                        command.argv,
                        stdin=stdin,
                        stdout=output,
                        stderr=complained,
                        cwd=command.cwd or None,
                        env={**self._env, **command.env},
                        start_new_session=True,
                    )
            except (OSError, ValueError) as error:
                raise self._not_started(command, error) from error
            started.append(process)
            self._live.add(process)
            self._lifeline.begin(process.pid)
            return process

    def _end(self, process: subprocess.Popen[bytes], age_s: float) -> None:
        try:
            if process.returncode is None and age_s < SETTLED_S:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=SETTLED_S - age_s)
            if process.returncode is None:
                _signal_group(process, self._ending_by)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=self._grace_s)
        finally:
            # Background children of a shell ignore SIGINT and may outlive their leader.
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        self._lifeline.end(process.pid)
        with self._changed:
            self._live.discard(process)
            self._changed.notify_all()

    def _out_of_time(self, command: Command, limit_s: float) -> CannotVerify:
        return CannotVerify(
            self._name,
            f"`{command}` did not end within {limit_s:g} s and was stopped",
            "find out what it waits for, or allow it more time",
        )

    def _refusal(self, command: Command) -> CannotVerify:
        return CannotVerify(
            self._name, f"`{command}` was stopped: the run is ending", "run the command again"
        )

    def _not_started(self, command: Command, error: Exception) -> CannotVerify:
        program = command.argv[0]
        own = {command.stdin_file, command.stdout_file}
        if isinstance(error, OSError) and error.filename in own:
            message = f"`{command}` could not be given {error.filename}: {error.strerror}"
            return CannotVerify(self._name, message, "see that it is there and may be opened")
        if isinstance(error, FileNotFoundError) and error.filename == program:
            remedy = f"install {program} on {self._name}, or name its full path"
            return ToolMissing(program, f"there is no such program on {self._name}", remedy)
        if isinstance(error, PermissionError) and error.filename == program:
            remedy = f"let this user execute {program}, or run as another user"
            return ToolMissing(program, f"it may not be executed on {self._name}", remedy)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        where = f" in {command.cwd}" if command.cwd else ""
        return CannotVerify(
            self._name,
            f"`{command}` could not be started{where}: {reason}",
            "see that the program and its folder exist and that the machine has room for it",
        )


def _undisturbed(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function where no signal handler raises.

    A handler raises in the main thread. Another one does the fork and the bookkeeping, so that no
    exception can fall between the two and lose the child.
    """
    if threading.current_thread() is not threading.main_thread():
        return act(*args, **kwargs)
    with ThreadPoolExecutor(max_workers=1) as starter:
        return starter.submit(act, *args, **kwargs).result()


@contextmanager
def _memory() -> Iterator[int]:
    """Give a file that is nowhere but in memory.

    What a command says goes there and not through a pipe: it can go on saying it, and tidy up,
    where we are killed and nobody reads. A broken pipe would end restic before it removes its lock.
    """
    descriptor = os.memfd_create("said", os.MFD_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _held(memory: int) -> Iterator[int]:
    """Give the end of it for a new process, locked for as long as anybody has it open."""
    descriptor = os.open(f"/proc/self/fd/{memory}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_until_let_go(memories: Iterable[int], command: Command, end_s: float) -> None:
    """Wait for children that a command left behind and that still may say something.

    Raises:
        TimeoutExpired: they go on after `end_s`, by the performance counter.
    """
    for memory in memories:
        while True:
            try:
                fcntl.flock(memory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.perf_counter() > end_s:
                    raise subprocess.TimeoutExpired(command.argv, 0) from None
                time.sleep(_LOOK_S)


def _content(descriptor: int) -> bytes:
    # Without moving its place: a child that was left behind may still be writing.
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


@contextmanager
def _ends(command: Command, stdout: int) -> Iterator[tuple[int, int]]:
    """Give what a new process takes for standard input and output; its files are open till then."""
    opened: list[int] = []

    def opened_for(path: str, flags: int) -> int:
        opened.append(os.open(path, flags | os.O_CLOEXEC, 0o600))
        return opened[-1]

    stdin = subprocess.DEVNULL if command.stdin is None else subprocess.PIPE
    try:
        if command.stdin_file:
            stdin = opened_for(command.stdin_file, os.O_RDONLY)
        if command.stdout_file:
            stdout = opened_for(command.stdout_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        yield stdin, stdout
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The command leads its group, so the group has its number, for as long as one member lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
