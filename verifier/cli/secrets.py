"""The password that opens a repository, found as restic finds it: by command, file or variable.

What a configuration names goes before the environment, as `Access` has it. Never printed, never
put among a command's arguments. Source: restic's documentation, "Environment Variables", and the
answers of restic 0.14.0 and 0.19.1 to odd commands and files.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Protocol

from verifier.cli.output import put
from verifier.config.values import Secret
from verifier.config.words import split_command
from verifier.core.errors import CannotVerify, ToolMissing, UsageError
from verifier.core.host import Command, Host

COMMAND_LIMIT_S = 300.0
"""How long a password command may take: it may ask a key server, or a person."""

TOLD_AFTER_S = 5.0
"""Who has waited for one so long is told what for."""


class Settings(Protocol):
    """What names a password: `restic.commands.Access`, or the configuration's `[repository]`."""

    @property
    def password_file(self) -> str | None:
        """A file that holds it."""
        ...

    @property
    def password_command(self) -> str | None:
        """A command that prints it."""
        ...


def repository_password(settings: Settings | None, environ: Mapping[str, str], host: Host) -> str:
    """Return a repository's password.

    Args:
        settings: what the configuration says; none, or one that names nothing, leaves it to
            restic's environment.
        host: this machine, where a password command runs.

    Raises:
        UsageError: no password is named, or two are.
        CannotVerify: the file cannot be read, the command fails, or what they say is empty.
    """
    file = settings.password_file if settings else None
    command = settings.password_command if settings else None
    password = None
    if not file and not command:
        file = environ.get("RESTIC_PASSWORD_FILE")
        command = environ.get("RESTIC_PASSWORD_COMMAND")
        password = environ.get("RESTIC_PASSWORD")
    if file and command:
        message = f"both {file} and a password command are to give the password"
        raise UsageError("password", message, "name one of the two, as restic wants it")
    if command:
        return _from_command(command, host)
    if file:
        return _from_file(file)
    if not password:
        remedy = (
            "set repository.password-file in the configuration, or "
            "RESTIC_PASSWORD_FILE, RESTIC_PASSWORD_COMMAND or RESTIC_PASSWORD"
        )
        raise UsageError("password", "nothing says what opens the repository", remedy)
    return password


def read_secret(secret: Secret, host: Host) -> str:
    """Return a secret that `verify.toml` names: a file's first line, or what a command prints.

    Raises:
        CannotVerify: it cannot be had, or is empty.
    """
    if secret.file:
        return _from_file(secret.file).partition("\n")[0].strip()
    return _from_words(secret.command, "secret's command", host)


def _from_command(text: str, host: Host) -> str:
    return _from_words(split_command(text), "password command", host)


def _from_words(words: tuple[str, ...], subject: str, host: Host) -> str:
    # What it says on standard error may be the password too, so that is not repeated.
    remedy = "run the command by hand; it must print the password and end with status 0"
    try:
        with _waiting(f"the {subject} ({words[0]})"):
            done = host.run(Command(words), timeout_s=COMMAND_LIMIT_S)
    except ToolMissing as error:
        raise CannotVerify(subject, error.message, remedy) from error
    if done.status:
        raise CannotVerify(subject, f"ended with {done.status}", remedy)
    return _told(done.stdout, subject)


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Say on standard error what is waited for, where that takes long."""
    said = f"restic-verify: waiting for {what}, at most {COMMAND_LIMIT_S:.0f} s\n"
    timer = Timer(TOLD_AFTER_S, lambda: put(sys.stderr, said))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _from_file(file: str) -> str:
    try:
        stored = Path(file).read_bytes()
    except OSError as error:
        message = f"the password file cannot be read: {error.strerror}"
        remedy = "see that it is there (is its disk mounted?) and that this user may read it"
        raise CannotVerify(file, message, remedy) from error
    return _told(stored, file)


def _told(stored: bytes, subject: str) -> str:
    encoding = "utf-8-sig"
    if stored.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Windows PowerShell writes its files so, and restic reads them.
        encoding = "utf-16"
    try:
        password = stored.decode(encoding, "surrogateescape").strip()
    except UnicodeDecodeError as error:
        message = "holds half a character of UTF-16"
        raise CannotVerify(subject, message, "write the password there anew") from error
    if not password:
        raise CannotVerify(subject, "holds an empty password", "write the password there")
    return password
