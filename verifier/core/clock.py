"""The clock as a value to pass in: nothing below the command line asks the machine for the time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        ...
