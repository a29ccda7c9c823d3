"""The world of the fleet: the coordinator drives its hosts over real ssh, as production does.

The very scripts run, on machines of their own: real users, a restic that reads by its capability
alone, one repository that all of them mount, a key in memory. A host that is down is a machine
without power.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from verifier.clock.control import under
from verifier.clock.page import ClockPage
from verifier.config.models import Config, HostTable
from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.host import Command, Completed
from verifier.core.snapshot import Snapshot
from verifier.fleet.container import ContainerHost
from verifier.fleet.containers import Fleet
from verifier.reader.damage import Damage
from verifier.reader.digest import Digests
from verifier.reader.repository import Repository, open_repository
from verifier.simulate.dataset import Dataset
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.cycle import CHECK_EVERY, CYCLE_TIMEOUT_S, Template
from verifier.simulate.worlds.fleet_data import Held, apply_day, data_folder
from verifier.simulate.worlds.fleet_settle import copy_folder
from verifier.simulate.worlds.fleet_system import (
    CYCLE_SCRIPT,
    HOST_SCRIPT,
    PAGE,
    PYTHON,
    Grounds,
    home_of,
    host_script,
    zone_file,
)
from verifier.simulate.worlds.model import ModelWorld
from verifier.simulate.worlds.soundness import Soundness, verify_all
from verifier.simulate.worlds.stages import failures, parse_stages
from verifier.simulate.worlds.stock import Stock
from verifier.simulate.worlds.timing import HOLD

_Item = TypeVar("_Item")

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a fleet's world is made of.

    Attributes:
        config: the system, settled.
        restic: the program that every machine gets.
        uid: of every user that the fleet makes: the files of the repository are its.
        controlled: the machines live in simulated time; otherwise only their snapshots do.
        last: the step after which the world is left.
    """

    config: Config
    template: Template
    dataset: Dataset
    restic: Path
    uid: int
    controlled: bool
    last: Step


class FleetWorld:
    """A coordinator and its hosts, each a machine, and a real repository; a `RealWorld`."""

    def __init__(self, fleet: Fleet, setting: Setting, grounds: Grounds, model: ModelWorld) -> None:
        self._fleet = fleet
        self._setting = setting
        self._config = setting.config
        self._password = setting.template.password
        self._clock = grounds.clock
        self._repository = grounds.repository
        self._model = model
        self._stock = Stock()
        self._soundness = Soundness(self._password, copy_folder(setting.config, grounds.offsite))
        self._ran = 0
        self._held = {host.name: Held() for host in self._config.hosts}
        self._include = {host.name: host.include for host in self._config.hosts}

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
        self._stock.take(self._open(), snapshots)
        self._model.seed(snapshots)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return self._stock.snapshots()

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot the digest of the generated data in it."""
        repository = self._open()
        digests = Digests(repository)
        found = {}
        for stored in repository.snapshots():
            known = self._stock.known(stored)
            parts = [digests.of(stored, data_folder(path)) for path in known.paths]
            found[known.id] = " ".join(p.what if isinstance(p, Damage) else p for p in parts)
        return found

    def run(self, step: Step) -> Outcome:
        """Run the coordinator's script once, and see what it made of the repository."""
        if not step.ran:
            return Outcome(step, (), ())
        self._power(step.missed)
        _side_by_side(self._prepare, step.due)
        # When the last of its commands runs: forget must find no snapshot in the future.
        self._date(self._config.coordinator.name, step.forget_at)
        done = self._run(CYCLE_SCRIPT)
        stages = parse_stages(done.stdout)
        self._stock.take(self._open(), step.due)
        created = self._stock.made(step.due, stages)
        predicted = self._model.run(replace(step, due=created))
        groups, disagreements = self._stock.compare(step, predicted, self._config.group_by)
        if disagreements:
            self._model.seed(self.snapshots())
        unsound = tuple(self._check(step)) if self._is_check_due(step) else None
        failed = failures(step, stages, done)
        return Outcome(
            step,
            created,
            groups,
            (*predicted.findings, *failed, *disagreements, *(unsound or ())),
            duration_s=round(done.duration_s, 3),
            repository_bytes=_size_bytes(self._repository),
            compared=len(groups),
            agreed=len(groups) - len(disagreements),
            sound=None if unsound is None else not unsound,
        )

    def _power(self, missed: Sequence[str]) -> None:
        for host in self._config.hosts:
            if host.name in missed and self._fleet.is_up(host.name):
                self._fleet.power_off(host.name)
            elif host.name not in missed and not self._fleet.is_up(host.name):
                self._fleet.power_on(host.name)

    def _is_check_due(self, step: Step) -> bool:
        self._ran += 1
        return step == self._setting.last or self._ran % CHECK_EVERY == 0

    def _prepare(self, snapshot: Snapshot) -> None:
        name, at = snapshot.host, snapshot.taken_at
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
            ClockPage(folder / "page").set(at, HOLD)
        else:
            (folder / "time").write_text(at.strftime("%Y-%m-%d %H:%M:%S\n"))
            (folder / "zone").write_bytes(zone_file(offset))

    def _script(self, name: str, paths: tuple[str, ...]) -> Mapping[str, bytes]:
        # The path list stands in the host's script: another list is another script.
        if self._include[name] == paths:
            return {}
        self._include[name] = paths
        table = self._config.host(name).model_copy(update={"include": paths})
        return {HOST_SCRIPT: host_script(self._config, table)}

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
        return self._coordinator().run(command, timeout_s=CYCLE_TIMEOUT_S)

    def _coordinator(self) -> ContainerHost:
        """Return the coordinator as its timer's user, with what systemd gives a service."""
        user = self._config.coordinator.user
        become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups")
        return self._fleet.host(
            self._config.coordinator.name,
            env={"HOME": home_of(user), "USER": user, "PATH": _PATH, "LANG": "C.UTF-8"},
            before=under(Path(PAGE), become, PYTHON) if self._setting.controlled else become,
        )

    def _open(self) -> Repository:
        return open_repository(self._repository, self._password)

    def _check(self, step: Step) -> Iterator[Finding]:
        day, pruned = step.at.date().isoformat(), self._config.retention.prune
        yield from self._soundness.check(self._open(), day, pruned=pruned)
        if step == self._setting.last:
            yield from verify_all(self._open(), day)


def _ssh(host: HostTable) -> tuple[str, ...]:
    words = ("-o", "BatchMode=yes", "-o", "SendEnv=RESTIC_PASSWORD")
    return ("ssh", "-p", str(host.port), *words, f"{host.user}@{host.address}", HOST_SCRIPT)


def _side_by_side(act: Callable[[_Item], object], on: Iterable[_Item]) -> None:
    # Most of it is waiting: for the engine, for a lock.
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(act, on))


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
