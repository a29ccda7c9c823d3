"""What became of rendered files, or what would: a line each, and how the changed ones differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.monitor.render.drill import Table
from verifier.monitor.render.envelope import FileChange
from verifier.monitor.render.wording import count, number, printable

_STATES = ("missing", "differs", "created", "changed", "unchanged")


def changes_headline(changes: Sequence[FileChange]) -> str:
    """Return how many files there are, and how many of each state."""
    states = [change["state"] for change in changes]
    told = [f"{number(states.count(s))} {s}" for s in _STATES if s in states]
    return f"{count(len(changes), 'file')}: {', '.join(told)}"


def change_tables(changes: Sequence[FileChange]) -> Iterator[Table]:
    """Yield the table of the files that were not as they should be; none where all were."""
    rows = tuple(
        (change["state"], change["mode"], printable(change["path"]))
        for change in changes
        if change["state"] != "unchanged"
    )
    if rows:
        yield Table("Files", (("", "mode", "file"), *rows), frozenset())


def change_lines(changes: Sequence[FileChange]) -> Iterator[str]:
    """Yield the differences that are still there as lines, each file's after an empty one."""
    for change in changes:
        if change["state"] == "differs" and change["diff"]:
            yield ""
            yield from ("\t".join(map(printable, line.split("\t"))) for line in change["diff"])
