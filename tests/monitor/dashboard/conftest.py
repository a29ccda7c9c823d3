"""What the tests of the dashboard share: an ordinary history, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitor.dashboard.ground import HOSTS, fill, look, verify
from verifier.monitor.history.memory import open_history


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the history of 100 days in which one backup failed and all hosts were verified."""
    file = tmp_path_factory.mktemp("dashboard") / "history.sqlite"
    with open_history(file) as history:
        fill(history, days=100, failed=lambda back: ("db1",) if back == 9 else ())
        for days_ago in (88, 58, 27):
            verify(history, days_ago=days_ago, others=HOSTS[1:])
        look(history)
    return file
