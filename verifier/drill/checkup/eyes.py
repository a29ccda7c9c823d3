"""What the drill's probe will be able to see on a host: its Python, its rights, the includes.

The question is a small script, started exactly as the probe is.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.core.checkup import Seen, broken, fine, flawed, unclear
from verifier.core.errors import ToolMissing
from verifier.core.host import Command, Host
from verifier.drill.checkup.rights import BIT

_OLDEST = (3, 8)

_LOOK = """
import json, os, stat, sys
def look(path):
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        if kind == stat.S_IFDIR:
            return "folder" if os.listdir(path) else "empty"
        return "file"
    except OSError as error:
        return "absent" if isinstance(error, FileNotFoundError) else error.strerror
rights = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff:")]
print(json.dumps({
    "python": list(sys.version_info[:3]), "rights": rights,
    "paths": {path: look(path) for path in sys.argv[1:]},
}))
"""


@dataclass
class Eyes:
    """How a probe is started on a host, and what it saw.

    Attributes:
        seen: its answer; empty before it was asked.
    """

    host: Host
    python: str
    become: tuple[str, ...]
    include: tuple[str, ...]
    limit_s: float
    seen: Mapping[str, Any] = field(default_factory=dict)

    def judge_includes(self) -> Seen:
        """Judge the paths that are to be backed up."""
        return judge_includes(self.seen["paths"])


def ask_eyes(eyes: Eyes) -> Seen:
    """Start Python as the probe is started, and keep what it saw."""
    words = (*eyes.become, eyes.python, "-I", "-S", "-c", _LOOK, *eyes.include)
    began = shlex.join((*eyes.become, eyes.python))
    try:
        done = eyes.host.run(Command(words), timeout_s=eyes.limit_s)
    except ToolMissing as error:
        return broken(error.message, "install the package python3 there, or set hosts.python")
    said = done.last_lines(1)
    if done.status and eyes.become:
        remedy = "install what `restic-verify render` prints for it: permit-probe and its sudoers"
        return broken(f"`{began}` ended with {done.status}: {said}", remedy)
    if done.status:
        return broken(f"`{began}` ended with {done.status}: {said}", "set hosts.python")
    try:
        eyes.seen = json.loads(done.stdout)
        return judge_eyes(eyes.seen, eyes.become)
    except (ValueError, KeyError, TypeError):
        answer = done.stdout.decode(errors="replace").strip()[:60]
        return unclear(f"`{began}` answers {answer!r}", "see what prints there at a login")


def judge_eyes(seen: Mapping[str, Any], become: tuple[str, ...]) -> Seen:
    """Judge the Python of a probe, and whether it may read every file."""
    release = tuple(seen["python"])
    saw = f"Python {'.'.join(map(str, release))}"
    if release < _OLDEST:
        return broken(
            f"{saw} is older than 3.8", "install a newer python3 there, or set hosts.python"
        )
    masks = seen["rights"]
    if masks and not int(masks[0], 16) >> BIT & 1:
        if become:
            remedy = f"let `{shlex.join(become)}` give CAP_DAC_READ_SEARCH, as permit-probe does"
        else:
            remedy = 'set become = ["sudo", "-n", "/usr/local/sbin/permit-probe"] (docs/monthly.md)'
        return flawed(
            f"{saw}, which may not read every file: the drill skips what it may not", remedy
        )
    return fine(f"{saw}, which may read every file")


def judge_includes(paths: Mapping[str, str]) -> Seen:
    """Judge what is at the paths that are to be backed up."""
    absent = [path for path, state in paths.items() if state == "absent"]
    if absent:
        remedy = "correct hosts.include, or mount what is to be there"
        return broken(f"not there: {', '.join(absent)}", remedy)
    shut = [f"{path} ({state})" for path, state in paths.items() if state not in _KNOWN]
    if shut:
        return flawed(
            f"cannot be looked at: {', '.join(shut)}", "give the probe the right: hosts.become"
        )
    empty = [path for path, state in paths.items() if state == "empty"]
    if empty:
        remedy = "see that what is to be there is mounted; an empty folder is backed up as one"
        return flawed(f"empty: {', '.join(empty)}", remedy)
    return fine(", ".join(paths))


_KNOWN = {"folder", "file", "empty", "absent"}
