"""The lines that a run of the coordinator prints, read: words of one line, no more.

Pure. They are those of cycle/templates/run-backups.sh.j2 and backup-restic.sh.j2, of restic's
`--json`, and of systemd about the unit. `monitor/cycles.py` makes cycles of them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from verifier.core.errors import CannotVerify
from verifier.restic.events import Backup, parse_backup

STARTED = "Started run backups."
"""The first line of the coordinator's script."""

UNIT = "run-backups"
"""The unit that is meant where nothing tells its name."""

DESCRIPTION = "run backups"
"""What the rendered unit is described as."""

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_STAGE = re.compile(
    r"(?P<name>\w{1,64})(?: host=(?P<host>\S+))? status=(?P<status>[0-9]{1,9}) "
    rf"duration_s=(?P<duration>{_NUMBER})"
)
_PASSWORD = re.compile(r"password status=(?P<status>[0-9]{1,9}) reason=\S+")
_RELEASE = re.compile(r"restic host=(?P<host>\S+) version=(?P<version>\S{1,64})")
_ENDED = re.compile(r"(Finished|Failed) run backups\.?")
_JOBS = {
    "Starting": "starting",
    "Finished": "ended",
    "Failed to start": "ended",
    "Dependency failed for": "ended",
    "Timed out starting": "ended",
    "Stopped": "stopped",
    "Stopped (with error)": "stopped",
    "Timed out stopping": "stopped",
}
"""What systemd says of a unit's jobs -> what that is of a run."""

_SAID = sorted((*_JOBS, "Started", "Stopping", "Reloading", "Reloaded"), key=len, reverse=True)
_JOB = re.compile(
    rf"(?P<what>{'|'.join(map(re.escape, _SAID))}) "
    r"(?:(?P<unit>\S+)\.service(?: - (?P<described>.+?))?|(?P<description>.+?))(?P<dots>\.{1,3})"
)
_EXITED = re.compile(
    r"(?P<unit>\S+)\.service: Main process exited, "
    r"code=(?P<code>\w+), status=(?P<status>[0-9]{1,3})\b.*"
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's own line, `NAME [host=HOST] status=N duration_s=N`; that on the whole is `run`.

    Attributes:
        host: empty for what concerns all.
    """

    name: str
    host: str
    status: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Release:
    """Which restic a host is about to back itself up with."""

    host: str
    version: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that restic could not read."""

    item: str


@dataclass(frozen=True, slots=True)
class Fatal:
    """Why restic gave up."""

    message: str


@dataclass(frozen=True, slots=True)
class Unit:
    """What systemd says of the unit.

    Attributes:
        unit: its name without suffix, where that is told.
        what: `starting`, `ended`, `stopped`, or `exited` of the program in it.
        status: how it ended, 128 and the signal where one did it; 1 where that is not told.
    """

    unit: str
    what: str
    status: int


Word = Stage | Release | Unread | Fatal | Backup


def parse_stage(text: str) -> Stage | None:
    """Parse a stage's own line; None for any other."""
    found = _STAGE.fullmatch(text)
    if found is None:
        return None
    return Stage(found["name"], found["host"] or "", int(found["status"]), float(found["duration"]))


def parse_end(text: str) -> bool | None:
    """Parse the last line of the coordinator's script: whether all went well; None for others."""
    found = _ENDED.fullmatch(text)
    return None if found is None else found[1] == "Finished"


def parse_word(text: str) -> Word | None:
    """Parse what the script or a host's restic says in a line; None where it is something else."""
    if text.startswith("{"):
        return _event(text)
    if text.startswith("Fatal: "):
        return Fatal(text.removeprefix("Fatal: "))
    found = _PASSWORD.fullmatch(text)
    if found:
        return Stage("password", "", int(found["status"]), 0.0)
    found = _RELEASE.fullmatch(text)
    if found:
        return Release(found["host"], found["version"])
    return parse_stage(text)


def reduced(text: str, unit: str = UNIT) -> str:
    """Return what systemd says of a unit's job as it is said by the unit's description.

    systemd says `run backups`, `run-backups.service` or `run-backups.service - run backups`, by
    `StatusUnitFormat=`, of which each distribution has its own. What is said of another unit, or
    is something else, is left as it is.
    """
    found = _JOB.fullmatch(text)
    if found is None or found["unit"] != unit:
        return text
    return f"{found['what']} {found['described'] or DESCRIPTION}{found['dots']}"


def forms(what: str, unit: str) -> tuple[str, ...]:
    """Return the ways in which systemd says something of the unit that has come to an end."""
    named = f"{unit}.service"
    return tuple(f"{what} {it}." for it in (DESCRIPTION, named, f"{named} - {DESCRIPTION}"))


def parse_unit(text: str, unit: str = UNIT) -> Unit | None:
    """Parse what systemd says of the unit, by description or name; None where it is of another."""
    found = _JOB.fullmatch(text)
    if found and found["what"] in _JOBS:
        named = found["unit"] == unit and not found["described"]
        if named or DESCRIPTION in (found["described"], found["description"]):
            failed = found["what"] != "Finished" and _JOBS[found["what"]] != "starting"
            return Unit(found["unit"] or "", _JOBS[found["what"]], int(failed))
    found = _EXITED.fullmatch(text)
    if found:
        died = found["code"] in {"killed", "dumped"}
        return Unit(found["unit"], "exited", int(found["status"]) + 128 * died)
    return None


def _event(text: str) -> Word | None:
    try:
        event: Any = json.loads(text)
    except (ValueError, RecursionError):
        # Half a line; or one that is made to be a burden.
        return None
    if not isinstance(event, dict):
        return None
    kind = event.get("message_type")
    if kind == "summary":
        try:
            return parse_backup(0, text.encode(errors="replace"), b"")
        except (CannotVerify, OverflowError):
            # That of another command, or half of one.
            return None
    if kind == "error":
        return Unread(str(event.get("item") or text))
    if kind == "exit_error":
        return Fatal(str(event.get("message") or "").removeprefix("Fatal: "))
    return None
