"""The real clock keeps the promises of a Clock."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from verifier.clock.system import SystemClock
from verifier.core.clock import Clock


def machine_date() -> datetime:
    """Ask `date`, which shares no code with us."""
    printed = subprocess.run(["date", "+%s"], check=True, capture_output=True, text=True).stdout
    return datetime.fromtimestamp(int(printed), UTC)


def test_real_time_is_aware_and_in_utc() -> None:
    clock: Clock = SystemClock()

    assert timedelta(0) == clock.now().utcoffset()


def test_real_time_is_the_machines() -> None:
    """Between two questions to `date` (whole seconds, rounded down)."""
    before, now, after = machine_date(), SystemClock().now(), machine_date()

    assert before <= now < after + timedelta(seconds=1)


def test_real_time_does_not_run_backwards() -> None:
    clock = SystemClock()
    instants = [clock.now() for _ in range(1000)]

    assert sorted(instants) == instants
