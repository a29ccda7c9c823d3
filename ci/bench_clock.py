"""What the controlled clock costs: a cycle with it and without, an exec, a look at the clock.

Both sides run in turn, several times; the least time counts,
because on a shared machine the rest is other people's work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from verifier.cli import simulate
from verifier.cli.compose import Composition, compose_simulation
from verifier.cli.compose_clock import Control
from verifier.cli.context import Context
from verifier.clock.control import under
from verifier.clock.page import ClockPage
from verifier.clock.system import SystemClock
from verifier.simulate.simulation import run_real

ROUNDS = 3
DAYS = 6
EXECS = 2_000
LOOKS = 2_000_000

STORM = f"i=0; while [ $i -lt {EXECS} ]; do /bin/true; i=$((i + 1)); done"
LOOK = """
import sys, time
ask, begun = time.time, time.perf_counter()
for _ in range(%d): ask()
print(time.perf_counter() - begun)
"""


def least(one: Callable[[], float], other: Callable[[], float]) -> tuple[float, float]:
    """Return the least of each side's times, taken in turn."""
    pairs = [(one(), other()) for _ in range(ROUNDS)]
    return min(first for first, _ in pairs), min(second for _, second in pairs)


def compose() -> Composition:
    """Return the default system for a few days, in one segment."""
    parser = argparse.ArgumentParser()
    simulate.add_options(parser)
    line = ("--fidelity", "cycle", "--days", str(DAYS), "--segments", "1")
    return compose_simulation(
        parser.parse_args(line), Context(SystemClock(), dict(os.environ), sys.stderr)
    )


def cycle_s(composed: Composition) -> float:
    """Return the seconds of a simulated day's cycle."""
    with composed.worlds() as open_world:
        result = run_real(
            composed.simulation,
            open_world,
            segments=1,
            workers=1,
            advance=lambda _: None,
            note=lambda _: None,
            end=composed.host.end_all,
        )
    assert not result.followed.findings(), result.followed.findings()
    return min(record.duration_s or 0.0 for record in result.followed.records)


def exec_s(argv: tuple[str, ...]) -> float:
    """Return the seconds that a shell needs for many small programs."""
    begun = time.perf_counter()
    subprocess.run(argv, check=True)
    return time.perf_counter() - begun


def look_s(argv: tuple[str, ...]) -> float:
    """Return the seconds that a program needs for many looks at the clock."""
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def measure() -> dict[str, float]:
    """Return what a cycle, the start of a program and a look at the time cost, with and without."""
    controlled = compose()
    assert controlled.clock.is_controlled, controlled.clock.refusal
    dated = replace(controlled, clock=Control("for comparison"))
    found = dict(
        zip(
            ("cycle_s", "plain_cycle_s"),
            least(lambda: cycle_s(controlled), lambda: cycle_s(dated)),
            strict=True,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        page = ClockPage.create(Path(folder) / "page")
        page.set(datetime(2031, 1, 1, tzinfo=UTC))
        storm = ("sh", "-c", STORM)
        nothing = ("sh", "-c", ":")
        with_it, without = least(lambda: exec_s(under(page.path, storm)), lambda: exec_s(storm))
        begin, _ = least(lambda: exec_s(under(page.path, nothing)), lambda: 0.0)
        found["start_ms"] = begin * 1_000
        found["exec_ms"] = (with_it - begin - without) / EXECS * 1_000
        look = (sys.executable, "-I", "-S", "-c", LOOK % LOOKS)
        with_it, without = least(lambda: look_s(under(page.path, look)), lambda: look_s(look))
        found["look_ns"], found["plain_look_ns"] = with_it / LOOKS * 1e9, without / LOOKS * 1e9
    return found
