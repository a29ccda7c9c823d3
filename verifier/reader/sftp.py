"""A remote file system over SFTP, by way of the user's own OpenSSH, as restic does it.

`ssh … -s host sftp` is run, so that ~/.ssh/config, agents, certificates and jump hosts work. Only
reads: the verbs that change something are not there. Nobody is asked for a password.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import select
import shlex
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from paramiko import ProxyCommand, SFTPAttributes, SFTPClient, SFTPError, SSHException

from verifier.core.errors import ToolMissing
from verifier.reader.remote import Unservable

CONNECT_S, ALIVE_S, ALIVE_COUNT = 20, 15, 2

_SILENCE_S = 30.0
"""How long one answer is awaited: a server whose disk hangs keeps the connection alive."""

_ENDING_S = 5.0
_REQUEST_BYTES = 32 << 10
"""What every server gives in one answer, and paramiko asks for; all requests are sent at once."""

# What ssh says when trying again is of no use.
_REFUSALS = (
    "Permission denied",
    "Host key verification failed",
    "Too many authentication failures",
    "Name or service not known",
    "subsystem request failed",
    "Bad owner or permissions",
    "Bad configuration option",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenSsh:
    """The files of a host behind ssh, with fsspec's verbs; one connection a process.

    Args:
        user, port: empty or none for what ssh itself would choose.
    """

    host: str
    user: str = ""
    port: int | None = None

    def ls(self, path: str, detail: bool = True) -> list[dict[str, Any]]:
        """List a directory; always in detail. Links are shown as what they lead to."""
        assert detail
        return self._ask(lambda client: list(_entries(client, path)))

    def info(self, path: str) -> dict[str, Any]:
        """Describe one path."""
        return self._ask(lambda client: _describe(path, client.stat(path)))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read a file from `start` up to `end`, or up to its own end."""
        return self._ask(lambda client: _read(client, path, start or 0, end))

    def argv(self) -> tuple[str, ...]:
        """Return the command that speaks SFTP on its standard input and output."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": CONNECT_S,
            "ServerAliveInterval": ALIVE_S,
            "ServerAliveCountMax": ALIVE_COUNT,
            "LogLevel": "ERROR",
        }
        return (
            "ssh",
            *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
            *(("-l", self.user) if self.user else ()),
            *(("-p", str(self.port)) if self.port is not None else ()),
            *("-s", "--", self.host, "sftp"),
        )

    def _ask(self, question: Callable[[SFTPClient], T]) -> T:
        line = _line(self, os.getpid())
        with line.lock:
            client = line.client()
            try:
                return question(client)
            except (SSHException, SFTPError, EOFError, TimeoutError) as error:
                raise line.drop(error) from error
            except OSError as error:
                # A status of the server: the connection is as good as before.
                if error.errno is None:
                    raise Unservable(str(error)) from error
                raise
            except BaseException:
                # An answer that nobody took would be taken for the next one.
                line.drop(ConnectionError())
                raise


class _Line:
    """The one connection of a process to a host, opened when it is first needed, and again."""

    def __init__(self, target: OpenSsh) -> None:
        self.lock = threading.Lock()
        self._target = target
        self._client: SFTPClient | None = None
        self._ssh: _Ssh | None = None

    def client(self) -> SFTPClient:
        if self._client is None:
            self._ssh = _start(self._target.argv())
            try:
                self._client = SFTPClient(self._ssh)  # type: ignore[arg-type]
            except (SSHException, SFTPError, EOFError, OSError) as error:
                raise self.drop(error) from error
        return self._client

    def drop(self, error: Exception) -> OSError:
        """End the connection and return what to raise: ssh's own words where it said something."""
        said = (self._ssh.end() or "") if self._ssh is not None else ""
        self._client = self._ssh = None
        refused = any(words in said for words in _REFUSALS)
        return (PermissionError if refused else ConnectionError)(said or str(error))


@functools.cache
def _line(target: OpenSsh, pid: int) -> _Line:
    # By process: a child that was forked must not speak on its parent's connection.
    return _Line(target)


class _Ssh(ProxyCommand):
    """A running ssh as what paramiko's SFTP client speaks on.

    paramiko's own `recv` turns without end once the command has ended.
    """

    def __init__(self, argv: tuple[str, ...]) -> None:
        super().__init__(shlex.join(argv))
        # Also when this process ends.
        self.end = weakref.finalize(self, _end, self.process)

    def recv(self, size: int) -> bytes:
        """Return what came, at most `size` bytes; nothing once ssh has ended."""
        assert self.process.stdout is not None
        output = self.process.stdout.fileno()
        waiting = select.poll()
        waiting.register(output, select.POLLIN)
        if not waiting.poll(_SILENCE_S * 1000):
            raise TimeoutError(f"no answer in {_SILENCE_S:.0f} seconds")
        return os.read(output, size)

    def get_name(self) -> str:
        """Name the connection, for paramiko's log."""
        return "ssh"


def _start(argv: tuple[str, ...]) -> _Ssh:
    try:
        return _Ssh(argv)
    except FileNotFoundError as error:
        raise ToolMissing(
            "ssh", "it is not on PATH, and sftp: goes by it", "install the package openssh-client"
        ) from error


def _end(process: Any) -> str:
    """End ssh, and return the last that it said."""
    process.stdin.close()
    with contextlib.suppress(Exception):
        process.wait(_ENDING_S if process.poll() is None else 0)
    if process.poll() is None:
        process.kill()
        process.wait()
    with process.stdout, process.stderr:
        lines = process.stderr.read().decode(errors="replace").splitlines()
    return "; ".join(line.strip() for line in lines[-3:] if line.strip())


def _entries(client: SFTPClient, path: str) -> Iterator[dict[str, Any]]:
    for found in client.listdir_attr(path):
        name = f"{path}/{found.filename}"
        if stat.S_ISLNK(found.st_mode or 0):
            with contextlib.suppress(OSError):
                found = client.stat(name)  # noqa: PLW2901
        yield _describe(name, found)


def _describe(path: str, found: SFTPAttributes) -> dict[str, Any]:
    mode = found.st_mode or 0
    kind = "file" if stat.S_ISREG(mode) else "directory" if stat.S_ISDIR(mode) else "other"
    return {"name": path, "size": found.st_size or 0, "type": kind}


def _read(client: SFTPClient, path: str, start: int, end: int | None) -> bytes:
    # Asked first: to open a named pipe would hold the server up for ever.
    found = _describe(path, client.stat(path))
    if found["type"] != "file":
        raise IsADirectoryError(errno.EISDIR, "is no regular file", path)
    size_bytes = int(found["size"])
    length = min(size_bytes, size_bytes if end is None else end) - start
    if length <= 0:
        return b""
    # In the pieces that come, for paramiko joins them at a cost that grows with the square.
    starts = range(start, start + length, _REQUEST_BYTES)
    pieces = [(at, min(_REQUEST_BYTES, start + length - at)) for at in starts]
    with client.open(path, "rb") as file:
        return b"".join(file.readv(pieces))
