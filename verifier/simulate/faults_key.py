"""What goes wrong with the coordinator's key: the data set that holds it stays locked.

Then nothing is mounted where the key file should lie, so that the file is simply not there.
"""

from __future__ import annotations

from pathlib import Path


def lock_key(file: Path) -> None:
    """Let the key file be away, however often it is asked for."""
    if file.exists():
        file.rename(_aside(file))


def unlock_key(file: Path) -> None:
    """Let the key file be there again."""
    if _aside(file).exists():
        _aside(file).rename(file)


def _aside(file: Path) -> Path:
    return file.with_name(f"{file.name}.locked")
