"""A process that signs reports, and is killed outright at a certain point if it is told so.

python -m tests.evidence.writer KEY FOLDER COUNT [before-write|before-name|after-name]
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.monitor import envelopes
from verifier.monitor.evidence import folder, sign


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(point: str) -> None:
    if point == "before-write":
        sign.sealed = _die  # type: ignore[assignment]
    elif point == "before-name":
        Path.replace = _die  # type: ignore[method-assign, assignment]
    elif point == "after-name":
        # The first is of the file; then comes its name, and then that of the folder.
        synced = os.fsync
        folder.os.fsync = lambda it: _die() if Path(f"/proc/self/fd/{it}").is_dir() else synced(it)


def main(key: str, into: str, count: str, point: str = "") -> None:
    """Sign so many reports."""
    _die_at(point)
    for _ in range(int(count)):
        sign.signed(envelopes.failed(), Path(key), Path(into))


if __name__ == "__main__":
    main(*sys.argv[1:])
