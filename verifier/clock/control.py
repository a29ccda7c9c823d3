"""Put commands under a controlled clock: what a command begins with, and whether that works."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from verifier.clock.launcher import Ended, Launcher
from verifier.clock.page import ClockPage
from verifier.core.errors import CannotVerify, ClockNotControlled

_ROOT = Path(__file__).parents[2]
_ENTRY = "verifier.clock.entry"
_START = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from {_ENTRY} import main; main()"


def under(page: Path, argv: Sequence[str], python: str = sys.executable) -> tuple[str, ...]:
    """Return the command that runs `argv` under a clock page, by a small Python of its own.

    Its exit status is the command's; where that cannot be controlled it is 3, with one line on
    standard error. Nothing but the standard library is needed: in a container, mount the package
    at the same path.

    Args:
        python: a Python 3.11 or later.
    """
    return (python, "-I", "-S", "-c", _START, str(_ROOT), str(page), *argv)


def run_under(page: ClockPage, argv: Sequence[str], env: Mapping[str, str]) -> Ended:
    """Ask `date`, then run a command to the end of all that it starts.

    Raises:
        ToolMissing: there is no such program.
        ClockNotControlled: this machine does not permit it, `date` says otherwise, or a program
            could not be controlled and was killed.
    """
    launcher = Launcher(page)
    _ask_date(launcher, page, env)
    return launcher.run(argv, env)


def _ask_date(launcher: Launcher, page: ClockPage, env: Mapping[str, str]) -> None:
    out, into = os.pipe()
    try:
        before = page.now().replace(microsecond=0)
        launcher.run(("date", "+%s"), env, stdout=into)
        said = os.read(out, 64).decode(errors="replace").strip()
        after = page.now()
    finally:
        os.close(out)
        os.close(into)
    if not said.isdigit() or not before <= datetime.fromtimestamp(int(said), UTC) <= after:
        message = f"`date` says {said} where the page says {before.timestamp():.0f}"
        raise ClockNotControlled("date", message, "days in the past need no controlled clock")


def environment() -> dict[str, str]:
    """Return the environment as this process was given it.

    Python adds to its own (LC_CTYPE, in the C locale), and the command is to see what we were told.
    """
    block = Path("/proc/self/environ").read_bytes()
    pairs = (os.fsdecode(line).partition("=") for line in block.split(b"\0") if line)
    return {name: value for name, _, value in pairs}


@contextmanager
def temporary_page() -> Iterator[ClockPage]:
    """Give a page of its own, which shows the real time; it is gone afterwards.

    Those that killed processes left are removed first.

    Raises:
        CannotVerify: there is no temporary folder to put it in.
    """
    from verifier.clock.claimed import claimed_folder  # not for the entry: it is to start quickly

    with ExitStack() as stack:
        try:
            folder = stack.enter_context(claimed_folder("restic-verify-clock-"))
        except OSError as error:
            message = f"cannot be made: {error.strerror}"
            remedy = "set TMPDIR to a folder that this user may write to"
            raise CannotVerify("temporary folder", message, remedy) from error
        # Every user's processes look for it there, but nobody needs to list the folder.
        folder.chmod(0o711)
        yield ClockPage.create(folder / "page")


def end_as(status: int) -> NoReturn:
    """End this process as the command ended, by the same signal if it was one."""
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
        # The first process of a container is not killed by a signal.
        raise SystemExit(128 - status)
    raise SystemExit(status)
