"""`python -m tests.monitor.dashboard.serving JSON` serves a history at a fixed time.

The JSON has `history`, `port`, and where they differ from the usual `hosts`, `token`, `now` and
`ledger`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tests.monitor.dashboard.ground import HOSTS, NOW, application, measured, terms
from verifier.cli.dashboard_terms import read_section
from verifier.monitor.dashboard.doors import doors
from verifier.monitor.dashboard.server import listen, serve

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    hosts = asked.get("hosts", HOSTS)
    now = datetime.fromisoformat(asked["now"]) if "now" in asked else NOW
    # A hostile name stands in no configuration.
    known = [host for host in hosts if host.isidentifier()]
    held = terms(hosts, state=measured(known))
    if "ledger" in asked:
        held = replace(held, ledger=lambda: read_section(Path(asked["ledger"])))
    opens = doors("127.0.0.1", (), asked.get("token"))
    with listen("127.0.0.1", asked["port"]) as listening:
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        serve(application(Path(asked["history"]), held, opens, now), listening)
