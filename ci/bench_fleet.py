"""What a fleet costs: how soon jak and three hosts are ready, and what a simulated day takes.

The first run makes the image where there is none, and is not counted. One run of one day and one of
several, in sequence, give both figures.
"""

from __future__ import annotations

import json
import subprocess
import time

DAYS = 11


def measure(verify: str) -> dict[str, float]:
    """Return seconds until the fleet is ready and gone again, and seconds for each day."""
    _run(verify, 1)
    one_s, many_s = _run(verify, 1), _run(verify, DAYS)
    day_s = (many_s - one_s) / (DAYS - 1)
    return {"day_s": day_s, "ready_s": one_s - day_s}


def _run(verify: str, days: int) -> float:
    begun_s = time.perf_counter()
    words = ("simulate", "--fidelity", "fleet", "--segments", "1", "--json", "--days", str(days))
    done = subprocess.run((verify, *words), stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout)["verdict"] == "OK"
    return time.perf_counter() - begun_s
