"""A time zone of one fixed offset, as a file: what dates a backup in an hour that comes twice."""

from __future__ import annotations

import struct
from datetime import timedelta


def zone_file(offset: timedelta) -> bytes:
    """Return a time zone of one fixed offset, in the format of tzfile(5)."""
    counts = struct.pack(">4s16x6l", b"TZif", 0, 0, 0, 0, 1, 4)
    return counts + struct.pack(">lbb", offset // timedelta(seconds=1), 0, 0) + b"SIM\0"
