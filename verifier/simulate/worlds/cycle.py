"""The world of the whole cycle: the production scripts run, and every restic command is real.

One thing is put in their way, first on PATH: an `ssh` that runs a host's script in that host's
folder. The scripts, restic and all else that runs see the simulated time (`worlds/timing.py`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from verifier.config.models import Config
from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.host import Command, Completed, Host
from verifier.core.snapshot import Snapshot
from verifier.cycle.render import render
from verifier.reader.damage import Damage
from verifier.reader.digest import Digests
from verifier.reader.repository import Repository, open_repository
from verifier.retention.decide import group_key, newest_first
from verifier.simulate.dataset import Dataset
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.model import ModelWorld
from verifier.simulate.worlds.relocate import DOMAIN, ROOT, relocate, relocate_paths, restore_path
from verifier.simulate.worlds.soundness import Soundness, verify_all
from verifier.simulate.worlds.stages import Stage, failures, parse_stages
from verifier.simulate.worlds.timing import SHIMS, ControlledClock, DatedBackups, Timing

_CYCLE_SCRIPT = "/usr/local/bin/run-backups"
_HOST_SCRIPT = "/usr/local/bin/backup-restic"
CYCLE_TIMEOUT_S = 3_600.0
CHECK_EVERY = 7
"""Every so many cycles, and after the last, the repository is read without restic."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs a cycle runs, by full path; rclone only where the off-site copy needs it.

    Attributes:
        controlled: they run under a clock of their own; otherwise backups alone are dated.
    """

    restic: str
    rclone: str | None
    controlled: bool = False

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
        self._config = relocate(config, folder)
        self._password = template.password
        self._programs = programs
        self._timing = programs.timing()
        self._host = host
        self._dataset = dataset
        self._model = model
        self._files: dict[str, Snapshot] = {}
        offsite = self._config.offsite
        self._soundness = Soundness(self._password, Path(offsite.target) if offsite else None)
        self._last = last
        self._ran = 0
        self._include = {table.name: table.include for table in config.hosts}
        self._install(template.folder)

    def _install(self, template: Path) -> None:
        for name in ("bin", "keys", "down", "cache", "hosts"):
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
        self._take_stock(snapshots)
        self._model.seed(snapshots)

    def _seed_host(self, snapshots: Sequence[Snapshot]) -> None:
        for snapshot in snapshots:
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
        return tuple(self._files.values())

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot the digest of its tree below the host's root."""
        repository = self._open()
        digests = Digests(repository)
        found = {}
        for stored in repository.snapshots():
            known = self._files[stored.id]
            digest = digests.of(stored, ROOT)
            found[known.id] = digest.what if isinstance(digest, Damage) else digest
        return found

    def run(self, step: Step) -> Outcome:
        """Run the coordinator's script once, and see what it made of the repository."""
        if not step.ran:
            return Outcome(step, (), ())
        done = self._run_cycle(step)
        stages = parse_stages(done.stdout)
        self._take_stock(step.due)
        created = self._made(step.due, stages)
        predicted = self._model.run(replace(step, due=created))
        groups, disagreements = self._compare(step, predicted)
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
            repository_bytes=_size_bytes(f"{self._folder}/repository"),
            compared=len(groups),
            agreed=len(groups) - len(disagreements),
            sound=None if unsound is None else not unsound,
        )

    def _run_cycle(self, step: Step) -> Completed:
        for snapshot in step.due:
            self._prepare(snapshot)
        for name in step.missed:
            (self._folder / "down" / name).touch()
        self._timing.begin(step, [table.name for table in self._config.hosts])
        cycle = (f"{self._folder}/coordinator{_CYCLE_SCRIPT}",)
        done = self._run(self._timing.run_cycle(cycle))
        for name in step.missed:
            (self._folder / "down" / name).unlink()
        return done

    def _is_check_due(self, step: Step) -> bool:
        self._ran += 1
        return step == self._last or self._ran % CHECK_EVERY == 0

    def _prepare(self, snapshot: Snapshot) -> None:
        root = self._folder / "hosts" / snapshot.host / "data"
        self._dataset.write(root, snapshot.host, snapshot.paths, snapshot.taken_at.date())
        self._install_script(snapshot.host, snapshot.paths)

    def _install_script(self, name: str, paths: tuple[str, ...]) -> None:
        # The path list stands in the host's script: another list is another script.
        if self._include[name] == paths:
            return
        table = self._config.host(name).model_copy(update={"include": relocate_paths(paths)})
        file = render(self._config.model_copy(update={"hosts": (table,)}))[
            f"hosts/{name}{_HOST_SCRIPT}"
        ]
        _write_program(
            self._folder / "hosts" / name / _HOST_SCRIPT.lstrip("/"), file.text, file.mode
        )
        self._include[name] = paths

    def _run(self, argv: tuple[str, ...], **env: str) -> Completed:
        base = {
            "PATH": f"{self._folder}/bin:{os.defpath}",
            "TZ": self._config.schedule.timezone,
            "HOME": str(self._folder),
            "RESTIC_CACHE_DIR": str(self._folder / "cache" / "coordinator"),
            "SIMULATION": str(self._folder),
        }
        command = Command(argv, env={**base, **env}, secrets=(self._password,))
        return self._host.run(command, timeout_s=CYCLE_TIMEOUT_S)

    def _open(self) -> Repository:
        return open_repository(self._folder / "repository", self._password)

    def _take_stock(self, expected: Sequence[Snapshot]) -> None:
        # A stored snapshot is the simulated one of the same host, time and paths; no two are.
        names = {_identity(snapshot): snapshot for snapshot in expected}
        stored = {snapshot.id: snapshot for snapshot in self._open().snapshots()}
        for file in self._files.keys() - stored.keys():
            del self._files[file]
        for snapshot in self._files.values():
            names.pop(_identity(snapshot), None)
        for file in sorted(stored.keys() - self._files.keys()):
            paths = tuple(map(restore_path, stored[file].paths))
            found = replace(stored[file], id=f"unexpected-{file[:8]}", paths=paths)
            self._files[file] = names.pop(_identity(found), found)

    def _made(self, due: Sequence[Snapshot], stages: Sequence[Stage]) -> tuple[Snapshot, ...]:
        # What the same cycle's forget removed was made all the same, if the host did not fail.
        alive = {snapshot.id for snapshot in self._files.values()}
        failed = {stage.host for stage in stages if stage.status}
        return tuple(s for s in due if s.id in alive or (stages and s.host not in failed))

    def _compare(
        self, step: Step, predicted: Outcome
    ) -> tuple[tuple[GroupDecision, ...], tuple[Finding, ...]]:
        there: dict[GroupKey, list[Snapshot]] = {group.key: [] for group in predicted.groups}
        for snapshot in self._files.values():
            there.setdefault(group_key(snapshot, self._config.group_by), []).append(snapshot)
        expected = {group.key: group for group in predicted.groups}
        groups, findings = [], []
        for key, alive in there.items():
            group = expected.get(key, GroupDecision(key, (), (), ()))
            if {s.id for s in alive} != {s.id for s in group.keep}:
                findings.append(_disagreement(step, group, alive))
                group = _as_found(group, alive)
            groups.append(group)
        return tuple(groups), tuple(findings)

    def _check(self, step: Step) -> Iterator[Finding]:
        day, pruned = step.at.date().isoformat(), self._config.retention.prune
        yield from self._soundness.check(self._open(), day, pruned=pruned)
        if step == self._last:
            yield from verify_all(self._open(), day)


def _identity(snapshot: Snapshot) -> tuple[object, ...]:
    return snapshot.host, snapshot.taken_at, tuple(sorted(snapshot.paths))


def _as_found(group: GroupDecision, alive: Sequence[Snapshot]) -> GroupDecision:
    known = {s.id: why for s, why in zip(group.keep, group.reasons, strict=True)}
    left = {snapshot.id for snapshot in alive}
    keep = newest_first(alive)
    remove = newest_first(s for s in (*group.keep, *group.remove) if s.id not in left)
    return GroupDecision(group.key, keep, tuple(known.get(s.id, ()) for s in keep), remove)


def _disagreement(step: Step, group: GroupDecision, alive: Sequence[Snapshot]) -> Finding:
    kept, left = {s.id: s for s in group.keep}, {s.id: s for s in alive}
    only_model = sorted(kept[name].taken_at.isoformat() for name in kept.keys() - left.keys())
    only_cycle = sorted(left[name].taken_at.isoformat() for name in left.keys() - kept.keys())
    detail = (
        f"on {step.at.date()} the model keeps {len(kept)} snapshots and the cycle left "
        f"{len(left)}; only the model: {'; '.join(only_model[:2]) or 'none'}; only the cycle: "
        f"{'; '.join(only_cycle[:2]) or 'none'}"
    )
    evidence = {"model": only_model[:20], "cycle": only_cycle[:20]}
    return Finding("disagreement", str(group.key), detail, evidence)


def _size_bytes(folder: str) -> int:
    with os.scandir(folder) as entries:
        return sum(
            _size_bytes(entry.path) if entry.is_dir() else entry.stat().st_size for entry in entries
        )


def _write_program(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
