"""How a cycle's commands get to know the simulated time: by a clock of their own, or by being told.

With a controlled clock nothing stands before restic, and all that runs sees one simulated instant
for as long as a host's turn lasts: snapshots are dated to the nanosecond as planned. Where no clock
can be controlled, `restic backup --time` is told the time, and everything else keeps the real one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from verifier.clock.control import under
from verifier.clock.page import ClockPage, turn
from verifier.core.snapshot import Snapshot
from verifier.simulate.faults import machine_of
from verifier.simulate.timeline import Step
from verifier.simulate.worlds.zone_file import zone_file

SHIMS = Path(__file__).parents[1] / "shims"

HOLD = timedelta(minutes=10)
"""How far a cycle's own duration is kept out of its clock; what takes longer runs on."""


class Timing(Protocol):
    """Tells the commands of a cycle's world what time it is."""

    def install(self, folder: Path, restic: str) -> None:
        """Put what it needs into the world's folder, and `restic` into its `bin`."""
        ...

    def begin(self, step: Step) -> None:
        """Make it the time at which a step begins."""
        ...

    def plan(self, step: Step, hosts: Sequence[str]) -> None:
        """Write down when these hosts have their turn in a step, in this order."""
        ...

    def run_cycle(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that runs a step's cycle in simulated time."""
        ...

    def run_seed(self, snapshot: Snapshot, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that makes one snapshot outside of any cycle."""
        ...


class ControlledClock:
    """Every command of the world runs under a clock page; a `Timing`.

    One page serves the cycle: its hosts are machines whose clocks agree. What stands in for `ssh`
    turns it on to each host's turn, and to forget's when the last has had its own. What is there
    before the first cycle is dated: it is the same, and hosts can be seeded side by side.
    """

    def __init__(self) -> None:
        self._seeds = DatedBackups("seeds")

    def install(self, folder: Path, restic: str) -> None:
        """Make the pages' folder; restic itself is what the scripts find."""
        self._folder = folder
        for name in ("clock", "turns", "over"):
            (folder / name).mkdir()
        self._page = ClockPage.create(folder / "clock" / "cycle")
        (folder / "bin" / "restic").symlink_to(restic)
        self._seeds.install(folder, restic)

    def begin(self, step: Step) -> None:
        """Set the clock to the step's beginning."""
        self._page.set(step.at, HOLD)

    def plan(self, step: Step, hosts: Sequence[str]) -> None:
        """Write down every host's turn, and what the clock shows when the last is over."""
        due = {machine_of(snapshot): snapshot.taken_at for snapshot in step.due}
        for name in hosts:
            _write(self._folder / "turns" / name, turn(due[name]) if name in due else None)
        last = max((place for place, name in enumerate(hosts) if name in due), default=0)
        for place, name in enumerate(hosts):
            _write(self._folder / "over" / name, turn(step.forget_at) if place >= last else None)

    def run_cycle(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command under the cycle's page."""
        return under(self._page.path, argv)

    def run_seed(self, snapshot: Snapshot, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command with the dating restic in front of the real one."""
        return self._seeds.run_seed(snapshot, argv)


class DatedBackups:
    """`restic backup --time` and nothing else; a `Timing`. Simulated days must lie in the past.

    Args:
        place: the folder of the restic that dates; others than `bin` serve for seeds alone.
    """

    def __init__(self, place: str = "bin") -> None:
        self._place = place

    def install(self, folder: Path, restic: str) -> None:
        """Put a `restic` before the real one that dates backups."""
        self._folder = folder
        for name in ("time", "zone", self._place):
            (folder / name).mkdir(exist_ok=True)
        shim = folder / self._place / "restic"
        shim.write_text((SHIMS / "restic.sh").read_text())
        shim.chmod(0o755)
        (folder / "bin" / "real-restic").symlink_to(restic)

    def begin(self, step: Step) -> None:
        """Leave the time as it is: the real one."""

    def plan(self, step: Step, hosts: Sequence[str]) -> None:
        """Write down the time of each backup that is due."""
        for snapshot in step.due:
            self._date(snapshot)

    def run_cycle(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command as it is."""
        return argv

    def run_seed(self, snapshot: Snapshot, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Write down the snapshot's time and return the command, which finds the dating restic."""
        self._date(snapshot)
        path = f"{self._folder / self._place}:{self._folder / 'bin'}:{os.defpath}"
        return ("env", f"PATH={path}", *argv)

    def _date(self, snapshot: Snapshot) -> None:
        name, at = snapshot.host, snapshot.taken_at
        offset = at.utcoffset()
        assert offset is not None, "a snapshot's time carries its offset"
        (self._folder / "time" / name).write_text(at.strftime("%Y-%m-%d %H:%M:%S\n"))
        (self._folder / "zone" / name).write_bytes(zone_file(offset))


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(f"{text}\n")
