"""Hosts: where a command runs, whatever carries it there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

_GO_CALL = re.compile(r"^\S[^\n]*\n\t\S+\.(?:go|s):\d+(?: \+0x[0-9a-f]+)?(?:\n|\Z)", re.MULTILINE)


def without_stacks(text: str) -> str:
    """Remove the stacks of Go: restic prints one of fifteen calls between a message and its end.

    A call is two lines, the function and, after a tab, its place.
    """
    return _GO_CALL.sub("", text)


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, with what must never be printed.

    Attributes:
        env: variables set on top of the host's own environment.
        stdin: bytes for its standard input; none closes it.
        stdin_file, stdout_file: its standard input comes from a file and its output goes into one,
            both on this machine, so that neither is ever whole in memory; empty for neither.
        secrets: texts masked wherever the command is shown.
        cwd: the folder to run in; empty for the host's own.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    secrets: tuple[str, ...] = ()
    cwd: str = ""
    stdin_file: str = ""
    stdout_file: str = ""

    def __str__(self) -> str:
        line = shlex.join(self.argv)
        for secret in self.secrets:
            if secret:
                line = line.replace(secret, "***")
        return line


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended: `status` is negative for the signal that ended it.

    Its `stdout` is empty where that went into a file.
    """

    status: int
    stdout: bytes
    stderr: bytes
    duration_s: float

    def last_lines(self, count: int = 3) -> str:
        """Return the end of its standard error as one line of text, without stacks."""
        lines = without_stacks(self.stderr.decode(errors="replace")).strip().splitlines()
        return " / ".join(line.strip() for line in lines[-count:])


class Host(Protocol):
    """A place where commands run."""

    @property
    def name(self) -> str:
        """The host's name, as in the configuration."""
        ...

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Run the command to its end.

        Raises:
            ToolMissing: there is no such program.
            HostUnreachable: the host does not answer.
            CannotVerify: the time limit ran out; the command and its children were ended.
            Interrupted: a signal arrived; the command and its children were ended.
        """
        ...
