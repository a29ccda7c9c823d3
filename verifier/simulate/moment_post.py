"""Somebody stands before programs on a machine while a cycle runs: is put there, and taken away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from verifier.core.errors import CannotVerify, HostUnreachable
from verifier.core.host import Command, Host
from verifier.simulate import moment
from verifier.simulate.moment import GO, HELD, TAKEN, TOLD
from verifier.simulate.moment_order import Order

_WAIT_TIMEOUT_S = 3_600.0

_STAND = """\
set -eu
mkdir -p "$1" "$2"
chmod 0777 "$2"
cat >"$1/$3.new"
chmod 0755 "$1/$3.new"
mv "$1/$3.new" "$1/$3"
"""
_WAIT = 'until [ -e "$1" ] || [ -e "$2" ]; do sleep 0.02; done; [ -e "$1" ]'
_TELL = 'cd "$1"; for file in *; do echo "$file"; cat "$file"; echo; done'


@dataclass(frozen=True, slots=True)
class Post:
    """A machine on which somebody can stand before programs.

    Attributes:
        python: of the machine, by its full path.
        front: the first folder on its PATH that its programs are looked for in.
        orders: a folder of ours there.
        repository, copy: where it finds them; no copy where it has none as a folder.
    """

    machine: str
    host: Host
    python: str
    front: str
    orders: str
    repository: str
    copy: str | None


class Guard:
    """Stands before the programs of one machine until it leaves.

    Raises:
        CannotVerify: an order is about the copy, and that is no folder.
    """

    def __init__(self, post: Post, orders: Sequence[Order]) -> None:
        self._post = post
        self._orders = orders
        self._texts = [order.render(_folder(post, order)) for order in orders]
        self._told: dict[str, dict[str, object]] = {}

    def stand(self) -> None:
        """Take up the post.

        Raises:
            CannotVerify: the machine does not take it.
        """
        for number, order in enumerate(self._orders):
            self._put(order.program, _front(self._post))
            self._write(f"{number}.json", self._texts[number])

    def wait(self, number: int) -> bool:
        """Wait for the moment of an order that holds; say whether it came while we stood there."""
        files = self._file(f"{number}.{HELD}"), self._file("relieved")
        words = ("/bin/sh", "-c", _WAIT, "wait", *files)
        return self._post.host.run(Command(words), timeout_s=_WAIT_TIMEOUT_S).status == 0

    def release(self, number: int) -> None:
        """Let go on what is held, if the machine has not lost its power meanwhile."""
        with suppress(HostUnreachable):
            self._write(f"{number}.{GO}", b"")

    def leave(self) -> None:
        """Leave the post, and let nobody wait any longer."""
        self._write("relieved", b"")
        fronts = [f"{self._post.front}/{order.program}" for order in self._orders]
        self._run(("rm", "-f", *fronts))
        self._told = self._read()
        self._run(("rm", "-rf", self._post.orders))

    def check(self) -> None:
        """See that everything was done, when it was to be done.

        Raises:
            CannotVerify: a moment did not come, or was over before anybody could act.
        """
        for number, order in enumerate(self._orders):
            call = f"`{order.program} {' '.join(order.words)}`"
            said = self._told.get(f"{number}.{TOLD}", {})
            if said.get("late"):
                message = f"{call} went on too fast: {said['late']} was done at the moment meant"
                remedy = "run it again, on a machine less busy"
                raise CannotVerify(self._post.machine, message, remedy)
            if f"{number}.{HELD}" not in self._told and not said.get("met"):
                ran = f"{number}.{TAKEN}" in self._told
                message = f"{call} {'ended before the moment meant' if ran else 'did not run'}"
                remedy = "choose a day on which it has that to do"
                raise CannotVerify(self._post.machine, message, remedy)

    def _read(self) -> dict[str, dict[str, object]]:
        folder = self._post.orders
        lines = self._run(("/bin/sh", "-c", _TELL, "tell", folder)).decode().splitlines()
        named = zip(lines[::2], lines[1::2], strict=True)
        return {name: json.loads(content or "{}") for name, content in named}

    def _put(self, program: str, text: bytes) -> None:
        words = ("/bin/sh", "-c", _STAND, "stand", self._post.front, self._post.orders, program)
        self._run(words, text)

    def _write(self, name: str, content: bytes) -> None:
        self._run(("/bin/sh", "-c", 'cat >"$1"', "write", self._file(name)), content)

    def _file(self, name: str) -> str:
        return f"{self._post.orders}/{name}"

    def _run(self, words: tuple[str, ...], stdin: bytes | None = None) -> bytes:
        done = self._post.host.run(Command(words, stdin=stdin))
        if done.status != 0:
            message = f"nobody can stand before its programs: {done.last_lines()}"
            remedy = f"see that {self._post.orders} can be written to"
            raise CannotVerify(self._post.machine, message, remedy)
        return done.stdout


def _folder(post: Post, order: Order) -> str:
    folder = post.copy if order.in_copy else post.repository
    if folder is None:
        message = "its copy is no folder, so nobody sees what is written to it"
        raise CannotVerify(post.machine, message, "let offsite.target be a folder")
    return folder


def _front(post: Post) -> bytes:
    program = Path(moment.__file__)
    line = f'exec {post.python} -I -S {program} {post.orders} "$PATH" "$0" "$@"'
    return f"#!/bin/sh\n{line}\n".encode()
