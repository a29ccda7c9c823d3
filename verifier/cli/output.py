"""Standard output and error: they may be closed, full, or read by somebody who has left."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from verifier.core.errors import CannotVerify

REPORT_OPTIONS: dict[str, dict[str, Any]] = {
    "--json": {"action": "store_true", "help": "print exactly one JSON object on standard output"},
    "--report": {"metavar": "DIR", "help": "write an HTML page and the JSON report into DIR"},
}
"""An option of every command that ends in a report -> how it is declared."""


def put(stream: TextIO | None, text: str) -> str:
    """Write a text whole; return why it could not be, nothing where nobody is there to read it.

    What stops it half-way, a signal too, closes the stream for good: half a JSON object is then
    not followed by another one.
    """
    if stream is None:
        # Closed before we were started.
        return ""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        _close(stream)
    except OSError as error:
        _close(stream)
        return error.strerror or str(error)
    except BaseException:
        _close(stream)
        raise
    return ""


def say(text: str) -> None:
    """Write to standard output.

    Raises:
        CannotVerify: it takes no more; it will not be written to again.
    """
    failed = put(sys.stdout, text)
    if failed:
        message = f"the answer cannot be written: {failed}"
        raise CannotVerify("standard output", message, "make room there, or send it elsewhere")


def shows(stream: TextIO | None, signs: str) -> bool:
    """Say whether a stream's encoding has these signs."""
    try:
        signs.encode((stream and stream.encoding) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _close(stream: TextIO) -> None:
    # Not `close`: Python would write what it still holds once more, and complain at its end.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
