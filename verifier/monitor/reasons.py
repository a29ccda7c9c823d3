"""Why a run of the coordinator came and went without a backup, in the words that it said last.

Pure. Why a backup itself failed stands in its telemetry; here are those that never had their turn,
as when the password's file is still locked away.
"""

from __future__ import annotations

from collections.abc import Iterable

from verifier.monitor.cycles import SYSTEMD
from verifier.monitor.spoken import STARTED, Fatal, Stage, parse_end, parse_word
from verifier.monitor.telemetry import LogLine

LENGTH_MAX = 400
"""An error is a line; what is longer is cut."""


def last_error(lines: Iterable[LogLine]) -> str:
    """Return the last thing that was said before a stage failed.

    Args:
        lines: of one run, in order.

    Returns:
        Where a stage failed without a word its own line; an empty text where none did.
    """
    said = ""
    for line in lines:
        text = line.data.strip()
        if line.service == SYSTEMD or not text or text == STARTED or parse_end(text) is not None:
            continue
        match parse_word(text):
            case Stage(name="run"):
                break
            case Stage(status=0):
                said = ""
            case Stage():
                return _shortened(said or text)
            case Fatal(message):
                said = message
            case None if not text.startswith("{"):
                said = text
    return ""


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LENGTH_MAX else f"{words[: LENGTH_MAX - 1]}…"
