"""The installed console script, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verifier.monitor.render.schema import problems

SCRIPT = Path(sys.executable).with_name("restic-verify")

LIMIT_S = 280
"""What takes longer hangs."""


def environment(**changed: str | None) -> dict[str, str]:
    """Return this process's environment, some variables set and those of None removed."""
    kept = {n: v for n, v in os.environ.items() if n not in changed and n != "PYTHONUNBUFFERED"}
    return kept | {name: value for name, value in changed.items() if value is not None}


def run(
    *line: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run the script to its end."""
    return subprocess.run(
        [SCRIPT, *line],
        env=environment() if env is None else env,
        cwd=cwd,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
    )


def start(*line: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start the script; its streams are pipes where nothing else is said."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()}
    return subprocess.Popen([SCRIPT, *line], **{**streams, **options})


def report(stdout: bytes | str) -> dict[str, Any]:
    """Return the one object on standard output, which follows its schema."""
    envelope: dict[str, Any] = json.loads(stdout)
    assert () == problems(envelope)
    return envelope


def wait_for(seen: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Return as soon as something is seen; a process that ends before it fails the test."""
    while not seen():
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        out, err = process.communicate()
        raise AssertionError(f"ended with {process.returncode} too early: {out!r} {err!r}")


def commands_naming(text: str) -> list[str]:
    """Return the command lines of this machine's processes that contain a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stored = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        line = stored.replace(b"\0", b" ").decode(errors="replace")
        found += [line] if text in line else []
    return found
