"""The world of the whole cycle: the production scripts run, and every restic command is real.

One thing is put in their way, first on PATH: an `ssh` that runs a host's script in that host's
folder. The scripts, restic and all else that runs see the simulated time (`worlds/timing.py`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from pathlib import Path

from verifier.config.models import Config
from verifier.core.errors import CannotVerify, NoSpace, ResticFailed
from verifier.core.host import Command, Completed, Host
from verifier.core.snapshot import Snapshot
from verifier.cycle.render import render
from verifier.reader.damage import Damage
from verifier.reader.digest import Digests
from verifier.simulate.dataset import Dataset
from verifier.simulate.faults import machine_of
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.model import ModelWorld
from verifier.simulate.worlds.reckoning import Reckoning, Stores
from verifier.simulate.worlds.relocate import DOMAIN, ROOT, relocate, relocate_paths, restore_path
from verifier.simulate.worlds.stages import Ran, parse_stages
from verifier.simulate.worlds.timing import SHIMS, ControlledClock, DatedBackups, Timing

_CYCLE_SCRIPT = "/usr/local/bin/run-backups"
_HOST_SCRIPT = "/usr/local/bin/backup-restic"
CYCLE_TIMEOUT_S = 3_600.0

ROOM_BYTES = 8 << 20
"""What a step finds free on its disk: several times what one writes.

On a full disk restic waits for a quarter of an hour, command for command, and what then failed
would be told as a failure of the system.
"""

Edit = Callable[[str], str]
"""Change the text of a script."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs a cycle runs, by full path; rclone only where the off-site copy needs it.

    Attributes:
        controlled: they run under a clock of their own; otherwise backups alone are dated.
        store: what rclone calls the place of the off-site copy, where that is no folder.
    """

    restic: str
    rclone: str | None
    controlled: bool = False
    store: str = ""

    def timing(self) -> Timing:
        """Return how these programs get to know the simulated time."""
        return ControlledClock() if self.controlled else DatedBackups()


@dataclass(frozen=True, slots=True)
class Template:
    """A repository without snapshots, with a low-cost key, that each world copies."""

    folder: Path
    password: str


class CycleWorld:
    """A folder in which a coordinator and its hosts live, and a real repository.

    Args:
        folder: empty; holds everything.
        config: the system; its paths are moved into the folder.
        host: where commands run: this machine.
        model: the model's twin of this world, at the same state; it follows the cycle after a
            disagreement, so that each difference is told once.
        last: the step after which the world is left.
    """

    def __init__(
        self,
        folder: Path,
        template: Template,
        config: Config,
        *,
        programs: Programs,
        host: Host,
        dataset: Dataset,
        model: ModelWorld,
        last: Step,
    ) -> None:
        self._folder = folder
        self._config = relocate(config, folder, programs.store)
        self._password = template.password
        self._programs = programs
        self._timing = programs.timing()
        self._host = host
        self._dataset = dataset
        copy = folder / "offsite" if config.offsite else None
        self._stores = Stores(folder / "repository", copy, template.password)
        self._reckoning = Reckoning(self._config, self._stores, model, last, restore_path)
        self._beside: list[Ran] = []
        self._under_way: Step | None = None
        self._edits: dict[str, tuple[Edit, ...]] = {table.name: () for table in config.hosts}
        self._installed: dict[str, tuple[tuple[str, ...], tuple[Edit, ...]]] = {
            table.name: (table.include, ()) for table in config.hosts
        }
        self._install(template.folder)

    def _install(self, template: Path) -> None:
        for name in ("front", "bin", "keys", "down", "cache", "hosts"):
            (self._folder / name).mkdir(parents=True)
        shutil.copytree(template, self._folder / "repository")
        shutil.copytree(template, self._folder / "offsite")
        key = self._folder / "keys" / "password"
        key.touch(mode=0o600)
        key.write_text(self._password)
        for name, file in render(self._config).items():
            _write_program(self._folder / name, file.text, file.mode)
        _write_program(self._folder / "bin" / "ssh", (SHIMS / "ssh.sh").read_text(), 0o755)
        self._timing.install(self._folder, self._programs.restic)
        if self._programs.rclone:
            (self._folder / "bin" / "rclone").symlink_to(self._programs.rclone)

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots, each made for real: its day's data, and a backup.

        Hosts are seeded side by side: restic's waits for other locks overlap.
        """
        by_host = sorted(snapshots, key=lambda s: (s.host, s.taken_at))
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(
                pool.map(
                    self._seed_host,
                    [tuple(part) for _, part in groupby(by_host, key=lambda s: s.host)],
                )
            )
        self._reckoning.seed(snapshots)

    def _seed_host(self, snapshots: Sequence[Snapshot]) -> None:
        for snapshot in snapshots:
            self._need_room()
            self._prepare(snapshot)
            sending = (f"{self._folder}/bin/ssh", "-o", "SendEnv=RESTIC_PASSWORD")
            command = (*sending, f"restic@{snapshot.host}{DOMAIN}", _HOST_SCRIPT)
            dated = self._timing.run_seed(snapshot, command)
            done = self._run(dated, RESTIC_PASSWORD=self._password)
            if done.status != 0:
                raise CannotVerify(
                    snapshot.id, f"cannot be made: {done.last_lines()}", "run with --segments 1"
                )

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return self._reckoning.snapshots()

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot the digest of its tree below the host's root."""
        return self._reckoning.fingerprints(_identify)

    def run(self, step: Step) -> Outcome:
        """Run the coordinator's script once, and see what it made of the repository."""
        if not step.ran:
            return Outcome(step, (), ())
        self._beside.clear()
        self._under_way = step
        ran = self._run_cycle(step)
        return self._reckoning.follow(step, (ran, *self._beside))

    def run_beside(self, step: Step) -> None:
        """Run the coordinator's script once more while a step is under way.

        Args:
            step: what is to come of it. The hosts hold their data of the day already.
        """
        assert self._under_way is not None, "a step is under way"
        self._timing.plan(step, self._hosts())
        self._beside.append(self._run_script(step))
        self._timing.plan(self._under_way, self._hosts())

    def remove_stale_locks(self, step: Step) -> None:
        """Run `restic unlock` where the coordinator runs, just before a step.

        Raises:
            ResticFailed: it cannot.
        """
        self._timing.begin(step)
        repository = {"RESTIC_REPOSITORY": str(self._stores.repository)}
        done = self._run(
            self._timing.run_cycle(("restic", "unlock", "-q")),
            RESTIC_PASSWORD=self._password,
            **repository,
        )
        if done.status != 0:
            remedy = "see why locks cannot be removed"
            raise ResticFailed("restic unlock", done.status, done.last_lines(), remedy)

    def edit_script(self, name: str, edit: Edit) -> None:
        """Change a host's script from its next backup on, whatever paths it is written for."""
        self._edits[name] = (*self._edits[name], edit)

    def _need_room(self) -> None:
        if shutil.disk_usage(self._folder).free < ROOM_BYTES:
            message = f"has no room for the test repositories: less than {ROOM_BYTES >> 20} MiB"
            raise NoSpace(tempfile.gettempdir(), message, "set TMPDIR to a larger disk")

    def _run_cycle(self, step: Step) -> Ran:
        self._need_room()
        for snapshot in step.due:
            self._prepare(snapshot)
        for name in step.missed:
            (self._folder / "down" / name).touch()
        self._timing.begin(step)
        self._timing.plan(step, self._hosts())
        ran = self._run_script(step)
        for name in step.missed:
            (self._folder / "down" / name).unlink()
        return ran

    def _run_script(self, step: Step) -> Ran:
        script = (f"{self._folder}/coordinator{_CYCLE_SCRIPT}",)
        done = self._run(self._timing.run_cycle(script))
        return Ran(step, parse_stages(done.stdout), done)

    def _hosts(self) -> list[str]:
        return [table.name for table in self._config.hosts]

    def _prepare(self, snapshot: Snapshot) -> None:
        name = machine_of(snapshot)
        root = self._folder / "hosts" / name / "data"
        self._dataset.write(root, name, snapshot.paths, snapshot.taken_at.date())
        self._install_script(name, snapshot.paths)

    def _install_script(self, name: str, paths: tuple[str, ...]) -> None:
        # The path list stands in the host's script: another list is another script.
        edits = self._edits[name]
        if self._installed[name] == (paths, edits):
            return
        table = self._config.host(name).model_copy(update={"include": relocate_paths(paths)})
        file = render(self._config.model_copy(update={"hosts": (table,)}))[
            f"hosts/{name}{_HOST_SCRIPT}"
        ]
        text = reduce(lambda text, edit: edit(text), edits, file.text)
        _write_program(self._folder / "hosts" / name / _HOST_SCRIPT.lstrip("/"), text, file.mode)
        self._installed[name] = paths, edits

    def _run(self, argv: tuple[str, ...], **env: str) -> Completed:
        base = {
            "PATH": f"{self._folder}/front:{self._folder}/bin:{os.defpath}",
            "TZ": self._config.schedule.timezone,
            "HOME": str(self._folder),
            "RESTIC_CACHE_DIR": str(self._folder / "cache" / "coordinator"),
            "SIMULATION": str(self._folder),
        }
        command = Command(argv, env={**base, **env}, secrets=(self._password,))
        return self._host.run(command, timeout_s=CYCLE_TIMEOUT_S)


def _identify(digests: Digests, stored: Snapshot, _: Snapshot) -> str:
    try:
        digest = digests.of(stored, ROOT)
    except CannotVerify:
        # Somebody else added it: nothing of ours is in it.
        digest = digests.of(stored)
    return digest.what if isinstance(digest, Damage) else digest


def _write_program(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
