"""The machine that runs restic-verify: its Python, processors, memory, user and clock."""

from __future__ import annotations

import os
import platform
import pwd
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from verifier.clock.kernel import KernelClock, kernel_clock
from verifier.core.checkup import Question, Seen, Subject, fine, flawed, unclear

PROCESS_BYTES = 150 << 20
"""The most that one process of a drill takes (README, `ci/bench`)."""

TEMPORARY_BYTES = 64 << 20
"""What is made in the temporary folder is small: pages of clocks, requests to probes."""

_PYTHON = (3, 11)
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration asks of the machine.

    Attributes:
        user: that its jobs run as; empty where nothing is said of it.
        workers: processes that read packs; none for one a processor.
    """

    user: str = ""
    workers: int | None = None


def machine(wanted: Wanted, ask_clock: Callable[[], str]) -> Subject:
    """Return the questions about this machine.

    Args:
        ask_clock: says why the clock of programs cannot be controlled; nothing where it can.
    """
    cores = len(os.sched_getaffinity(0))
    return Subject(
        "this machine",
        (
            Question("python", lambda: judge_python(sys.version_info[:2])),
            Question("processors", lambda: judge_processors(cores, wanted.workers)),
            Question("memory", lambda: judge_memory(read_memory(), wanted.workers or cores)),
            Question("user", lambda: judge_user(_user(), wanted.user)),
            Question("temporary folder", lambda: judge_temporary(Path(tempfile.gettempdir()))),
            Question("clock", lambda: judge_clock(kernel_clock())),
            Question("clock of programs", lambda: judge_control(ask_clock())),
        ),
    )


def judge_python(release: tuple[int, ...]) -> Seen:
    """Judge the Python that runs this."""
    name = f"Python {platform.python_version()}"
    if release >= _PYTHON:
        return fine(name)
    return flawed(f"{name} is older than 3.11", "install the package python3, 3.11 or newer")


def judge_processors(cores: int, workers: int | None) -> Seen:
    """Judge how many processors there are."""
    saw = f"{cores} processor{'s' if cores > 1 else ''}"
    if workers is not None and workers > cores:
        remedy = f"set monthly.workers to {cores}, or remove it"
        return flawed(f"{saw} for monthly.workers = {workers}: they wait for one another", remedy)
    return fine(saw)


def read_memory(file: Path = _MEMORY) -> int | None:
    """Return the bytes of memory that are to be had; none where the kernel does not say."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(found[0][1]) << 10 if found else None


def judge_memory(available_bytes: int | None, workers: int) -> Seen:
    """Judge whether a drill has enough memory."""
    if available_bytes is None:
        return unclear("the kernel does not say how much there is", "see that /proc is mounted")
    wanted_bytes = (workers + 1) * PROCESS_BYTES
    saw = f"{available_bytes >> 20} MiB to be had"
    if available_bytes < wanted_bytes:
        remedy = "set monthly.workers lower, or give the machine more memory"
        return flawed(f"{saw}; {workers} workers may take {wanted_bytes >> 20} MiB", remedy)
    return fine(saw)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def judge_user(user: str, wanted: str) -> Seen:
    """Judge whether this is the user that the jobs run as: what one may, another may not."""
    if not wanted or user == wanted:
        return fine(user)
    remedy = f"ask as that user: sudo -u {wanted} restic-verify doctor"
    return flawed(f"{user} asks, but the jobs run as {wanted}, who may do other things", remedy)


def judge_temporary(folder: Path) -> Seen:
    """Judge the folder for temporary files, by writing one."""
    remedy = "make room there, or set TMPDIR to a folder that this user may write to"
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
        stat = os.statvfs(folder)
    except OSError as error:
        return Seen("failed", f"{folder}: {error.strerror}", remedy)
    free_bytes = stat.f_bavail * stat.f_frsize
    if free_bytes < TEMPORARY_BYTES:
        return flawed(f"{folder}: only {free_bytes >> 20} MiB free", remedy)
    return fine(f"{folder}, {free_bytes >> 20} MiB free")


def judge_clock(clock: KernelClock | None) -> Seen:
    """Judge whether something keeps this machine's clock right."""
    remedy = "run a time service: systemd-timesyncd or chrony"
    if clock is None:
        return unclear("the kernel does not say whether its clock is kept right", remedy)
    if not clock.synchronised:
        return flawed("the kernel says that nothing keeps its clock right", remedy)
    return fine(f"kept right, to within {clock.error_s:.3g} s")


def judge_control(refusal: str) -> Seen:
    """Judge whether programs can be put under a clock of their own."""
    if not refusal:
        return fine("can be controlled")
    remedy = "permit ptrace (docs/clock.md); the drill does without, simulations date by --time"
    return flawed(f"cannot be controlled: {refusal}", remedy)
