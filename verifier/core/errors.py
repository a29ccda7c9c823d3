"""Errors: what stopped us from looking. What we saw when we looked is a finding, never an error.

    VerifyError                    subject, message, remedy: all three, always
    ├── UsageError                 exit 64: options that contradict, a command that does not exist
    │   └── ConfigError            a file, the line and key in it, what was found, what was expected
    ├── CannotVerify               exit 3: becomes one UNKNOWN finding
    │   ├── HostUnreachable        the host, how it was tried
    │   ├── ResticFailed           masked command, exit status, its last lines
    │   │   ├── NoRepository
    │   │   ├── RepositoryLocked
    │   │   └── WrongPassword
    │   ├── RepositoryUnreadable   the location, the object in it
    │   │   └── NoKeyOpens         the location; restic was not asked
    │   ├── ClockNotControlled     the process that kept its own time
    │   ├── NotPermitted           what this user, or this machine, may not do
    │   ├── NoSpace                bytes needed, bytes free
    │   └── ToolMissing            the tool, the package that carries it
    ├── Interrupted                exit 128 + the signal
    └── DeliveryFailed             the report is spooled; a verdict never changes by it

Foreign exceptions are translated once, in the adapter that met them.
"""

from __future__ import annotations


class VerifyError(Exception):
    """Something stopped us from looking.

    Args:
        subject: what it is about, as the user would name it (a file, a host, an option).
        message: one sentence saying what is wrong.
        remedy: one sentence saying what to do about it.
    """

    def __init__(self, subject: str, message: str, remedy: str) -> None:
        super().__init__(f"{subject}: {message}")
        self.subject = subject
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # An error crosses process borders whole, whatever arguments its class takes.
        return _revive, (type(self), self.args, self.__dict__)


def _revive(
    kind: type[VerifyError], args: tuple[object, ...], state: dict[str, object]
) -> VerifyError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(VerifyError):
    """The command line cannot be obeyed as given."""


class ConfigError(UsageError):
    """A configuration file cannot be obeyed as written.

    Args:
        file: path of the file.
        key: dotted key, with indexes from 0 (`hosts[1].include`); empty for the whole file.
        line: line of the key, counted from 1, where it is known.
        found: what stands there, shortened.
        expected: what may stand there.
        remedy: what to write instead.
        others: the other things that are wrong in the file, one sentence each.
    """

    def __init__(
        self,
        file: str,
        key: str,
        *,
        line: int | None,
        found: str,
        expected: str,
        remedy: str,
        others: tuple[str, ...] = (),
    ) -> None:
        where = file if line is None else f"{file}:{line}"
        about = f"{key}: " if key else ""
        more = "".join(f"\n  also {other}" for other in others)
        super().__init__(where, f"{about}found {found}, expected {expected}{more}", remedy)
        self.file = file
        self.key = key
        self.line = line
        self.found = found
        self.expected = expected
        self.others = others


class CannotVerify(VerifyError):
    """We could not look; nothing is known about the subject."""


class HostUnreachable(CannotVerify):
    """A host did not answer."""


class ResticFailed(CannotVerify):
    """restic ended with an error.

    Args:
        command: the command line, secrets masked.
        status: its exit status; negative for a signal.
        last_lines: the end of its standard error, as text for people.
    """

    def __init__(self, command: str, status: int, last_lines: str, remedy: str) -> None:
        super().__init__("restic", f"`{command}` ended with {status}: {last_lines}", remedy)
        self.command = command
        self.status = status
        self.last_lines = last_lines


class NoRepository(ResticFailed):
    """There is no restic repository at that location (exit 10 since restic 0.17)."""


class RepositoryLocked(ResticFailed):
    """Another restic holds a lock (exit 11 since restic 0.17)."""


class WrongPassword(ResticFailed):
    """No key of the repository opens with that password (exit 12 since restic 0.17)."""


class RepositoryUnreadable(CannotVerify):
    """An object of the repository cannot be read at all, so nothing behind it can be judged."""


class NoKeyOpens(RepositoryUnreadable):
    """Read without restic: no key file of the repository opens with that password."""


class ClockNotControlled(CannotVerify):
    """A process went on with the machine's own time."""


class NotPermitted(CannotVerify):
    """This machine does not let us do what the work needs."""


class NoSpace(CannotVerify):
    """A disk has, or had, too little room for the work."""


class ToolMissing(CannotVerify):
    """A program that the work needs is not installed, or is too old."""


class Interrupted(VerifyError):
    """A signal asked us to stop.

    Args:
        signal: its number; the process ends with 128 + signal.
    """

    def __init__(self, signal: int, name: str) -> None:
        super().__init__(name, "interrupted before the work was done", "run the command again")
        self.signal = signal


class DeliveryFailed(VerifyError):
    """A sink did not take what it was sent; that is kept and sent later.

    Args:
        arrived: how many of several, from the first on, did arrive.
    """

    def __init__(self, subject: str, message: str, remedy: str, *, arrived: int = 0) -> None:
        super().__init__(subject, message, remedy)
        self.arrived = arrived


def to_install(extra: str) -> str:
    """Return what to do where an extra of this package is missing: a clone of it is what has it."""
    return f"in a clone of restic-verify: pip install '.[{extra}]'"
