"""`python -m tests.monitor.dashboard.serving JSON` serves a history at a fixed time.

The JSON has `history`, `port`, and where they differ from the usual `hosts` and `token`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.monitor.dashboard.ground import HOSTS, application, terms
from verifier.monitor.dashboard.doors import doors
from verifier.monitor.dashboard.server import listen, serve

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    held = terms(asked.get("hosts", HOSTS))
    opens = doors("127.0.0.1", (), asked.get("token"))
    with listen("127.0.0.1", asked["port"]) as listening:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        serve(application(Path(asked["history"]), held, opens), listening)
