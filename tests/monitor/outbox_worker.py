"""A process that posts numbered deliveries to a webhook, for tests that kill it.

`python -m tests.monitor.outbox_worker SPOOL URL FIRST LAST [NAME]`; a line for each that is posted.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.places import NOW, PATIENT_S, FrozenClock
from verifier.monitor.delivery import Delivery
from verifier.monitor.outbox import Outbox, Patience
from verifier.monitor.sinks.webhook import Webhook


def delivery(name: str, number: int) -> Delivery:
    """Return one of a process, by its number."""
    return Delivery("alert", NOW, {"from": name, "number": number})


def main(spool: str, url: str, first: str, last: str, name: str = "") -> None:
    """Post them one by one."""
    sink = Webhook(url, "secret", FrozenClock(), timeout_s=PATIENT_S)
    outbox = Outbox([sink], Path(spool), Patience(attempts=1, timeout_s=PATIENT_S))
    for number in range(int(first), int(last) + 1):
        found = outbox.post([delivery(name, number)], NOW)
        sys.stdout.write(f"{number} {found}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
