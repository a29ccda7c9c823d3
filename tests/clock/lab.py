"""A clock page of one's own, and commands under it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from verifier.clock.control import under
from verifier.clock.page import ClockPage

AT = datetime(2031, 1, 1, 4, tzinfo=UTC)
"""An instant that is certainly not now."""

YEAR = str(AT.year)


@contextmanager
def start(page: ClockPage, argv: Sequence[str], **more: object) -> Iterator[subprocess.Popen[str]]:
    """Start a command under a page; where the test fails it does not wait for it."""
    with subprocess.Popen(under(page.path, argv), text=True, **more) as running:  # type: ignore[call-overload]
        try:
            yield running
        except BaseException:
            running.kill()
            raise


def run(
    page: ClockPage, *argv: str, env: Mapping[str, str] | None = None, **more: object
) -> subprocess.CompletedProcess[str]:
    """Run a command under a page to its end, and keep what it said."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        under(page.path, argv),
        env={"PATH": os.environ["PATH"], "TZ": "UTC", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def compiled(folder: Path, source: str, *options: str) -> Path:
    """Compile a C program, or skip the test where no compiler can."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("there is no gcc, and this test compiles a program: install the package gcc")
    program = folder / "program"
    made = subprocess.run(
        [gcc, "-O1", *options, "-x", "c", "-", "-o", program],
        input=source,
        text=True,
        check=False,
        capture_output=True,
    )
    if made.returncode != 0:
        pytest.skip(f"gcc {' '.join(options)} makes no program here: {made.stderr[-200:]}")
    return program


def forbid_ptrace() -> None:
    """Let ptrace fail with EPERM in this process and all that it starts, as a container may."""
    # Load the number of the system call; 101 is ptrace on x86_64: answer 1 (EPERM), else allow.
    code = (ctypes.c_uint64 * 4)(
        0x0000_0000_0000_0020, 0x0000_0065_0100_0015, 0x0005_0001_0000_0006, 0x7FFF_0000_0000_0006
    )
    program = (ctypes.c_uint64 * 2)(4, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert 0 == libc.prctl(38, 1, 0, 0, 0), "no new privileges"
    assert 0 == libc.prctl(22, 2, program, 0, 0), "a filter of system calls"
