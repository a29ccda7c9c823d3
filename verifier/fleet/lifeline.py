"""A lifeline: ends the commands of a process that was killed outright, and so cannot do it itself.

A small shell waits at the other end of a pipe. When the pipe breaks, because its only writer is
gone, the process groups that were still running get SIGINT, upon which restic removes its locks,
and after a while SIGKILL. The kernel's own way (`PR_SET_PDEATHSIG`) is bound to the thread that
forked, and ours forks in threads that end at once.
"""

from __future__ import annotations

import subprocess
import threading
import weakref
from contextlib import suppress

_WATCH = """
trap '' INT TERM HUP QUIT
live=
while read -r what group; do
  case $what in
    begin) live="$live $group" ;;
    end) rest=; for g in $live; do [ "$g" = "$group" ] || rest="$rest $g"; done; live=$rest ;;
  esac
done
[ -n "$live" ] || exit 0
sleep "$1"
for g in $live; do kill -s INT -- "-$g"; done
sleep "$2"
for g in $live; do kill -s KILL -- "-$g"; done
"""


class Lifeline:
    """Knows the process groups that run; threads may share it.

    Args:
        settled_s: how long a group may go on before SIGINT.
        grace_s: how long it may between SIGINT and SIGKILL.
    """

    def __init__(self, settled_s: float, grace_s: float) -> None:
        self._waits = f"{settled_s:g}", f"{grace_s:g}"
        self._lock = threading.Lock()
        self._watch: subprocess.Popen[bytes] | None = None

    def begin(self, group: int) -> None:
        """Say that a process group runs."""
        self._say(f"begin {group}\n")

    def end(self, group: int) -> None:
        """Say that it has been reaped: its number may be another's from now on."""
        self._say(f"end {group}\n")

    def _say(self, line: str) -> None:
        with self._lock:
            if self._watch is None:
                self._watch = _start(self._waits)
                weakref.finalize(self, _close, self._watch)
            assert self._watch.stdin is not None, "it listens"
            # Whoever killed the watcher gets the same commands as without one.
            with suppress(BrokenPipeError):
                self._watch.stdin.write(line.encode())
                self._watch.stdin.flush()


def _start(waits: tuple[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ("/bin/sh", "-c", _WATCH, "lifeline", *waits),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        start_new_session=True,
    )


def _close(watch: subprocess.Popen[bytes]) -> None:
    # With nothing left to end it ends at once, and leaves no zombie.
    assert watch.stdin is not None, "it listens"
    with suppress(BrokenPipeError):
        watch.stdin.close()
    watch.wait()
