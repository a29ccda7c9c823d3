"""What is recorded is found again, once, and nothing that is needed is tidied away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from verifier.monitor.history.memory import History, open_history
from verifier.monitor.telemetry import BackupRun, CycleRun, LogLine, StageRun

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """Give an empty history."""
    with open_history(tmp_path / "history.sqlite") as opened:
        yield opened


def backup(host: str = "web1", *, day: int = 0, status: int = 0) -> BackupRun:
    return BackupRun(host, AT + day * DAY, 12.0, status, "0" * 64, "0.18.0", 1, 2, 3, 400, 50)


def cycle(*backups: BackupRun, day: int = 0, status: int | None = 0, run: str = "") -> CycleRun:
    stages = (StageRun("forget", AT + day * DAY + timedelta(seconds=20), 1.0, 0),)
    return CycleRun(
        "jak",
        "run-backups",
        AT + day * DAY,
        30.0,
        status,
        backups or (backup(day=day),),
        stages,
        run,
    )


def line(text: str, *, second: float = 0, run: str = "") -> LogLine:
    return LogLine(AT + timedelta(seconds=second), "jak", "run-backups", text, run)


def test_cycle_is_recorded_once(history: History) -> None:
    assert [True, False] == [history.record_cycle(cycle()) for _ in range(2)]

    (found,) = history.cycles()
    assert cycle() == found.cycle == history.cycle(found.number)


def test_unfinished_cycle_is_completed(history: History) -> None:
    history.record_cycle(replace(cycle(), status=None, duration_s=5.0, stages=()))

    assert history.record_cycle(cycle())
    assert not history.record_cycle(replace(cycle(), status=None, duration_s=5.0, stages=()))
    assert [cycle()] == [found.cycle for found in history.cycles()]
