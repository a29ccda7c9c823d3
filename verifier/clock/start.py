"""Start a process under ptrace: it waits until it is traced, and only then becomes the program."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import NoReturn

from verifier.clock import ptrace
from verifier.core.errors import ClockNotControlled


def start_traced(
    program: str, argv: Sequence[str], env: Mapping[str, str], stdout: int, mask: set[int]
) -> int:
    """Start a command, traced from before its first program on; return the process's ID.

    Args:
        program: its full path.
        stdout: a descriptor for its standard output; ours where it is negative.
        mask: the signals that the command finds blocked.

    Raises:
        ClockNotControlled: tracing is not permitted here.
    """
    gate_out, gate_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gate_in)
        _become(program, argv, env, stdout, mask, gate_out)
    os.close(gate_out)
    try:
        ptrace.seize(pid)
        os.write(gate_in, b"g")
    except OSError as error:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise ClockNotControlled(
            "clock",
            f"no process may be traced here: {error.strerror}",
            "run it outside of strace, gdb and other controlled clocks; a container needs "
            "--cap-add SYS_PTRACE",
        ) from error
    finally:
        os.close(gate_in)
    return pid


def _become(
    program: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    stdout: int,
    mask: set[int],
    gate: int,
) -> NoReturn:
    status = 126
    try:
        if not os.read(gate, 1):
            os._exit(status)
        if stdout >= 0:
            os.dup2(stdout, 1)
        # Python ignores these two, and a program that is started inherits that.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execve(program, tuple(argv), dict(env))  # noqa: S606 - what this module is for
    except OSError as error:
        os.write(2, f"restic-verify: {program}: {error.strerror}\n".encode())
    finally:
        os._exit(status)
