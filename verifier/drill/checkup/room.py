"""Room on this machine's disks, for everything that is written here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from verifier.core.checkup import Question, Seen, Subject, broken, fine, flawed
from verifier.database.owned import is_there

_SHARE_PERCENT = 5
"""Of a disk with a repository: below it, the next large backup may be the last."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that is written to.

    Attributes:
        needs_bytes: what it may grow by.
        why: who says so, in the words of the configuration.
        grows: it grows for ever, so that a share of its disk is to stay free.
    """

    name: str
    folder: Path
    needs_bytes: int
    why: str
    grows: bool = False


def room(places: Sequence[Place]) -> Subject:
    """Return the questions about room."""
    return Subject(
        "room", tuple(Question(place.name, partial(ask_room, place)) for place in places)
    )


def ask_room(place: Place) -> Seen:
    """Look at the disk under a folder that is there, or that is to be made.

    Raises:
        CannotVerify: this user may not look there.
    """
    folder = place.folder
    while not (is_there(folder) and folder.is_dir()) and folder != folder.parent:
        folder = folder.parent
    try:
        stat = os.statvfs(folder)
    except OSError as error:
        return broken(f"{place.folder}: {error.strerror}", "see that its disk answers")
    if not os.access(folder, os.W_OK | os.X_OK):
        made = "be written to" if folder == place.folder else f"be made in {folder}"
        remedy = "run this as the user that runs the jobs, or give that user the folder"
        return broken(f"{place.folder} cannot {made} by this user", remedy)
    free_bytes, total_bytes = stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize
    return judge_room(place, free_bytes, total_bytes)


def judge_room(place: Place, free_bytes: int, total_bytes: int) -> Seen:
    """Judge what is free on a disk."""
    saw = f"{place.folder}, {size(free_bytes)} of {size(total_bytes)} free"
    if free_bytes < 1 << 20:
        return broken(f"{saw}: the disk is full", "make room there")
    if free_bytes < place.needs_bytes:
        return flawed(f"{saw}, and {place.why} is {size(place.needs_bytes)}", "make room there")
    if place.grows and free_bytes * 100 < total_bytes * _SHARE_PERCENT:
        return flawed(f"{saw}: less than {_SHARE_PERCENT} %", "make room there, or keep less")
    return fine(saw)


def size(size_bytes: float) -> str:
    """Write a number of bytes in binary units."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    place = 0
    while size_bytes >= 1024 and place < len(units) - 1:
        size_bytes /= 1024
        place += 1
    return f"{size_bytes:.{0 if size_bytes >= 100 or place == 0 else 1}f} {units[place]}"
