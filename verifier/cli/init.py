"""`restic-verify init`: a first verify.toml from a repository that is there already."""

from __future__ import annotations

import argparse
import os
import platform
import zoneinfo
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.cli.init_seen import Seen
    from verifier.retention.rules import Rules

STDOUT = "-"
FILE = "verify.toml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("--repo", metavar="LOCATION", help="the repository (default: RESTIC_REPOSITORY)")
    add(
        "--snapshots",
        metavar="FILE",
        help="output of `restic snapshots --json`, or -, in place of a repository",
    )
    add("--output", metavar="FILE", default=FILE, help=f"where to, or - (default: {FILE})")
    add("--force", action="store_true", help="overwrite a file that is there")
    add(
        "--rules",
        metavar="VERSION",
        help="the restic release that forgets (default: the one on PATH, else the newest known)",
    )


def run(options: argparse.Namespace, context: Context) -> Report:
    """Guess, write, and conclude."""
    from verifier.cli.init_guess import guess
    from verifier.cli.init_seen import see
    from verifier.cli.init_text import Machine, configured, first_config, guess_records

    started_at = context.clock.now()
    output = Path(options.output)
    # Before the work: it may take minutes to be told of a repository.
    if options.output != STDOUT and not options.force and output.exists():
        raise UsageError(options.output, "is there already", "name another, or add --force")
    seen = see(options.repo, options.snapshots, context)
    guessed = guess(seen, _rules(options.rules, seen), _zones(), tuple(_here(context.environ)))
    if not configured(guessed):
        message = "no host can stand in a configuration: none has a plain name and full paths"
        raise CannotVerify(seen.source, message, "see `restic snapshots` for what there is")
    environ = dict(context.environ)
    if environ.get("RESTIC_PASSWORD_FILE"):
        # restic takes it from where it stands; a configuration is read from anywhere.
        environ["RESTIC_PASSWORD_FILE"] = str(Path(environ["RESTIC_PASSWORD_FILE"]).absolute())
    machine = Machine(
        platform.node().partition(".")[0],
        environ.get("RESTIC_PASSWORD_FILE", ""),
        environ.get("RESTIC_PASSWORD_COMMAND", ""),
    )
    text = first_config(seen, guessed, machine, started_at)
    _check(text, environ)
    if options.output != STDOUT:
        _write(output, text, force=options.force)
    shown: dict[str, object] = {"guesses": guess_records(guessed)}
    if options.output == STDOUT:
        shown["files"] = [{"path": FILE, "mode": "0644", "text": text}]
    return conclude(
        "init",
        (),
        Coverage("snapshots", len(seen.stored), len(seen.stored)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(**({"restic": seen.release} if seen.release else {})),
        inputs={"source": seen.source, "output": options.output},
        measurements={"hosts": len(configured(guessed))},
        sections=shown,
    )


def _rules(wanted: str | None, seen: Seen) -> Rules:
    from verifier.retention.rules import NEWEST, release_text, rules_for

    return rules_for(wanted or seen.release or release_text(NEWEST))


def _zones() -> Mapping[str, tzinfo]:
    odd = {"Factory", "localtime", "posixrules"}
    names = (name for name in zoneinfo.available_timezones() - odd if not name.startswith("posix"))
    return {name: ZoneInfo(name) for name in sorted(names)}


def _here(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what this machine calls its zone: that of the coordinator, as a rule."""
    if environ.get("TZ"):
        yield environ["TZ"].lstrip(":")
    with suppress(OSError):
        yield Path("/etc/timezone").read_text(encoding="ascii").strip()
    with suppress(OSError):
        _, _, name = str(Path("/etc/localtime").readlink()).partition("zoneinfo/")
        yield name


def _check(text: str, environ: Mapping[str, str]) -> None:
    from verifier.config.load import parse

    # What the file leaves to the environment is a location that nobody has named here.
    parse(text, FILE, {"RESTIC_REPOSITORY": "/elsewhere", **environ})


def _write(output: Path, text: str, *, force: bool) -> None:
    try:
        if not force:
            with output.open("x", encoding="utf-8"):
                pass
        elif output.exists() and not output.is_file():
            # A device or a pipe, which nothing can take the place of.
            output.write_text(text, encoding="utf-8")
            return
        _replace(output.resolve(), text, made=not force)
    except FileExistsError:
        raise UsageError(str(output), "is there already", "name another, or add --force") from None
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise CannotVerify(str(output), message, "name another with --output") from error


def _replace(output: Path, text: str, *, made: bool) -> None:
    """Let the whole text stand there, or what stood there before: disks are full at times."""
    beside = output.with_name(f".{output.name}.{os.getpid()}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.chmod(output.stat().st_mode & 0o777 if output.exists() else 0o644)
        beside.replace(output)
    except BaseException:
        if made:
            output.unlink(missing_ok=True)
        raise
    finally:
        beside.unlink(missing_ok=True)
