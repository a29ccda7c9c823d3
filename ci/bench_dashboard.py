"""How long the dashboard takes for each page of a history of five years and a hundred hosts.

Their ledger remembers two million files. The real server answers over a real connection; what is
measured is the median of five answers to each page. Nothing is cached between two of them.
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
from statistics import median

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.monitor.five_years import DAYS, END, HOSTS, fill, fill_ledger  # noqa: E402
from verifier.monitor.history.memory import open_history  # noqa: E402

PORT = 8697
NOW = END + timedelta(hours=4)
PLACES = (
    "/",
    "/durations?days=1830",
    "/durations?host=host042&days=1830",
    "/cycles",
    f"/cycles/{DAYS}",
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


@contextmanager
def serving(file: Path, ledger: Path) -> Iterator[str]:
    """Serve a history and a ledger; give the address."""
    files = {"history": str(file), "ledger": str(ledger)}
    words = json.dumps({**files, "port": PORT, "hosts": HOSTS, "now": NOW.isoformat()})
    line = (sys.executable, "-m", "tests.monitor.dashboard.serving", words)
    with subprocess.Popen(line, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{PORT}"
        finally:
            process.terminate()


def measure() -> dict[str, float]:
    """Return the milliseconds of the usual answer to each page."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.sqlite"
        with open_history(file) as history:
            fill(history)
        ledger = Path(folder) / "ledger.sqlite"
        fill_ledger(ledger)
        with serving(file, ledger) as address, httpx.Client(base_url=address, timeout=60) as client:
            return {place: median(_once(client, place) for _ in range(5)) for place in PLACES}


def _once(client: httpx.Client, place: str) -> float:
    begun = time.perf_counter()
    client.get(place).raise_for_status()
    return (time.perf_counter() - begun) * 1_000


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
