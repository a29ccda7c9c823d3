"""How long the dashboard takes for each page of a history of five years and a hundred hosts.

The real server answers over a real connection; what is measured is the slowest of three answers to
each page, the first one included, so that nothing hides in a cache.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.monitor import envelopes  # noqa: E402
from tests.monitor.dashboard.ground import NOW, ZONE, cycle, look  # noqa: E402
from verifier.monitor.history.memory import History, open_history  # noqa: E402

HOSTS = tuple(f"host{number:03}" for number in range(100))
DAYS = 5 * 365
PORT = 8697
PLACES = (
    "/",
    "/durations?days=1830",
    "/durations?host=host042&days=1830",
    "/cycles",
    "/cycles/1000",
    "/coverage",
    "/retention?host=host042",
    "/reports",
    "/reports/30",
    "/metrics",
    "/api/now",
    "/api/backups?limit=1000",
    "/api/cycles?limit=100",
    "/api/retention?host=host042",
)


def fill(history: History) -> None:
    """Record five years of a hundred hosts: a cycle a day, a drill a month."""
    today = NOW.astimezone(ZONE).date()
    for first in range(DAYS, 0, -50):
        with history.together():
            for back in range(first, max(first - 50, 0), -1):
                failed = HOSTS[back % 97 : back % 97 + 1] if back % 9 == 0 else ()
                day = today - timedelta(days=back - 1)
                history.record_cycle(*cycle(day, HOSTS, failed=failed, lines=300))
    for month in range(60, 0, -1):
        at = NOW - timedelta(days=30 * month - 25)
        report = envelopes.drilled(corrupted=200 * (month == 31), host=HOSTS[0], others=HOSTS[1:])
        began = at - timedelta(hours=3)
        history.record_report({**report, "started": began.isoformat(), "finished": at.isoformat()})
    look(history)


@contextmanager
def serving(file: Path) -> Iterator[str]:
    """Serve a history; give the address."""
    words = json.dumps({"history": str(file), "port": PORT, "hosts": HOSTS})
    line = (sys.executable, "-m", "tests.monitor.dashboard.serving", words)
    with subprocess.Popen(line, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{PORT}"
        finally:
            process.terminate()


def measure() -> dict[str, float]:
    """Return the milliseconds of the slowest answer to each page."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.sqlite"
        with open_history(file) as history:
            fill(history)
        with serving(file) as address, httpx.Client(base_url=address, timeout=60) as client:
            return {place: max(_once(client, place) for _ in range(3)) for place in PLACES}


def _once(client: httpx.Client, place: str) -> float:
    begun = time.perf_counter()
    client.get(place).raise_for_status()
    return (time.perf_counter() - begun) * 1_000


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
