"""The launcher as a program of its own, quick to start: PAGE COMMAND..., see `control.under`."""

from __future__ import annotations

import sys
from pathlib import Path

from verifier.clock.control import end_as, environment, run_under
from verifier.clock.page import ClockPage
from verifier.core.errors import UsageError, VerifyError


def main() -> None:
    """Run the command under the page, and end as it does."""
    _, page, *argv = sys.argv
    try:
        ended = run_under(ClockPage(Path(page)), argv, environment())
    except VerifyError as error:
        sys.stderr.write(f"restic-verify: {error}\n  {error.remedy}\n")
        raise SystemExit(64 if isinstance(error, UsageError) else 3) from None
    end_as(ended.status)
