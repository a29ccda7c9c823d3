"""What `render` writes for the coordinator, against what is installed here, and its timers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from verifier.core.checkup import Question, Seen, Subject, broken, fine, flawed, needless, unclear
from verifier.core.host import Command, Host

LIMIT_S = 30.0
_SYSTEMD = Path("run/systemd/system")
"""Is there where systemd is the first process: sd_booted(3)."""

_UNITS = "etc/systemd/"
_ENABLED = {"enabled", "enabled-runtime", "linked", "linked-runtime", "static", "alias"}


Weight = Literal["needed", "useful", "optional"]


@dataclass(frozen=True, slots=True)
class Installed:
    """What is to be installed.

    Attributes:
        files: path from the root -> its content.
        weights: what it is to do without one; all are needed where none are given.
        root: of the machine.
    """

    here: Host
    files: Mapping[str, bytes]
    weights: Mapping[str, Weight] = field(default_factory=dict)
    root: Path = Path("/")

    def questions(self) -> Subject:
        """Return a question for each file; that of a timer asks, too, whether it waits."""
        booted = (self.root / _SYSTEMD).is_dir()
        looked = [name for name in self.files if booted or not name.startswith(_UNITS)]
        asked = tuple(Question(Path(name).name, partial(self._ask, name)) for name in looked)
        if not booted:
            away = "no systemd here: `restic-verify daemon` runs the jobs"
            asked = (*asked, Question("units and timers", lambda: needless(away)))
        return Subject("installation", asked)

    def _ask(self, name: str) -> Seen:
        seen = self._ask_file(name)
        if seen.status != "ok" or not name.endswith(".timer"):
            return seen
        timer = Path(name).name
        return judge_timer(timer, self._state("is-enabled", timer), self._state("is-active", timer))

    def _ask_file(self, name: str) -> Seen:
        path = self.root / name
        remedy = f"install what `restic-verify render coordinator/{name}` prints"
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            weight = self.weights.get(name, "needed")
            if weight == "optional":
                return needless("is not installed")
            return (broken if weight == "needed" else flawed)("is not there", remedy)
        except OSError as error:
            return unclear(f"cannot be read: {error.strerror}", "let this user read it")
        if found != self.files[name]:
            return flawed("is not what the configuration makes of it", remedy)
        if not name.startswith(_UNITS) and not path.stat().st_mode & 0o111:
            return broken("cannot be run", f"chmod 0755 {path}")
        return fine("as the configuration has it")

    def _state(self, verb: str, unit: str) -> str:
        # It ends with another status for every other state; the word says which.
        done = self.here.run(Command(("systemctl", verb, unit)), timeout_s=LIMIT_S)
        return (done.stdout.decode(errors="replace").split() or [""])[0]


def judge_timer(timer: str, enabled: str, active: str) -> Seen:
    """Judge a timer by systemd's own words."""
    remedy = f"systemctl enable --now {timer}"
    if active == "active" and enabled in _ENABLED:
        return fine("enabled and waiting")
    if active == "active":
        return flawed(f"waits, but is {enabled or 'unknown'}: not after the next boot", remedy)
    if not active:
        return unclear("systemd does not say", f"see `systemctl status {timer}`")
    return broken(f"is {active} and {enabled or 'unknown'}: nothing starts by it", remedy)
