"""This machine as a host: commands are processes here, and none of them outlives its run.

Every command leads a session of its own, so that a signal reaches its children too, and Ctrl-C
in a terminal reaches nobody but us. It is ended with SIGINT first: restic then removes its locks,
where SIGKILL would leave them in the repository.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from verifier.core.errors import CannotVerify, ToolMissing
from verifier.core.host import Command, Completed

GRACE_S = 5.0
"""How long a command may take to tidy up after SIGINT; restic needs well under a second."""

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
    """

    def __init__(
        self,
        name: str = "localhost",
        *,
        env: Mapping[str, str] | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._name = name
        self._env = dict(CLEAN_ENV if env is None else env)
        self._grace_s = grace_s
        self._live: set[subprocess.Popen[bytes]] = set()
        self._changed = threading.Condition()
        self._ending = False

    @property
    def name(self) -> str:
        """The host's name, as in the configuration."""
        return self._name

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Run the command to its end, its output captured.

        Whatever else passes through here (a time limit, a signal handler's exception), the
        command and its children are ended and reaped first. A child that a command leaves behind
        on purpose when it ends by itself is not touched.

        Raises:
            ToolMissing: there is no such program, or it may not be executed.
            CannotVerify: the time limit ran out, the process could not be started, or `end_all`
                was called.
        """
        assert command.argv, "a command has a program"
        begun_s = time.perf_counter()
        started: list[subprocess.Popen[bytes]] = []
        try:
            # A signal handler raises in the main thread. Another thread does the fork and the
            # bookkeeping, so that no exception can fall between the two and lose the child.
            with ThreadPoolExecutor(max_workers=1) as starter:
                process = starter.submit(self._start, command, started).result()
            stdout, stderr = process.communicate(command.stdin, timeout=timeout_s)
            if self._ending:
                raise self._refusal(command)
        except BaseException as error:
            for process in started:
                self._end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise self._out_of_time(command, error.timeout) from None
            raise
        finally:
            for process in started:
                self._forget(process)
        return Completed(process.returncode, stdout, stderr, time.perf_counter() - begun_s)

    def end_all(self) -> None:
        """End every running command, whichever thread waits for it, and start no more.

        To be called before an executor's threads are joined: they wait for their commands.
        """
        with self._changed:
            self._ending = True
            for process in self._live:
                _signal_group(process, signal.SIGINT)
            if not self._changed.wait_for(lambda: not self._live, timeout=self._grace_s):
                for process in self._live:
                    _signal_group(process, signal.SIGKILL)

    def _start(
        self, command: Command, started: list[subprocess.Popen[bytes]]
    ) -> subprocess.Popen[bytes]:
        with self._changed:
            if self._ending:
                raise self._refusal(command)
            try:
                process = subprocess.Popen(
                    command.argv,
                    stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=command.cwd or None,
                    env={**self._env, **command.env},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise self._not_started(command, error) from error
            started.append(process)
            self._live.add(process)
            return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            if process.returncode is None:
                _signal_group(process, signal.SIGINT)
                # Reading on while it tidies up: a full pipe would hold it back.
                with suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=self._grace_s)
        finally:
            # Background children of a shell ignore SIGINT and may outlive their leader.
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
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


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The command leads its group, so the group has its number, for as long as one member lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
