"""A small system to simulate, and programs that misbehave on purpose."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from verifier.cli import simulate
from verifier.cli.context import Context
from verifier.clock.system import SystemClock
from verifier.core.report import Report


def run(line: str, environ: Mapping[str, str] | None = None) -> Report:
    """Run `restic-verify simulate` with these options and return its report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", default=True)
    parser.add_argument("--report")
    simulate.add_options(parser)
    options = parser.parse_args(shlex.split(line))
    return simulate.run(options, Context(SystemClock(), environ or dict(os.environ), StringIO()))


def timeline(report: Report) -> dict[str, Any]:
    """Return the report's timeline section."""
    section = report.envelope()["timeline"]
    assert isinstance(section, dict)
    return section


def survivors(report: Report) -> list[tuple[str, str]]:
    """Return host and time of what survives."""
    return [(s["host"], s["time"]) for s in timeline(report)["survivors"]]


def kinds(report: Report) -> set[str]:
    """Return the kinds of findings."""
    return {finding.kind for finding in report.findings}


def program(folder: Path, name: str, script: str) -> str:
    """Write a shell script that stands in for a program, and return its path."""
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return str(path)
