"""The machine's own clock: the one place of the whole program that asks for the time."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The real time; a `Clock`."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)  # noqa: TID251
