"""The command line: find the command, run it, end in one place whatever happens.

Imports are lazy: a command's module is loaded when that command is asked for.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from verifier import __version__
from verifier.cli.output import REPORT_OPTIONS, say
from verifier.core.errors import Interrupted, UsageError

COMMANDS = {
    "simulate": "run a timeline of backups and prove which snapshots survive",
    "scenario": "run scenario files: a system, what goes wrong in it, and what must follow",
    "plan": "say what a policy would keep and remove, and why",
    "monthly": "drill a production repository: integrity, every host, rehearsal, copy, audit",
    "drill": "hold one host's snapshots against its live files, byte for byte, now",
    "audit": "hold a repository's snapshots against its policy, and look for what is unusual",
    "collect": "read the log of the backup runs into the history",
    "history": "list, export or tidy what is remembered",
    "report": "show a report of the past",
    "report verify": "hold signed reports against a public key, and against each other",
    "report controls": "map the signed reports of a period to controls, on a page to be printed",
    "alert": "evaluate the alert rules once and send what is due",
    "ledger": "show what was verified when, and what follows from it",
    "manifest": "hash every file just before it is backed up",
    "init": "write a first verify.toml from an existing repository",
    "daemon": "run the jobs where there is no systemd: backups, drill, alerts",
    "render": "write what production installs, or say what of it has drifted",
    "doctor": "see whether everything is in place: machine, repository, hosts, sinks, timers",
    "dashboard": "serve the pages: the present, durations, logs, proofs, restore points, reports",
    "clock": "run any command under a clock of your own",
    "toolchain": "provide further restic releases side by side",
}
"""Command -> what it does, in a line; each is a module of this room, of two words with a `_`."""

_CODES = """\
exit codes:
  0 OK    1 WARNING    2 CRITICAL    3 UNKNOWN: could not verify
  64 wrong usage or configuration    """

EXIT_CODES = f"{_CODES}130/143/129 interrupted by SIGINT/SIGTERM/SIGHUP\n"

_SERVES = {
    "daemon": "a signal is no interruption: SIGINT and SIGTERM end it with 0, SIGHUP reloads",
    "dashboard": "a signal is no interruption: SIGINT, SIGTERM and SIGHUP end it with 0",
}
"""A command that runs until a signal ends it, and what that does."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are our errors."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process.

        Raises:
            UsageError: always.
        """
        raise UsageError(self.prog, message, f"see `{self.prog} --help`")

    def print_help(self, file: object = None) -> None:
        """Write to standard output, as everything else does."""
        say(self.format_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # What can be said of the options before they are parsed, and where they cannot be.
    # What stands behind a `--` is a command's own.
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    options = argparse.Namespace(json="--json" in ours, report=None, record=None)
    name = _command(arguments)
    kind = name.partition(" ")[0]
    with _signals(last=argv is None) as ignore_them:
        try:
            if arguments[:1] in (["-h"], ["--help"]):
                say(_overview())
                return 0
            if arguments[:1] == ["--version"]:
                say(f"restic-verify {__version__}\n")
                return 0
            if name not in COMMANDS:
                raise _no_command(arguments)
            from verifier.cli.finish import run_command

            module = importlib.import_module(f"verifier.cli.{name.replace(' ', '_')}")
            parser = _parser(name)
            module.add_options(parser)
            given = arguments[len(name.split()) :]
            _refuse_empty(parser.parse_args(given, namespace=options))
            return run_command(kind, module.run, options, dict(os.environ))
        except BaseException as error:  # noqa: BLE001 - the one place where every failure ends
            ignore_them()
            from verifier.cli.finish import finish_error

            return finish_error(kind, error, options, dict(os.environ))


def _command(arguments: Sequence[str]) -> str:
    """Return the command that is meant, of two words or one; this program's name where none is."""
    names = (" ".join(arguments[:words]) for words in (2, 1))
    return next((name for name in names if name in COMMANDS), "restic-verify")


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
    further = [name for name in COMMANDS if name.startswith(f"{command} ")]
    known = f"of its own: restic-verify {', restic-verify '.join(further)}\n\n" if further else ""
    parser = Parser(
        prog=f"restic-verify {command}",
        description=COMMANDS[command][0].upper() + COMMANDS[command][1:] + ".",
        epilog=known + exit_codes(command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for option, how in REPORT_OPTIONS.items():
        parser.add_argument(option, **how)
    return parser


def exit_codes(command: str) -> str:
    """Return the exit codes of a command, as its help ends with them."""
    said = _SERVES.get(command)
    return EXIT_CODES if said is None else f"{_CODES.rstrip()}\n  {said}\n"


def _no_command(arguments: Sequence[str]) -> UsageError:
    import difflib

    if not arguments:
        remedy = f"commands are {', '.join(COMMANDS)}; see `restic-verify --help`"
        return UsageError("restic-verify", "no command was given", remedy)
    name = arguments[0]
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else "see `restic-verify --help`"
    if name.startswith("-"):
        remedy = "the command comes first: see `restic-verify --help`"
    return UsageError("restic-verify", f"there is no command {name!r}", remedy)


def _refuse_empty(options: argparse.Namespace) -> None:
    # `--config "$FILE"` with a FILE that is not set must not prove something else. In restic's own
    # words, no grouping at all is an empty `--group-by`.
    for name, value in vars(options).items():
        if value == "" and name != "group_by":
            remedy = "write a value, or leave the option away"
            raise UsageError(f"--{name.replace('_', '-')}", "was given without a value", remedy)


@contextmanager
def _signals(*, last: bool) -> Iterator[Callable[[], None]]:
    """Turn a signal into one exception; those that follow during the tidying are ignored.

    Gives a function from which on all of them are.

    Args:
        last: the process ends next: a signal then finds nothing left to interrupt.
    """
    # `nohup` has the hang-up ignored, and means it.
    stops = [n for n in _STOPS if n is not signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]

    def ignore() -> None:
        # Not SIG_IGN, which every program started from here would inherit.
        for number in stops:
            signal.signal(number, lambda *_: None)

    def interrupt(number: int, _frame: FrameType | None) -> None:
        ignore()
        raise Interrupted(number, signal.Signals(number).name)

    before = {number: signal.signal(number, interrupt) for number in stops}
    try:
        yield ignore
    finally:
        if last:
            # One that came between its handler's end and here would be complained about.
            signal.pthread_sigmask(signal.SIG_BLOCK, stops)
        for number, handler in before.items():
            # Python takes its own handlers away before it ends, not this one.
            signal.signal(number, signal.SIG_IGN if last else handler)


_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
