"""What `render` does in a folder: look, ask, write; and what it has to say about that."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.output import put
from verifier.core.errors import UsageError
from verifier.core.finding import Finding

if TYPE_CHECKING:
    from verifier.cycle.file import File
    from verifier.cycle.install import Change


_SEEN = {"created": "missing", "changed": "differs", "unchanged": "unchanged"}
"""What would become of a file -> what it is as long as nothing does."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What a report says of it."""

    findings: tuple[Finding, ...]
    measurements: Mapping[str, object]
    sections: Mapping[str, object]


def look(files: Mapping[str, File], folder: Path) -> Installed:
    """Say what below a folder is not what it should be.

    Raises:
        CannotVerify: what is there cannot be read.
    """
    from verifier.cycle.install import compare

    return _only_seen(compare(files, folder), files, folder)


def install_files(
    files: Mapping[str, File], folder: Path, context: Context, *, unasked: bool
) -> Installed:
    """Write what is not there, or differs; ask first where something would be overwritten.

    Raises:
        UsageError: something would be, and there is nobody to be asked.
        CannotVerify: a file cannot be read or written.
    """
    from verifier.cycle.install import compare, install

    changes = compare(files, folder)
    overwritten = [change for change in changes if change.state == "changed"]
    if overwritten and not unasked:
        _require_somebody(overwritten, context)
    put(context.err, "".join(f"{line}\n" for line in _differences(overwritten)))
    if overwritten and not unasked and not _agreed(len(overwritten), context):
        return _only_seen(changes, files, folder)
    install(files, changes, folder)
    return Installed((), _counts(changes), {"changes": _records(changes, files)})


def _only_seen(changes: Sequence[Change], files: Mapping[str, File], folder: Path) -> Installed:
    findings = tuple(
        Finding("drifted", str(folder / change.name), _sentence(change))
        for change in changes
        if change.state != "unchanged"
    )
    records = _records(changes, files)
    return Installed(
        findings, {}, {"changes": [it | {"state": _SEEN[str(it["state"])]} for it in records]}
    )


def _sentence(change: Change) -> str:
    if change.state == "created":
        return "is not there"
    said = ["differs"] if change.diff else []
    if change.modes:
        said.append("has mode {:04o} instead of {:04o}".format(*change.modes))
    return " and ".join(said)


def _counts(changes: Iterable[Change]) -> dict[str, object]:
    states = [change.state for change in changes]
    return {f"files_{s}": states.count(s) for s in ("created", "changed", "unchanged")}


def _records(changes: Iterable[Change], files: Mapping[str, File]) -> list[dict[str, object]]:
    return [
        {
            "path": change.name,
            "state": change.state,
            "mode": f"{files[change.name].mode:04o}",
            # A report travels: what not everybody may read on its machine stays there.
            "diff": [] if change.private else list(change.diff),
        }
        for change in changes
    ]


def _differences(changes: Iterable[Change]) -> Iterator[str]:
    from verifier.monitor.render.wording import printable

    for change in changes:
        # A tab is shown as one; everything else that a terminal would obey is written out.
        yield from ("\t".join(map(printable, line.split("\t"))) for line in change.diff)
        if change.modes:
            yield printable(f"{change.name}: mode {change.modes[0]:04o}, to be ") + (
                f"{change.modes[1]:04o}"
            )


def _require_somebody(overwritten: Sequence[Change], context: Context) -> None:
    if not (sys.stdin and sys.stdin.isatty() and context.err.isatty()):
        names = overwritten[0].name + (" and others" if len(overwritten) > 1 else "")
        message = f"nothing was written, because {names} would be overwritten"
        raise UsageError("--into", message, "see how with --diff, and overwrite with --yes")


def _agreed(number: int, context: Context) -> bool:
    what = "this file" if number == 1 else f"these {number} files"
    put(context.err, f"Overwrite {what}? [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
