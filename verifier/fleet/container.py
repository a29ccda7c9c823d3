"""A container as a host: commands run in it by `docker exec`, as whoever the words before say."""

from __future__ import annotations

import math
from collections.abc import Mapping

from verifier.core.errors import CannotVerify, HostUnreachable, ToolMissing
from verifier.core.host import Command, Completed, Host

GRACE_S = 5
"""How long a command that ran out of time may tidy up after SIGINT."""

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_OUT_OF_TIME, _KILLED = 124, 137


class ContainerHost:
    """Runs commands in a container; a `Host`. May be used from several threads at once.

    Args:
        name: the host's name, as in the configuration.
        container: its ID.
        via: where `docker` runs: this machine.
        engine: the variables by which `docker` finds the engine.
        env: what every command there sees besides the image's own variables.
        before: words before every command: they make it another user's.
    """

    def __init__(
        self,
        name: str,
        container: str,
        *,
        via: Host,
        engine: Mapping[str, str],
        env: Mapping[str, str] | None = None,
        before: tuple[str, ...] = (),
    ) -> None:
        self._name = name
        self._container = container
        self._via = via
        self._engine = dict(engine)
        self._env = dict(env or {})
        self._before = before

    @property
    def name(self) -> str:
        """The host's name, as in the configuration."""
        return self._name

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Run the command there to its end, its output captured.

        Where we are interrupted the command goes on until its container is removed. A signal that
        ended it shows as 128 + its number, as from a shell.

        Raises:
            HostUnreachable: the container does not run.
            ToolMissing: there is no such program there, or no `docker` here.
            CannotVerify: the time limit ran out; the command was ended.
        """
        done = self._via.run(
            self._line(command, timeout_s),
            timeout_s=None if timeout_s is None else timeout_s + 3 * GRACE_S,
        )
        if done.status in {_OUT_OF_TIME, _KILLED} and done.duration_s >= (timeout_s or math.inf):
            message = f"`{command}` did not end within {timeout_s:g} s and was stopped"
            remedy = "find out what it waits for, or allow it more time"
            raise CannotVerify(self._name, message, remedy)
        said = done.last_lines(2)
        if done.status == 1 and said.startswith("Error") and self._container[:12] in said:
            raise HostUnreachable(self._name, f"does not run: {said}", "start it")
        if done.status in {_NOT_FOUND, _NOT_EXECUTABLE}:
            program = command.argv[0]
            message = f"it cannot be run on {self._name}: {said}"
            raise ToolMissing(program, message, f"install {program} on {self._name}")
        return done

    def _line(self, command: Command, timeout_s: float | None) -> Command:
        # A secret is passed by its name: arguments are for everybody to see.
        env = {**self._env, **command.env}
        secret = {name: value for name, value in env.items() if value in command.secrets}
        shown = [f"{name}={value}" for name, value in env.items() if name not in secret]
        words = ["docker", "exec", *(f"--env={name}" for name in (*shown, *secret))]
        if command.stdin is not None or command.stdin_file:
            words.append("--interactive")
        if command.cwd:
            words.append(f"--workdir={command.cwd}")
        words += [self._container, *self._before]
        if timeout_s is not None:
            words += ["timeout", "--signal=INT", f"--kill-after={GRACE_S}", f"{timeout_s:g}"]
        return Command(
            (*words, *command.argv),
            env={**self._engine, **secret},
            stdin=command.stdin,
            secrets=command.secrets,
            stdin_file=command.stdin_file,
            stdout_file=command.stdout_file,
        )
