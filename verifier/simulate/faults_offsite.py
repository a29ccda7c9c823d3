"""What goes wrong with the store of the off-site copy: it cannot be reached, or refuses us.

A store that can fail is a server on this machine: `rclone serve webdav`, with a password, in front
of the folder in which the copy otherwise lies. WebDAV is what every rclone can serve (S3 only since
1.65). It keeps no times, so that a sync compares names and sizes alone.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import date
from pathlib import Path
from typing import Literal

from verifier.config.scenario_faults import Faults
from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Host
from verifier.simulate.faults_spells import is_on
from verifier.simulate.worlds.timing import SHIMS

STORE = "offsite:"
"""What rclone calls the store."""

Beside = Callable[[Command], AbstractContextManager[None]]
"""Run a command for as long as a block runs."""

StoreState = Literal["there", "unreachable", "refusing"]

_USER = "restic"
_PASSWORD, _ANOTHER = "offsite", "revoked"


def store_on(day: date, faults: Faults) -> StoreState:
    """Return how a store is on a day: who cannot reach it learns nothing of credentials."""
    if is_on(day, faults.offsite_unreachable):
        return "unreachable"
    return "refusing" if is_on(day, faults.offsite_refused) else "there"


class Store:
    """The store of a cycle's off-site copy, as a server; to be closed.

    Args:
        folder: in which the world lives; the copy is its `offsite`.
        rclone: the program, by its full path.
        host: where rclone is run that asks it.

    Raises:
        CannotVerify: rclone does not do as it should.
    """

    def __init__(self, folder: Path, rclone: str, host: Host, beside: Beside) -> None:
        self._folder = folder
        self._rclone = rclone
        self._address = f"127.0.0.1:{_free_port()}"
        self._host = host
        self._beside = beside
        self._running = ExitStack()
        # Nobody listens yet.
        self._password = ""
        self._install()

    def close(self) -> None:
        """End the server."""
        self._serve("")

    def on(self, day: date, faults: Faults) -> None:
        """Be on this day as the faults say."""
        answers = {"unreachable": "", "refusing": _ANOTHER, "there": _PASSWORD}
        self._serve(answers[store_on(day, faults)])

    def _serve(self, password: str) -> None:
        if password == self._password:
            return
        self._running.close()
        self._password = password
        if password:
            login = f"--user={_USER}", f"--pass={password}"
            argv = (self._rclone, "serve", "webdav", f"--addr={self._address}", *login)
            copy = str(self._folder / "offsite")
            self._running.enter_context(self._beside(Command((*argv, copy), secrets=(password,))))
            self._await(password)

    def _await(self, password: str) -> None:
        # Where nobody listens rclone tries again and again, for some seconds.
        self._ask("lsf", "--max-depth=1", f":webdav,{self._options(password)}:")

    def _options(self, password: str) -> str:
        secret = self._ask("obscure", password).strip()
        return f"url='http://{self._address}/',vendor=other,user={_USER},pass={secret}"

    def _install(self) -> None:
        """Let the coordinator's rclone know the store, as a configuration of production does."""
        options = self._options(_PASSWORD).replace("'", "").replace(",", "\n")
        file = self._folder / ".config" / "rclone" / "rclone.conf"
        file.parent.mkdir(parents=True)
        file.write_text(f"[{STORE.rstrip(':')}]\ntype=webdav\n{options}\n")
        program = self._folder / "bin" / "rclone"
        program.rename(program.with_name("real-rclone"))
        program.write_text((SHIMS / "rclone.sh").read_text())
        program.chmod(0o755)

    def _ask(self, *words: str) -> str:
        done = self._host.run(Command((self._rclone, *words)))
        if done.status != 0:
            message = f"`rclone {words[0]}` failed: {done.last_lines()}"
            raise CannotVerify("off-site store", message, "see that this rclone can serve WebDAV")
        return done.stdout.decode()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
