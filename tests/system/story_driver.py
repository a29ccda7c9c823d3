"""Runs commands of restic-verify in one process under a clock page, as told by its standard input.

Each line is `{"at": INSTANT, "argv": [...]}`: the clock is set, the command runs, and a line with
its exit code and its report answers. Discord's address is a server of the test.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from apprise.plugins.discord import NotifyDiscord

from verifier.cli.main import main
from verifier.clock.page import ClockPage

HOLD = timedelta(seconds=1)
"""How long the clock stands at the instant that it was set to."""


def serve(page: ClockPage, discord: str) -> None:
    """Answer every line."""
    NotifyDiscord.notify_url = f"{discord}/api/webhooks"
    for line in sys.stdin:
        told = json.loads(line)
        page.set(datetime.fromisoformat(told["at"]), HOLD)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = main(told["argv"])
        sys.stdout.write(json.dumps({"code": code, "report": json.loads(said.getvalue())}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(ClockPage(Path(sys.argv[1])), sys.argv[2])
