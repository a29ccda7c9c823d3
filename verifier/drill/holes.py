"""Holes of sparse files: a restore that fills them may need more disk than there is.

A snapshot does not say where a file had holes. It does say where it is zeros, piece by piece, and
`restic restore --sparse` writes none of those.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from verifier.drill.recorded import Recorded
from verifier.drill.special import ZEROS, ZEROS_BYTES

_SINCE = (0, 15, 0)
_BLOCK = 512
_PER_PIECE = 1 << 16
_SLACK_BYTES = 1 << 20
"""File systems give out more than was asked for, in units of up to 64 KiB, and at the end too."""


def restored_by(version: str) -> bool:
    """Say whether a release of restic knows `restore --sparse`."""
    return tuple(map(int, version.split("."))) >= _SINCE


def zeros(content: Iterable[str]) -> int:
    """Return how many bytes of a file restic leaves out of it."""
    return ZEROS_BYTES * sum(blob_id == ZEROS for blob_id in content)


def possible(folder: Path) -> bool:
    """Find out by trying whether the file system makes holes."""
    trial = folder / "trial"
    with trial.open("wb") as stream:
        stream.truncate(_SLACK_BYTES)
    allocated = trial.stat().st_blocks * _BLOCK
    trial.unlink()
    return allocated < _SLACK_BYTES


def filled(file: Path, one: Recorded) -> str:
    """Say how much more room than its data a restored file takes; nothing where that is right."""
    if file.is_symlink() or not file.is_file():
        return ""
    data = one.entry.size - zeros(one.content)
    pieces = sum(blob_id != ZEROS for blob_id in one.content)
    allocated = file.stat().st_blocks * _BLOCK
    if allocated <= data + pieces * _PER_PIECE + _SLACK_BYTES:
        return ""
    return f"its holes were filled: restored on {allocated} bytes of disk for {data} bytes of data"
