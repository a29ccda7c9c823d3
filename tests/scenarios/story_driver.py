"""Runs commands of restic-verify in one process, as told by its standard input.

Each line is the words of one; a line with its exit code and its report answers. Discord's address
is a server of the test.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from apprise.plugins.discord import NotifyDiscord

from verifier.cli.main import main


def serve(discord: str) -> None:
    """Answer every line."""
    NotifyDiscord.notify_url = f"{discord}/api/webhooks"
    for line in sys.stdin:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = main(json.loads(line))
        sys.stdout.write(json.dumps({"code": code, "report": json.loads(said.getvalue())}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
