"""Stands before a program on a simulated machine, and acts at a named moment of its work.

A program of its own: the standard library and nothing of this package, for every machine has it.
It starts the real one, unmodified, sees by inotify what that does to a repository, and kills it or
stops it at once. It ends as the program ends, and never leaves it stopped.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

TAKEN, HELD, GO, TOLD = "taken", "held", "go", "told"
"""How the files are called that become of an order `N.json`, in the order's folder: somebody has
taken it, it is the moment, all may go on, and what came of it."""

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_IS_FOLDER = 0x4000_0000
_HEAD_BYTES = 16
_ON_PARENTS_DEATH = 1
_LOOK_S = 0.005
_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Sees every file that appears or vanishes in a folder and below, as it happens.

    An event is `+` or `-` and the path of the file, as `+data/0a/0a12...`. A file that is still
    being written, under a name of its own, is none yet.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[int, Path] = {}
        self.descriptor: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder, _, _ in os.walk(root):
            self._add(Path(folder))

    def read(self) -> list[str]:
        """Return the events since the last look."""
        found: list[str] = []
        with suppress(BlockingIOError):
            while content := os.read(self.descriptor, 1 << 16):
                found += self._parse(content)
        return found

    def _add(self, folder: Path) -> None:
        mask = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
        number = _libc.inotify_add_watch(self.descriptor, os.fsencode(folder), mask)
        if number < 0:
            raise OSError(ctypes.get_errno(), f"cannot be watched: {folder}")
        self._folders[number] = folder

    def _parse(self, content: bytes) -> list[str]:
        found: list[str] = []
        place = 0
        while place < len(content):
            number, mask, _, length = (
                int.from_bytes(content[place + 4 * word : place + 4 * word + 4], "little")
                for word in range(4)
            )
            end = place + _HEAD_BYTES + length
            name = os.fsdecode(content[place + _HEAD_BYTES : end].rstrip(b"\0"))
            place = end
            if number in self._folders:
                found += self._events(self._folders[number] / name, mask)
        return found

    def _events(self, path: Path, mask: int) -> Iterable[str]:
        if mask & _IS_FOLDER:
            if mask & _CREATE:
                self._add(path)
                return [self._event("+", inner) for inner in path.iterdir()]
            return []
        if "-tmp-" in path.name or path.name.endswith(".partial"):
            return []
        if mask & (_MOVED_TO | _CLOSE_WRITE):
            return [self._event("+", path)]
        return [self._event("-", path)] if mask & (_DELETE | _MOVED_FROM) else []

    def _event(self, sign: str, path: Path) -> str:
        return f"{sign}{path.relative_to(self._root)}"


class Guarded:
    """A program that was started, and is watched.

    It and we have one processor in common, so that it does nothing while we act.
    """

    def __init__(self, program: str, argv: Sequence[str], root: Path) -> None:
        self._watch = Watch(root)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        self.pid = _start(program, argv)
        self._ends = os.pidfd_open(self.pid)
        self._events: list[str] = []
        self._released = False
        for number in _PASSED_ON:
            signal.signal(number, self._pass_on)

    def wait_for(self, wanted: Sequence[str]) -> bool:
        """Wait for an event that begins with one of these; say whether it came before the end.

        From then on it runs only where nobody else wants to: whatever it does next, we act before
        it does more.
        """
        poll = select.poll()
        poll.register(self._watch.descriptor, select.POLLIN)
        poll.register(self._ends, select.POLLIN)
        while True:
            found = self._found(wanted)
            ready = {descriptor for descriptor, _ in poll.poll(0 if found else None)}
            if self._ends in ready:
                return False
            if found:
                self._step_back()
                return True

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop it, and return when all of it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        while not all(state in "TtZX" for state in _states(self.pid)):
            time.sleep(_LOOK_S)

    def hold_until(self, file: Path) -> None:
        """Wait for a file, or for a signal that is to end us."""
        while not (file.exists() or self._released):
            time.sleep(_LOOK_S)

    def go_on(self) -> None:
        """Let it go on, if it was stopped."""
        os.kill(self.pid, signal.SIGCONT)

    def seen(self, unwanted: Sequence[str]) -> list[str]:
        """Return the events since the last that was waited for that begin with one of these."""
        self._events += self._watch.read()
        return [event for event in self._events if event.startswith(tuple(unwanted))]

    def end(self) -> int:
        """Wait for its end; return its status, negative for a signal."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _found(self, wanted: Sequence[str]) -> bool:
        self._events += self._watch.read()
        for place, event in enumerate(self._events):
            if event.startswith(tuple(wanted)):
                # What came after it may be awaited too, or be too late.
                del self._events[: place + 1]
                return True
        return False

    def _step_back(self) -> None:
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            # A program with capabilities of its own has stepped back from the start.
            with suppress(ProcessLookupError, PermissionError):
                _step_back(int(task.name))

    def _pass_on(self, number: int, _: object) -> None:
        # It may take its time to tidy up, but is held no more.
        self._released = True
        os.kill(self.pid, number)
        self.go_on()


def main() -> None:
    """Run the program that stands behind us on PATH: `ORDERS PATH OUR-OWN-PATH WORD...`."""
    orders, path, own, *words = sys.argv[1:]
    program = _behind(Path(own), path)
    order = _take(Path(orders), Path(own).name, words)
    if order is None:
        os.execv(program, (program, *words))  # noqa: S606 - what this is for
    else:
        _end_as(_guard(order, program, words))


def _guard(order: Path, program: str, words: Sequence[str]) -> int:
    asked: dict[str, Any] = json.loads(order.read_text())
    guarded = Guarded(program, (program, *words), Path(asked["folder"]))
    met, late = all(map(guarded.wait_for, asked["after"])), []
    if met:
        guarded.kill() if asked["kill"] else guarded.stop()
        late = guarded.seen(asked["late"])
    if met and asked["hold"] and not late:
        _tell(order, HELD, {})
        guarded.hold_until(order.with_suffix(f".{GO}"))
    guarded.go_on()
    status = guarded.end()
    _tell(order, TOLD, {"met": met, "late": late})
    return status


def _tell(order: Path, what: str, content: object) -> None:
    new = order.with_suffix(".new")
    new.write_text(json.dumps(content))
    new.rename(order.with_suffix(f".{what}"))


def _take(orders: Path, name: str, words: Sequence[str]) -> Path | None:
    """Return the first order that is meant for this call; nobody else gets it."""
    for order in sorted(orders.glob("*.json")):
        with suppress(FileNotFoundError):
            asked = json.loads(order.read_text())
            if asked["program"] == name and set(asked["words"]) <= set(words):
                return order.rename(order.with_suffix(f".{TAKEN}"))
    return None


def _behind(own: Path, path: str) -> str:
    """Return the program that would be found on PATH if we did not stand there."""
    others = (folder for folder in path.split(os.pathsep) if Path(folder) != own.parent)
    return shutil.which(own.name, path=os.pathsep.join(others)) or own.name


def _start(program: str, argv: Sequence[str]) -> int:
    """Start a program; return when it has taken the place of ours."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        _libc.prctl(_ON_PARENTS_DEATH, signal.SIGKILL)
        if _has_capabilities(program):
            _step_back(0)
        os.execv(program, list(argv))  # noqa: S606
    os.close(into)
    os.read(out, 1)
    os.close(out)
    return pid


def _has_capabilities(program: str) -> bool:
    return "security.capability" in os.listxattr(program)


def _step_back(task: int) -> None:
    os.sched_setscheduler(task, os.SCHED_IDLE, os.sched_param(0))


def _states(pid: int) -> list[str]:
    found = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            found.append(stat.read_text().rpartition(") ")[2][:1])
    return found


def _end_as(status: int) -> NoReturn:
    if status < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
