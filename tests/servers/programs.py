"""Server programs of the machine, started by hand on free ports of loopback and ended again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

LIMIT_S = 60.0


def find(program: str, *, package: str) -> str:
    """Return a server's path; where it is not installed the test fails and names the package."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/systemd")
    if found is None:
        pytest.fail(f"there is no {program}: install the package `{package}`")
    return found


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    with ExitStack() as held:
        listening = [
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [server.getsockname()[1] for server in listening]


@contextmanager
def running(argv: Sequence[str], ready: Callable[[], bool], log: Path) -> Iterator[None]:
    """Run a server in the block, which begins once it is ready.

    Args:
        log: what the server says goes there, and the end of it into the failure.
    """
    with log.open("wb") as said:
        server = subprocess.Popen(argv, stdout=said, stderr=subprocess.STDOUT, cwd=log.parent)
        try:

            def lives_and_is_ready() -> bool:
                assert server.poll() is None, f"{argv[0]} ended: {_end(log)}"
                return ready()

            until(lives_and_is_ready, f"{argv[0]} is ready")
            yield
        finally:
            # What they keep is in a temporary folder: there is nothing to be put in order.
            server.kill()
            server.wait()


def until(holds: Callable[[], object], what: str, *, limit_s: float = LIMIT_S) -> None:
    """Wait until something holds; the test fails where it does not within the limit."""
    started = time.perf_counter()
    pause = threading.Event()
    while not holds():
        assert time.perf_counter() - started < limit_s, f"not within {limit_s:g} s: {what}"
        pause.wait(0.02)


def ask(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
    """Return what a server of the test answers; an error is told with its text."""
    request = urllib.request.Request(url, data, dict(headers or {}))  # noqa: S310 - of loopback
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read().decode()
        raise AssertionError(f"{error.code} of {url}: {said}") from error


def answers(url: str) -> bool:
    """Say whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of loopback
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
