"""A host behind OpenSSH: the user's own `ssh`, configuration, keys and known hosts are used.

Agentless: commands are words for the remote login shell, quoted for `sh`. Nobody is asked for a
password, and a host that stops answering is given up after about a minute.
"""

from __future__ import annotations

import shlex

from verifier.core.errors import HostUnreachable, ToolMissing
from verifier.core.host import Command, Completed, Host

CONNECT_S, ALIVE_S, ALIVE_COUNT = 20, 15, 4

_UNREACHABLE = 255
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class SshHost:
    """Runs commands on another machine; a `Host`.

    Args:
        name: the host's name, as in the configuration.
        address: what `ssh` is told to connect to; the name where none is given.
        port, user: none or empty for what `ssh` itself would choose.
        via: where `ssh` runs: this machine.
        options: further words for `ssh` before the destination.
    """

    def __init__(
        self,
        name: str,
        address: str = "",
        port: int | None = None,
        user: str = "",
        *,
        via: Host,
        options: tuple[str, ...] = (),
    ) -> None:
        self._name = name
        self._via = via
        destination = f"{user}@{address or name}" if user else address or name
        self._line = (
            "ssh",
            "-T",
            *(("-p", str(port)) if port is not None else ()),
            *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"),
            *("-o", f"ServerAliveInterval={ALIVE_S}", "-o", f"ServerAliveCountMax={ALIVE_COUNT}"),
            *options,
            *("--", destination),
        )

    @property
    def name(self) -> str:
        """The host's name, as in the configuration."""
        return self._name

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Run the command there to its end, its output captured.

        Raises:
            HostUnreachable: ssh could not connect or log in, or lost the connection.
            ToolMissing: there is no such program there, or no ssh here.
            CannotVerify: the time limit ran out.
        """
        line = Command(
            (*self._line, _remote_line(command)),
            stdin=command.stdin,
            secrets=command.secrets,
            stdin_file=command.stdin_file,
            stdout_file=command.stdout_file,
        )
        done = self._via.run(line, timeout_s=timeout_s)
        if done.status == _UNREACHABLE:
            raise self._unreachable(line, done)
        if done.status in {_NOT_FOUND, _NOT_EXECUTABLE}:
            program = command.argv[0]
            message = f"it cannot be run on {self._name}: {done.last_lines(1)}"
            raise ToolMissing(program, message, f"install {program} on {self._name}")
        return done

    def _unreachable(self, line: Command, done: Completed) -> HostUnreachable:
        tried = shlex.join(self._line)
        said = done.last_lines(2) or "ssh ended with 255"
        return HostUnreachable(
            self._name, f"it cannot be reached: {said}", f"see that `{tried} true` works by itself"
        )


def _remote_line(command: Command) -> str:
    words = list(command.argv)
    if command.env:
        words = ["env", *(f"{name}={value}" for name, value in command.env.items()), *words]
    line = shlex.join(words)
    return f"cd {shlex.quote(command.cwd)} && {line}" if command.cwd else line
