"""Files that grow while a timeline is followed: its journal, and what its scripts printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from verifier.cli.finish import writing
from verifier.simulate.simulation import Note
from verifier.simulate.timeline import Outcome


@contextmanager
def growing(
    path: Path, render: Callable[[Outcome], str], option: str = "--report"
) -> Iterator[Note]:
    """Give a function that writes what is rendered of a step; nothing to write leaves no file.

    Args:
        option: that named the folder.

    Raises:
        NoSpace, UsageError: the file cannot be written.
    """
    folder = str(path.parent)
    with writing(folder, option):
        file = path.open("w", encoding="utf-8")

    def note(outcome: Outcome) -> None:
        with writing(folder, option):
            file.write(render(outcome))

    try:
        yield note
    finally:
        with writing(folder, option):
            file.close()
            if not path.stat().st_size:
                path.unlink()
