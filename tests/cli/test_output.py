"""Standard output and error may be closed, full, or left by their reader; nothing then breaks."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from tests.cli.console import LIMIT_S, SCRIPT, environment, run, start

MODEL = ("simulate", "--fidelity", "model", "--days", "3")
LINES = [("--help",), ("simulate", "--help"), ("--version",), MODEL, (*MODEL, "--json")]


def _shell(line: tuple[str, ...], redirection: str) -> subprocess.CompletedProcess[bytes]:
    script = f'"$0" "$@" {redirection}'
    return subprocess.run(
        ["/bin/sh", "-c", script, SCRIPT, *line],
        env=environment(),
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
    )


@pytest.mark.parametrize("line", LINES)
def test_a_reader_who_left_changes_nothing(line: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*line, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=LIMIT_S)

    assert (0, b"") == (process.returncode, err)


@pytest.mark.parametrize("line", [("--help",), (*MODEL, "--json")])
def test_a_closed_output_changes_nothing(line: tuple[str, ...]) -> None:
    ended = _shell(line, ">&-")

    assert (0, b"") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("line", [("--help",), MODEL, (*MODEL, "--json")])
def test_a_full_output_is_no_success(line: tuple[str, ...]) -> None:
    ended = _shell(line, ">/dev/full")

    assert 3 == ended.returncode
    assert b"standard output: the answer cannot be written: No space left" in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("line", "code"), [(MODEL, 0), (("nonsense", "--json"), 64)])
def test_an_error_output_is_not_needed(line: tuple[str, ...], code: int, redirection: str) -> None:
    ended = _shell(line, redirection)

    assert code == ended.returncode
    assert ended.stdout


def test_what_an_encoding_lacks_is_escaped() -> None:
    ended = run(
        *MODEL,
        "--change-paths=web1@2024-01-02=/s\u00f6rv",
        env=environment(PYTHONIOENCODING="ascii"),
    )

    assert 0 == ended.returncode
    assert b"/s\\xf6rv" in ended.stdout


def test_progress_needs_a_terminal() -> None:
    assert b"" == run(*MODEL).stderr


@pytest.mark.parametrize("columns", [0, 100])
def test_a_terminal_sees_elapsed_and_remaining_time(columns: int) -> None:
    terminal, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = start(*MODEL, "--json", stderr=side)
    os.close(side)
    seen = b""
    try:
        while part := os.read(terminal, 4096):
            seen += part
    except OSError:
        # So does a terminal end whose other side is closed.
        pass
    os.close(terminal)
    process.communicate(timeout=LIMIT_S)

    assert re.search(rb"\d+/3 \[\d\d:\d\d<[\d:?]+", seen)
    assert 0 == process.returncode
