"""The world of the cycle where scripts of the user's own run, unchanged, for generated ones.

Nothing is moved here: every path is the one in the configuration, on machines that are namespaces
(`machines`). What a script says is not ours to read; `unspoken` judges by what it left behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.config.models import Config
from verifier.config.own import CYCLE
from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Completed, Host
from verifier.core.snapshot import Snapshot
from verifier.cycle.render import render
from verifier.reader.damage import Damage
from verifier.reader.digest import Digests
from verifier.simulate.dataset import Dataset
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.cycle import CYCLE_TIMEOUT_S, Programs, Template
from verifier.simulate.worlds.fleet_settle import settle
from verifier.simulate.worlds.machines import PATH, Machines, check_includes
from verifier.simulate.worlds.model import ModelWorld
from verifier.simulate.worlds.reckoning import Reckoning, Stores
from verifier.simulate.worlds.relocate import without_rights
from verifier.simulate.worlds.timing import ControlledClock
from verifier.simulate.worlds.unspoken import heard

_SCRIPT = "/usr/local/bin/run-backups"


@dataclass(frozen=True, slots=True)
class OwnScripts:
    """What a world with scripts of the user's own is made of, beside its timeline.

    Attributes:
        own: the user's files, by the names of the generated ones that they replace.
        host: where commands run: this machine.
    """

    template: Template
    config: Config
    own: Mapping[str, bytes]
    programs: Programs
    host: Host
    dataset: Dataset


class OwnWorld:
    """A folder in which a coordinator and its hosts live, and a real repository; a `RealWorld`.

    Args:
        folder: does not exist yet; holds everything.
        model: the model's twin of this world, at the same state.
        last: the step after which the world is left.

    Raises:
        CannotVerify: there can be no such machines here.
    """

    def __init__(self, folder: Path, made_of: OwnScripts, model: ModelWorld, last: Step) -> None:
        assert made_of.programs.controlled, "a script of the user's own cannot be told the time"
        self._folder = folder
        self._made_of = made_of
        self._config = without_rights(settle(made_of.config))
        check_includes(self._config, folder)
        self._clock = ControlledClock()
        copy = folder / "offsite" if self._config.offsite else None
        stores = Stores(folder / "repository", copy, made_of.template.password)
        self._reckoning = Reckoning(self._config, stores, model, last)
        programs = filter(None, (made_of.programs.restic, made_of.programs.rclone))
        self._machines = Machines(folder, self._config, tuple(programs))
        self._install(made_of.template)

    def _install(self, template: Template) -> None:
        for name in ("bin", "keys", "down", "hosts"):
            (self._folder / name).mkdir(parents=True)
        for name in ("repository", "offsite"):
            shutil.copytree(template.folder, self._folder / name)
        key = self._folder / "keys" / "password"
        key.touch(mode=0o600)
        key.write_text(template.password)
        self._clock.install(self._folder, self._made_of.programs.restic)
        files = {name: file.text.encode() for name, file in render(self._config).items()}
        self._machines.install(files | dict(self._made_of.own))
        self._machines.check(self._made_of.host)

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with nothing.

        Raises:
            CannotVerify: it is to begin with snapshots.
        """
        if snapshots:
            # They would be dated by `--time`, which a script of the user's own is not told.
            message = "scripts of your own cannot begin in the middle of a timeline"
            raise CannotVerify("scripts of your own", message, "run with --segments 1")
        self._reckoning.seed(())

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return self._reckoning.snapshots()

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot the digests of its paths."""
        return self._reckoning.fingerprints(_identify)

    def run(self, step: Step) -> Outcome:
        """Run the coordinator's script once, and see what it made of the repository."""
        if not step.ran:
            return Outcome(step, (), ())
        for snapshot in step.due:
            root = self._folder / "hosts" / snapshot.host / "data"
            day = snapshot.taken_at.date()
            self._made_of.dataset.write(root, snapshot.host, snapshot.paths, day)
            self._machines.furnish(snapshot.host)
        for name in step.missed:
            (self._folder / "down" / name).touch()
        self._clock.begin(step)
        self._clock.plan(step, [table.name for table in self._config.hosts])
        ran = heard(step, self._run_script(), own=CYCLE in self._made_of.own)
        for name in step.missed:
            (self._folder / "down" / name).unlink()
        return self._reckoning.follow(step, (ran,))

    def _run_script(self) -> Completed:
        argv = self._clock.run_cycle(self._machines.on_coordinator(_SCRIPT))
        env = {
            "PATH": PATH,
            "HOME": "/root",
            "USER": "root",
            "LANG": "C.UTF-8",
            "TZ": self._config.schedule.timezone,
            "SIMULATION": str(self._folder),
        }
        secrets = (self._made_of.template.password,)
        command = Command(argv, env=env, secrets=secrets)
        return self._made_of.host.run(command, timeout_s=CYCLE_TIMEOUT_S)


def _identify(digests: Digests, stored: Snapshot, _: Snapshot) -> str:
    parts = [digests.of(stored, path) for path in stored.paths]
    return " ".join(part.what if isinstance(part, Damage) else part for part in parts)
