"""Run a command and all that it starts under a clock page, by following every exec with ptrace.

Fails closed: a program that cannot be controlled is killed before its first instruction, and so is
the whole tree where the launcher ends. Facts and measurements: docs/clock.md.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from verifier.clock import ptrace
from verifier.clock.attach import NotControlled, attach, own_patch
from verifier.clock.marks import lock_words, mark, unlock_words, unmark
from verifier.clock.page import WORDS_BYTES, ClockPage
from verifier.clock.start import start_traced
from verifier.core.errors import ClockNotControlled, ToolMissing, UsageError

PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGPWR,
)
"""Signals that the command gets where the launcher is sent them."""

_BY_THE_KERNEL = 0x80
_OF_THE_TERMINAL = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH}
"""With this `si_code` they come from the terminal: the whole foreground has them already."""

_GROUP_STOPS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: `status` is negative for the signal that ended it.

    Attributes:
        programs: how many programs were put under the clock.
    """

    status: int
    programs: int


@dataclass(slots=True)
class _Tree:
    """What is known of the processes that are followed."""

    leader: int
    status: int | None = None
    programs: int = 0
    code: dict[int, tuple[int, int]] = field(default_factory=dict)
    restics: dict[int, timedelta] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


class Launcher:
    """Runs commands under one clock page. Use it from the main thread of a process with no others.

    Raises:
        ClockNotControlled: this machine's programs cannot be controlled at all.
    """

    def __init__(self, page: ClockPage) -> None:
        self._page = page
        self._path = os.fsencode(page.path)
        self._patch = own_patch()

    def run(self, argv: Sequence[str], env: Mapping[str, str], *, stdout: int = -1) -> Ended:
        """Run a command to the end of everything that it starts.

        Args:
            stdout: a descriptor for its standard output; ours where none is given.

        Raises:
            ToolMissing: there is no such program.
            ClockNotControlled: tracing is not permitted, or a program could not be controlled and
                was killed.
        """
        program = shutil.which(argv[0], path=env.get("PATH", os.defpath))
        if program is None:
            remedy = "name its full path, or install it"
            raise ToolMissing(argv[0], "there is no such program that may be run", remedy)
        watched = {signal.SIGCHLD, *PASSED_ON}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        lock = os.open(self._page.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            tree = _Tree(start_traced(program, argv, env, stdout, before))
            self._follow(tree, watched, lock)
        finally:
            os.close(lock)
            # What arrived too late for the command is no longer meant for anybody.
            while signal.sigtimedwait(watched, 0):
                pass
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if tree.refused:
            message = f"could not be put under the clock and was killed: {'; '.join(tree.refused)}"
            remedy = "leave it out of what runs under the clock"
            raise ClockNotControlled("clock", message, remedy)
        assert tree.status is not None, "the command has ended"
        return Ended(tree.status, tree.programs)

    def _follow(self, tree: _Tree, watched: set[signal.Signals], lock: int) -> None:
        while self._advance_all(tree, lock):
            arrived = signal.sigwaitinfo(watched)
            by_the_kernel = arrived.si_code == _BY_THE_KERNEL
            if arrived.si_signo == signal.SIGCHLD:
                continue
            if by_the_kernel and arrived.si_signo in _OF_THE_TERMINAL:
                continue
            if tree.status is not None:
                # Only what the command left behind is still there: it ends with us.
                return
            with suppress(ProcessLookupError):
                os.kill(tree.leader, arrived.si_signo)

    def _advance_all(self, tree: _Tree, lock: int) -> bool:
        """Answer every process that waits for us; say whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | ptrace.WALL)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if os.WIFSTOPPED(status):
                with suppress(ProcessLookupError):
                    self._answer(tree, pid, status, lock)
            else:
                _note_end(tree, pid, status, lock)

    def _answer(self, tree: _Tree, pid: int, status: int, lock: int) -> None:
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == ptrace.EXEC:
            self._take_over(tree, pid, lock)
            ptrace.go_on(pid)
        elif event == ptrace.STOP and number in _GROUP_STOPS:
            ptrace.listen(pid)
        elif event:
            ptrace.go_on(pid)
        else:
            if number == signal.SIGTRAP and _in_our_code(tree, pid):
                _refuse(tree, pid, "has no room for the clock page")
            ptrace.go_on(pid, number)

    def _take_over(self, tree: _Tree, pid: int, lock: int) -> None:
        try:
            self._page.expect(lock)
            words = os.pread(lock, WORDS_BYTES, 0)
            tree.code[pid] = attach(pid, self._patch, words, self._path)
        except (NotControlled, UsageError, OSError) as error:
            # Nothing to say of a process that somebody killed meanwhile.
            if _is_stopped(pid):
                _refuse(tree, pid, str(error))
            return
        tree.programs += 1
        with suppress(OSError):
            _forget_restic(tree, pid, lock)
            if "restic" in _program(pid).name:
                self._note_restic(tree, pid, lock)

    def _note_restic(self, tree: _Tree, pid: int, lock: int) -> None:
        """Mark on the page where it is: it is not moved far from there while this restic runs."""
        lock_words(lock, writing=False)
        try:
            tree.restics[pid] = self._page.ahead()
            mark(lock, tree.restics[pid])
        finally:
            unlock_words(lock)


def _note_end(tree: _Tree, pid: int, status: int, lock: int) -> None:
    tree.code.pop(pid, None)
    _forget_restic(tree, pid, lock)
    if pid == tree.leader:
        tree.status = os.waitstatus_to_exitcode(status)


def _forget_restic(tree: _Tree, pid: int, lock: int) -> None:
    ahead = tree.restics.pop(pid, None)
    if ahead is not None and ahead not in tree.restics.values():
        unmark(lock, ahead)


def _refuse(tree: _Tree, pid: int, why: str) -> None:
    tree.refused.append(f"process {pid} ({_program(pid)}) {why}")
    os.kill(pid, signal.SIGKILL)


def _program(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


def _in_our_code(tree: _Tree, pid: int) -> bool:
    start, end = tree.code.get(pid, (0, 0))
    return start <= ptrace.instruction(ptrace.registers(pid)) < end


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    except OSError:
        return False
    return state.startswith("t")
