"""The command line: find the command, run it, end in one place whatever happens.

Imports are lazy: a command's module is loaded when that command is asked for.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from verifier import __version__
from verifier.core.errors import Interrupted, UsageError

COMMANDS = {
    "simulate": "run a timeline of backups and prove which snapshots survive",
    "plan": "say what a policy would keep and remove, and why",
    "monthly": "restore the newest snapshots and compare them with the live files",
    "toolchain": "provide further restic releases side by side",
}
"""Command -> what it does, in a line; each is a module of this room."""

EXIT_CODES = """\
exit codes:
  0 OK    1 WARNING    2 CRITICAL    3 UNKNOWN: could not verify
  64 wrong usage or configuration    130/143 interrupted by SIGINT/SIGTERM
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are our errors."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process.

        Raises:
            UsageError: always.
        """
        raise UsageError(self.prog, message, f"see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(_overview(), end="")
        return 0
    if arguments[0] == "--version":
        print(f"restic-verify {__version__}")
        return 0
    from verifier.cli.finish import finish_error, run_command

    try:
        with _signals():
            if arguments[0] not in COMMANDS:
                raise _unknown_command(arguments[0])
            module = importlib.import_module(f"verifier.cli.{arguments[0]}")
            parser = _parser(arguments[0])
            module.add_options(parser)
            options = parser.parse_args(arguments[1:])
            return run_command(arguments[0], module.run, options, dict(os.environ))
    except BaseException as error:  # noqa: BLE001 - the one place where every failure ends
        return finish_error(arguments, error, dict(os.environ))


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}\n" for name, about in COMMANDS.items()]
    return (
        "usage: restic-verify COMMAND [options]\n\n"
        "Would I get my data back, and will the snapshot I need still be there next year?\n\n"
        f"commands:\n{''.join(lines)}\n"
        "  --version, --help; `restic-verify COMMAND --help` for a command's options\n\n"
        + EXIT_CODES
    )


def _parser(command: str) -> Parser:
    parser = Parser(
        prog=f"restic-verify {command}",
        description=COMMANDS[command][0].upper() + COMMANDS[command][1:] + ".",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--json", action="store_true", help="print exactly one JSON object on standard output"
    )
    parser.add_argument(
        "--report", metavar="DIR", help="write an HTML page and the JSON report into DIR"
    )
    return parser


def _unknown_command(name: str) -> UsageError:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else "see `restic-verify --help`"
    return UsageError("restic-verify", f"there is no command {name!r}", remedy)


@contextmanager
def _signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into one exception; a second signal during the tidying is ignored."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for wanted in _STOPS:
            signal.signal(wanted, signal.SIG_IGN)
        raise Interrupted(number, signal.Signals(number).name)

    before = {number: signal.signal(number, interrupt) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_STOPS = (signal.SIGINT, signal.SIGTERM)
