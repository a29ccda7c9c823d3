"""`restic-verify manifest`: write what every file holds, just before it is backed up.

The same program, without restic-verify around it, is what `--script` writes for a host.
"""

from __future__ import annotations

import argparse
import errno
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.entry import shown
from verifier.core.errors import CannotVerify, NoSpace, UsageError
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.cycle.file import File
    from verifier.drill.manifest_script import Manifest

_UNREAD = "could not be read, so the manifest does not have its content"
_ROTTEN = "its content changed since it was first read, though nothing says that it was written"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("roots", metavar="ROOT", nargs="+", help="what is backed up")
    add(
        "--output",
        metavar="FILE",
        required=True,
        help="where to write the manifest; put it inside the backup",
    )
    add("--previous", metavar="FILE", help="the one of the run before (default: the output)")
    add("--exclude", metavar="PATTERN", action="append", default=[], help="as `restic backup` does")
    add("--one-file-system", action="store_true", help="stay on the file systems of the roots")
    add(
        "--reread-percent",
        metavar="N",
        type=int,
        default=0,
        help="read this share of the unchanged files again, in turn (0 to 100; default: 0)",
    )
    add("--host", metavar="NAME", default=platform.node(), help="whose files (default: this one)")
    add("--script", metavar="FILE", help="write a program that does this without restic-verify")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Write the manifest, or the program that does, and conclude."""
    from verifier.drill.manifest_script import Manifest, script

    started_at = context.clock.now()
    request = _request(options)
    told = _Told((), Coverage("programs", 1, 1), {})
    if options.script is not None:
        with _written(options.script):
            Path(options.script).write_text(script(**request), encoding="ascii")
            Path(options.script).chmod(0o755)
    else:
        manifest = Manifest(**request)
        with _written(options.output):
            manifest.write()
        told = _tell(manifest, options.host)
    return conclude(
        "manifest",
        told.findings,
        told.coverage,
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={name: request[name] for name in ("host", "roots", "output")},
        measurements=told.measurements,
    )


def programs(config: Config) -> dict[str, File]:
    """Return the program of every host that has a manifest, under the path to install it at.

    Raises:
        UsageError: an exclude pattern that restic would refuse too.
    """
    from verifier.cycle.file import SCRIPT, File
    from verifier.drill.manifest_program import PROGRAM, host_program

    texts = {host.name: host_program(host) for host in config.hosts}
    return {
        f"hosts/{name}/{PROGRAM}": File(text, SCRIPT)
        for name, text in texts.items()
        if text is not None
    }


@dataclass(frozen=True, slots=True)
class _Told:
    """What a run has to say: the parts of a report."""

    findings: tuple[Finding, ...]
    coverage: Coverage
    measurements: dict[str, object]


def _request(options: argparse.Namespace) -> dict[str, Any]:
    from verifier.drill.manifest_program import known_excludes

    if not 0 <= options.reread_percent <= 100:
        found = f"{options.reread_percent} is no percentage"
        raise UsageError("--reread-percent", found, "give a number from 0 to 100")
    return {
        "roots": [str(Path(root).absolute()) for root in options.roots],
        "output": str(Path(options.output).absolute()),
        "previous": str(Path(options.previous or options.output).absolute()),
        "excludes": known_excludes(options.exclude),
        "one_file_system": options.one_file_system,
        "reread_percent": options.reread_percent,
        "host": options.host,
    }


@contextmanager
def _written(path: str) -> Iterator[None]:
    """Translate what stops a file from being written; the one that was there is still there.

    Raises:
        NoSpace, CannotVerify: it cannot be.
    """
    try:
        yield
    except BlockingIOError as error:
        message = "another run is writing this manifest"
        raise CannotVerify(path, message, "let it end, or see why it does not") from error
    except OSError as error:
        kind = NoSpace if error.errno in {errno.ENOSPC, errno.EDQUOT} else CannotVerify
        message = f"cannot be written: {error.strerror}; an earlier one is as it was"
        raise kind(path, message, "name a file in a folder that may be written to") from error


def _tell(manifest: Manifest, host: str) -> _Told:
    from verifier.drill.manifest_script import LISTED

    found = [Finding("corrupted", f"{host}:{shown(path)}", _ROTTEN) for path in manifest.rotten]
    for sentence in manifest.unread:
        path, _, why = sentence.rpartition(": ")
        found.append(Finding("unreadable", f"{host}:{shown(path)}", f"{_UNREAD}: {why}"))
    for kind, total in (
        ("corrupted", manifest.rotten_count),
        ("unreadable", manifest.unread_count),
    ):
        if total > LISTED:
            found.append(Finding(kind, host, f"{total} files in all; the first {LISTED} are named"))
    unread = {"unreadable": manifest.unread_count} if manifest.unread_count else {}
    coverage = Coverage("files", manifest.files - manifest.unread_count, manifest.files, unread)
    names = ("read_files", "read_bytes", "kept_files")
    return _Told(tuple(found), coverage, {name: getattr(manifest, name) for name in names})
