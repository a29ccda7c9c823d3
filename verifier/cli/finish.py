"""The one ending of every command: render the report, turn the verdict into the exit code."""

from __future__ import annotations

import argparse
import errno
import io
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from verifier import __version__
from verifier.cli.context import Context
from verifier.cli.internal import REMEDY, internal
from verifier.cli.output import put, say, shows
from verifier.cli.record import open_record
from verifier.clock.system import SystemClock
from verifier.core.errors import (
    CannotVerify,
    ConfigError,
    Interrupted,
    NoSpace,
    UsageError,
    VerifyError,
)
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude

EXIT_USAGE = 64
EXIT_SIGNAL = 128
_SCHEMA = "verifier.monitor.render.schema"

Run = Callable[[argparse.Namespace, Context], Report]


def versions(**more: str) -> dict[str, str]:
    """Return the versions every report names, and more of the command's own."""
    return {
        "restic-verify": __version__,
        "python": platform.python_version(),
        "os": f"{platform.system()} {platform.release()}",
        **more,
    }


def run_command(
    name: str, run: Run, options: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    """Run a command to its report and deliver that."""
    _import_early(_SCHEMA)
    if options.report is not None:
        # Before the work, not after it: a long run must not end in a folder that cannot be made.
        with writing(options.report):
            Path(options.report).mkdir(parents=True, exist_ok=True)
            (Path(options.report) / "report.json").touch()
    context = Context(SystemClock(), environ, sys.stderr or io.StringIO())
    options.record = open_record(name, options, context)
    if options.record is not None:
        options.record.begin()
    report = run(options, context)
    assert report.kind == name, f"{name} ended in a report of {report.kind}"
    if options.record is not None:
        report = options.record.end(report)
    envelope = report.envelope()
    from verifier.monitor.render.schema import problems

    wrong = problems(envelope)
    assert not wrong, f"the report breaks its own schema: {wrong[0]}"
    if options.report is not None:
        write_folder(Path(options.report), envelope)
    _print(envelope, environ, as_json=options.json)
    return report.verdict.value


def _import_early(module: str) -> None:
    """Import beside the command: the schema takes a tenth of a second to build."""
    # Signals are the main thread's: one that another thread takes is lost to who waits for it.
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        threading.Thread(target=import_module, args=(module,), daemon=True).start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def writing(folder: str, option: str = "--report") -> Iterator[None]:
    """Translate what the disk says while something is written below a report's folder.

    Args:
        option: that named the folder.

    Raises:
        NoSpace, UsageError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        kind = NoSpace if error.errno in {errno.ENOSPC, errno.EDQUOT} else UsageError
        message = f"the report cannot be written: {error.strerror}"
        raise kind(folder, message, f"name another folder with {option}") from error


def write_folder(folder: Path, envelope: Mapping[str, object], option: str = "--report") -> None:
    """Write a report into a folder: a page, and its JSON beside it.

    Args:
        option: that named the folder.

    Raises:
        NoSpace, UsageError: it cannot be written.
    """
    from verifier.monitor.render.json import render_json
    from verifier.monitor.render.page import page

    with writing(str(folder), option):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(render_json(envelope), encoding="utf-8")
        (folder / "index.html").write_text(page(envelope), encoding="utf-8")


def _print(envelope: Mapping[str, object], environ: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        from verifier.monitor.render.json import render_json

        text = render_json(envelope)
    else:
        from verifier.monitor.render import text as lines

        text = lines.text(envelope, colour=_coloured(environ), plain=not shows(sys.stdout, "✓✗→"))
    say(text.rstrip("\n") + "\n")


def _coloured(environ: Mapping[str, str]) -> bool:
    # no-color.org: whatever its value, as long as there is one.
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return wanted and sys.stdout is not None and sys.stdout.isatty()


def finish_error(
    name: str, error: BaseException, options: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    """End a command that raised: one report, one line with a remedy, the documented exit code.

    A `SystemExit` of the argument parser (`--help`) passes with its own code.

    Args:
        options: as far as they were understood: `json`, `report` and `record` at least.
    """
    if isinstance(error, SystemExit):
        return int(error.code or 0)
    finding, remedy, exit_code = _explain(error, environ)
    message = f"{finding.subject}: {finding.detail}"
    now = SystemClock().now()
    report = conclude(
        name,
        (finding,),
        Coverage("checks", 0, 0),
        started_at=now,
        finished_at=now,
        tool=versions(),
        sections={"error": {"message": message, "remedy": remedy, "exit_code": exit_code}},
    )
    if options.record is not None:
        report = options.record.end(report, error)
    envelope = report.envelope()
    if options.report:
        # A page of last month must not stand for a run that did not end. Where it is the folder
        # itself that failed, that has been said.
        with suppress(VerifyError):
            write_folder(Path(options.report), envelope)
    if options.json:
        with suppress(CannotVerify):
            _print(envelope, environ, as_json=True)
    # What is said of this program itself, or of one of its commands, has that name as its subject.
    ours = finding.subject.partition(" ")[0] == "restic-verify"
    put(sys.stderr, f"{message if ours else f'restic-verify: {message}'}\n  {remedy}\n")
    return exit_code


def _explain(error: BaseException, environ: Mapping[str, str]) -> tuple[Finding, str, int]:
    if isinstance(error, KeyboardInterrupt):
        error = Interrupted(2, "SIGINT")
    if isinstance(error, Interrupted):
        code = EXIT_SIGNAL + error.signal
        return Finding("interrupted", error.subject, error.message), error.remedy, code
    if isinstance(error, VerifyError):
        code = EXIT_USAGE if isinstance(error, UsageError) else 3
        return (
            Finding("could-not-verify", error.subject, error.message, _evidence(error)),
            error.remedy,
            code,
        )
    return internal("restic-verify", error, environ), REMEDY, 3


def _evidence(error: VerifyError) -> dict[str, object]:
    if isinstance(error, ConfigError):
        return {
            "file": error.file,
            "line": error.line,
            "key": error.key,
            "found": error.found,
            "expected": error.expected,
        }
    return {"error": type(error).__name__} if isinstance(error, CannotVerify) else {}
