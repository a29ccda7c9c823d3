"""The world of the fleet: the coordinator drives its hosts over real ssh, as production does.

The very scripts run, on machines of their own: real users, a restic that reads by its capability
alone, one repository that all of them mount, a key in memory. A host that is down is a machine
without power.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from verifier.clock.control import under
from verifier.clock.page import ClockPage
from verifier.config.models import Config, HostTable
from verifier.config.own import CYCLE
from verifier.core.errors import CannotVerify, ResticFailed
from verifier.core.host import Command, Completed
from verifier.core.snapshot import Snapshot
from verifier.fleet.container import ContainerHost
from verifier.fleet.containers import Fleet
from verifier.reader.damage import Damage
from verifier.reader.digest import Digests
from verifier.simulate.dataset import Dataset
from verifier.simulate.faults import is_added, machine_of
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.cycle import CYCLE_TIMEOUT_S, Edit, Template
from verifier.simulate.worlds.fleet_data import Held, apply_day, data_folder
from verifier.simulate.worlds.fleet_logs import Logs
from verifier.simulate.worlds.fleet_settle import copy_folder, manifest_place
from verifier.simulate.worlds.fleet_store import Store
from verifier.simulate.worlds.fleet_system import (
    CYCLE_SCRIPT,
    HOST_SCRIPT,
    PAGE,
    PYTHON,
    Grounds,
    home_of,
    host_programs,
    manifest_folder,
)
from verifier.simulate.worlds.model import ModelWorld
from verifier.simulate.worlds.reckoning import Reckoning, Stores
from verifier.simulate.worlds.stages import Ran
from verifier.simulate.worlds.timing import HOLD
from verifier.simulate.worlds.unspoken import heard
from verifier.simulate.worlds.zone_file import zone_file

_Item = TypeVar("_Item")

_UID = 1_500
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The store answers at once or not at all: production's three times ten attempts take many minutes.
_PATIENCE = {"RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "2"}


def user_id() -> int:
    """Return the number of a fleet's users: ours, so that we can read; where we are root, any."""
    return os.getuid() or _UID


@dataclass(frozen=True, slots=True)
class Setting:
    """What a fleet's world is made of.

    Attributes:
        config: the system, settled.
        restic: the program that every machine gets.
        uid: of every user that the fleet makes: the files of the repository are its.
        controlled: the machines live in simulated time; otherwise only their snapshots do.
        last: the step after which the world is left.
        own: the user's files, by the names of the generated ones that they replace.
    """

    config: Config
    template: Template
    dataset: Dataset
    restic: Path
    uid: int
    controlled: bool
    last: Step
    own: Mapping[str, bytes] = field(default_factory=dict)


class FleetWorld:
    """A coordinator and its hosts, each a machine, and a real repository; a `RealWorld`."""

    def __init__(self, fleet: Fleet, setting: Setting, grounds: Grounds, model: ModelWorld) -> None:
        self._fleet = fleet
        self._setting = setting
        self._config = setting.config
        self._password = setting.template.password
        self._clock = grounds.clock
        stores = Stores(
            grounds.repository, copy_folder(setting.config, grounds.offsite), self._password
        )
        self._reckoning = Reckoning(setting.config, stores, model, setting.last)
        self._beside: list[Ran] = []
        self._under_way: Step | None = None
        self._held = {host.name: Held() for host in self._config.hosts}
        self._edits: dict[str, tuple[Edit, ...]] = {host.name: () for host in self._config.hosts}
        self._installed: dict[str, tuple[tuple[str, ...], tuple[Edit, ...]]] = {
            host.name: (host.include, ()) for host in self._config.hosts
        }
        name, service = self._config.coordinator.name, self._config.coordinator.log_service
        self._logs = Logs(fleet.host(name), grounds.logs, service)
        self._store = Store(fleet, grounds.store) if grounds.store else None

    @property
    def logs(self) -> Logs:
        """Where the runs are logged."""
        return self._logs

    @property
    def store(self) -> Store | None:
        """The S3 store of the copy, to be stopped or to refuse; none where the copy is a folder."""
        return self._store

    @property
    def fleet(self) -> Fleet:
        """Its machines."""
        return self._fleet

    def unlock(self) -> None:
        """Put the key where the coordinator reads it: its memory is empty after every start."""
        user, file = self._config.coordinator.user, self._config.key_file
        assert file is not None, "settled"
        script = 'install -m 0400 -o "$1" /dev/stdin "$2"'
        done = self._fleet.host(self._config.coordinator.name).run(
            Command(("/bin/sh", "-c", script, "unlock", user, file), stdin=self._password.encode())
        )
        if done.status != 0:
            message = f"the key cannot be put in place: {done.last_lines()}"
            raise CannotVerify(file, message, "see that coordinator.key-file is a full path")

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots, each made for real: its day's data, and a backup."""
        by_host = sorted(snapshots, key=lambda s: (s.host, s.taken_at))
        _side_by_side(
            self._seed_host, [tuple(part) for _, part in groupby(by_host, lambda s: s.host)]
        )
        self._reckoning.seed(snapshots)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return self._reckoning.snapshots()

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot the digest of the generated data in it."""
        return self._reckoning.fingerprints(_identify)

    def run(self, step: Step) -> Outcome:
        """Run the coordinator's script once, and see what it made of the repository."""
        if not step.ran:
            return Outcome(step, (), ())
        self._power(step.missed)
        # What somebody adds is no backup of any host.
        _side_by_side(self._prepare, [s for s in step.due if not is_added(s)])
        # When the last of its commands runs: forget must find no snapshot in the future.
        self._date(self._config.coordinator.name, step.forget_at)
        self._beside.clear()
        self._under_way = step
        ran = self._run_script(step)
        with ThreadPoolExecutor(max_workers=1) as meanwhile:
            telling = meanwhile.submit(self._logs.ship, step.forget_at, ran.done)
            outcome = self._reckoning.follow(step, (ran, *self._beside))
        return replace(outcome, findings=(*outcome.findings, *telling.result()))

    def run_beside(self, step: Step) -> None:
        """Run the coordinator's script once more while a step is under way.

        Args:
            step: what is to come of it. The hosts hold their data of the day already.
        """
        assert self._under_way is not None, "a step is under way"
        for snapshot in step.due:
            self._date(machine_of(snapshot), snapshot.taken_at)
        self._beside.append(self._run_script(step))
        for snapshot in self._under_way.due:
            # Whose turn is over keeps its time: a clock does not go back.
            if not is_added(snapshot) and snapshot.taken_at > step.forget_at:
                self._date(machine_of(snapshot), snapshot.taken_at)

    def page(self, name: str) -> ClockPage:
        """Return a machine's clock."""
        return ClockPage(self._clock / name / "page")

    def remove_stale_locks(self, step: Step) -> None:
        """Run `restic unlock` on the coordinator, just before a step.

        Raises:
            ResticFailed: it cannot.
        """
        self._date(self._config.coordinator.name, step.at)
        location = self._config.repository.location
        command = Command(
            ("restic", "unlock", "-q"),
            env={"RESTIC_REPOSITORY": location, "RESTIC_PASSWORD": self._password},
            secrets=(self._password,),
        )
        done = self.coordinator().run(command, timeout_s=CYCLE_TIMEOUT_S)
        if done.status != 0:
            remedy = "see why locks cannot be removed"
            raise ResticFailed("restic unlock", done.status, done.last_lines(), remedy)

    def edit_script(self, name: str, edit: Edit) -> None:
        """Change a host's script from its next backup on, whatever paths it is written for."""
        self._edits[name] = (*self._edits[name], edit)

    def _run_script(self, step: Step) -> Ran:
        done = self._run(CYCLE_SCRIPT)
        return heard(step, done, own=CYCLE in self._setting.own)

    def _power(self, missed: Sequence[str]) -> None:
        for host in self._config.hosts:
            if host.name in missed and self._fleet.is_up(host.name):
                self._fleet.power_off(host.name)
            elif host.name not in missed and not self._fleet.is_up(host.name):
                self._fleet.power_on(host.name)

    def _prepare(self, snapshot: Snapshot) -> None:
        name, at = machine_of(snapshot), snapshot.taken_at
        self._date(name, at)
        apply_day(
            self._fleet.host(name),
            self._setting.dataset,
            self._held[name],
            paths=snapshot.paths,
            day=at.date(),
            more=self._script(name, snapshot.paths),
        )

    def _date(self, name: str, at: datetime) -> None:
        folder, offset = self._clock / name, at.utcoffset()
        assert offset is not None, "a simulated time carries its offset"
        if self._setting.controlled:
            self.page(name).set(at, HOLD)
        else:
            (folder / "time").write_text(at.strftime("%Y-%m-%d %H:%M:%S\n"))
            (folder / "zone").write_bytes(zone_file(offset))

    def _script(self, name: str, paths: tuple[str, ...]) -> Mapping[str, bytes]:
        # The path list stands in the host's script: another list is another script.
        edits = self._edits[name]
        if self._installed[name] == (paths, edits):
            return {}
        self._installed[name] = paths, edits
        table = self._config.host(name).model_copy(update={"include": paths})
        table = table.model_copy(update={"manifest": manifest_place(table)})
        if table.manifest:
            self._fleet.host(name).run(Command(manifest_folder(table)))
        programs = host_programs(self._config, table)
        text = reduce(lambda text, edit: edit(text), edits, programs[HOST_SCRIPT].decode())
        return programs | {HOST_SCRIPT: text.encode()}

    def _seed_host(self, snapshots: Sequence[Snapshot]) -> None:
        for snapshot in snapshots:
            self._prepare(snapshot)
            host = self._config.host(snapshot.host)
            done = self._run(*_ssh(host), RESTIC_PASSWORD=self._password)
            if done.status != 0:
                raise CannotVerify(
                    snapshot.id, f"cannot be made: {done.last_lines()}", "run with --segments 1"
                )

    def _run(self, *argv: str, **env: str) -> Completed:
        command = Command(argv, env=env, secrets=(self._password,))
        return self.coordinator().run(command, timeout_s=CYCLE_TIMEOUT_S)

    def coordinator(self) -> ContainerHost:
        """Return the coordinator as its timer's user, with what systemd gives a service."""
        user = self._config.coordinator.user
        become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups")
        return self._fleet.host(
            self._config.coordinator.name,
            env={
                "HOME": home_of(user),
                "USER": user,
                "PATH": _PATH,
                "LANG": "C.UTF-8",
                **_PATIENCE,
            },
            before=under(Path(PAGE), become, PYTHON) if self._setting.controlled else become,
        )


def _ssh(host: HostTable) -> tuple[str, ...]:
    words = ("-o", "BatchMode=yes", "-o", "SendEnv=RESTIC_PASSWORD")
    return ("ssh", "-p", str(host.port), *words, f"{host.user}@{host.address}", HOST_SCRIPT)


def _identify(digests: Digests, stored: Snapshot, known: Snapshot) -> str:
    return " ".join(_digest(digests, stored, path) for path in known.paths)


def _digest(digests: Digests, stored: Snapshot, path: str) -> str:
    try:
        digest = digests.of(stored, data_folder(path))
    except CannotVerify:
        # A restic that may not read the folder, or is told to leave it out, stores none.
        return "absent"
    return digest.what if isinstance(digest, Damage) else digest


def _side_by_side(act: Callable[[_Item], object], on: Iterable[_Item]) -> None:
    # Most of it is waiting: for the engine, for a lock.
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(act, on))
