"""`python -m tests.monitor.dashboard.serving HISTORY PORT [HOST...]` serves at a fixed time."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.monitor.dashboard.ground import HOSTS, application, terms
from verifier.monitor.dashboard.server import listen, serve

if __name__ == "__main__":
    file, port, *hosts = sys.argv[1:]
    with listen("127.0.0.1", int(port)) as listening:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        serve(application(Path(file), terms(hosts or HOSTS)), listening)
