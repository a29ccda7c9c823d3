"""What is installed: a file's text and its mode."""

from __future__ import annotations

from dataclasses import dataclass

SCRIPT = 0o755
SETTINGS = 0o644
RIGHTS = 0o440


@dataclass(frozen=True, slots=True)
class File:
    """A file to install: its text and its permission bits."""

    text: str
    mode: int
