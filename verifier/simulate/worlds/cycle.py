"""The world of the whole cycle: the production scripts run, and every restic command is real.

Two things are put in their way, both first on PATH: an `ssh` that runs a host's script in that
host's folder, and a `restic` that dates backups with the simulated time. Simulated days therefore
end in the past: only snapshot times are controlled, not the clock.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from verifier.config.models import Config
from verifier.core.decision import GroupDecision
from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.host import Command, Completed, Host
from verifier.core.snapshot import Snapshot
from verifier.cycle.render import render
from verifier.reader.damage import Damage
from verifier.reader.digest import Digests
from verifier.reader.repository import Repository, open_repository
from verifier.reader.verify import unreachable, verify
from verifier.simulate.dataset import Dataset
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.model import ModelWorld

_SHIMS = Path(__file__).parents[1] / "shims"
_CYCLE_SCRIPT = "/usr/local/bin/run-backups"
_HOST_SCRIPT = "/usr/local/bin/backup-restic"
CYCLE_TIMEOUT_S = 3_600.0
CHECK_EVERY = 7
"""Every so many cycles, from the first, the repository is read without restic; so are the seams."""

UNUSED_SHARE = 0.05
"""What `restic prune` leaves unused by default: 5 % of the repository (`--max-unused`)."""

_STAGE = re.compile(
    r"(?P<name>\w+)(?: host=(?P<host>\S+))? status=(?P<status>[0-9]+) duration_s=[0-9.]+"
)
_ENDED = re.compile(rb"^(Finished|Failed) run backups", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs a cycle runs, by full path; rclone only where the off-site copy needs it."""

    restic: str
    rclone: str | None


class CycleWorld:
    """A folder in which a coordinator and its hosts live, and a real repository.

    Args:
        folder: empty; holds everything.
        template: a repository without snapshots, with a low-cost key, that this world copies.
        config: the system; its paths are moved into the folder.
        host: where commands run: this machine.
        model: the model's twin of this world, at the same state.
    """

    def __init__(
        self,
        folder: Path,
        template: Path,
        config: Config,
        *,
        password: str,
        programs: Programs,
        host: Host,
        dataset: Dataset,
        model: ModelWorld,
    ) -> None:
        self._folder = folder
        self._config = relocate(config, folder)
        self._password = password
        self._programs = programs
        self._host = host
        self._dataset = dataset
        self._model = model
        self._files: dict[str, Snapshot] = {}
        self._ran = 0
        self._include: dict[str, tuple[str, ...]] = {table.name: () for table in config.hosts}
        self._install(template)

    def _install(self, template: Path) -> None:
        for name in ("bin", "keys", "time", "down", "cache", "hosts"):
            (self._folder / name).mkdir(parents=True)
        shutil.copytree(template, self._folder / "repository")
        shutil.copytree(template, self._folder / "offsite")
        key = self._folder / "keys" / "password"
        key.touch(mode=0o600)
        key.write_text(self._password)
        for name, file in render(self._config).items():
            _write_program(self._folder / name, file.text, file.mode)
        for name in ("ssh", "restic"):
            _write_program(self._folder / "bin" / name, (_SHIMS / f"{name}.sh").read_text(), 0o755)
        (self._folder / "bin" / "real-restic").symlink_to(self._programs.restic)
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
            command = (f"{self._folder}/bin/ssh", f"restic@{snapshot.host}", _HOST_SCRIPT)
            done = self._run(command, RESTIC_PASSWORD=self._password)
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
            digest = digests.of(stored, str(self._folder / "hosts" / known.host))
            found[known.id] = digest.what if isinstance(digest, Damage) else digest
        return found

    def run(self, step: Step) -> Outcome:
        """Run the coordinator's script once, and see what it made of the repository."""
        if not step.ran:
            return Outcome(step, (), ())
        for snapshot in step.due:
            self._prepare(snapshot)
        for name in step.missed:
            (self._folder / "down" / name).touch()
        done = self._run((f"{self._folder}/coordinator{_CYCLE_SCRIPT}",))
        for name in step.missed:
            (self._folder / "down" / name).unlink()
        predicted = self._model.run(step)
        before = set(self.snapshots())
        created = self._take_stock(step.due)
        groups, disagreements = self._compare(step, before, created, predicted)
        unsound = tuple(self._check_repository(step)) if self._is_check_due() else None
        findings = (*predicted.findings, *_failures(step, done), *disagreements, *(unsound or ()))
        return Outcome(
            step,
            created,
            groups,
            findings,
            duration_s=round(done.duration_s, 3),
            repository_bytes=_size_bytes(self._folder / "repository"),
            compared=len(predicted.groups),
            agreed=len(predicted.groups) - len(disagreements),
            sound=None if unsound is None else not unsound,
        )

    def _is_check_due(self) -> bool:
        due = self._ran % CHECK_EVERY == 0
        self._ran += 1
        return due

    def _prepare(self, snapshot: Snapshot) -> None:
        root = self._folder / "hosts" / snapshot.host
        self._dataset.write(root, snapshot.host, snapshot.paths, snapshot.taken_at.date())
        self._install_script(snapshot.host, snapshot.paths)
        at = snapshot.taken_at.strftime("%Y-%m-%d %H:%M:%S\n")
        (self._folder / "time" / snapshot.host).write_text(at)

    def _install_script(self, name: str, paths: tuple[str, ...]) -> None:
        # The path list stands in the host's script: another list is another script.
        if self._include[name] == paths:
            return
        root = f"{self._folder}/hosts/{name}"
        table = self._config.host(name).model_copy(
            update={"include": tuple(f"{root}{path}" for path in paths)}
        )
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

    def _take_stock(self, expected: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
        # A stored snapshot is the simulated one of the same host, time and paths.
        names = {(s.host, s.taken_at, s.paths): s for s in expected}
        stored = {snapshot.id: snapshot for snapshot in self._open().snapshots()}
        for file in self._files.keys() - stored.keys():
            del self._files[file]
        for file in stored.keys() - self._files.keys():
            moved = self._moved_back(stored[file])
            known = names.get((moved.host, moved.taken_at, moved.paths))
            self._files[file] = (
                replace(moved, id=f"unexpected-{file[:8]}") if known is None else known
            )
        alive = {s.id for s in self._files.values()}
        return tuple(snapshot for snapshot in expected if snapshot.id in alive)

    def _moved_back(self, stored: Snapshot) -> Snapshot:
        root = str(self._folder / "hosts" / stored.host)
        return replace(stored, paths=tuple(path.removeprefix(root) for path in stored.paths))

    def _compare(
        self, step: Step, before: set[Snapshot], created: Sequence[Snapshot], predicted: Outcome
    ) -> tuple[tuple[GroupDecision, ...], list[Finding]]:
        # A snapshot that came and was removed by the same cycle's forget counts as created.
        alive = {s.id for s in self._files.values()}
        strangers = [s for s in self._files.values() if s.id.startswith("unexpected-")]
        groups, findings = [], []
        for group in predicted.groups:
            kept = {s.id for s in group.keep}
            mine = (*group.keep, *group.remove)
            if {s.id for s in mine if s.id in alive} == kept:
                groups.append(group)
                continue
            keep = tuple(s for s in mine if s.id in alive)
            reasons = tuple(() for _ in keep)
            groups.append(
                GroupDecision(group.key, keep, reasons, tuple(s for s in mine if s.id not in alive))
            )
            detail = (
                f"on {step.at.date()} the model keeps {len(kept)} snapshots and the cycle left "
                f"{len(keep)}"
            )
            findings.append(Finding("disagreement", str(group.key), detail))
        for stranger in strangers:
            detail = (
                f"on {step.at.date()} the cycle made a snapshot of {stranger.taken_at} nobody "
                "planned"
            )
            findings.append(Finding("disagreement", str(stranger.host), detail))
        return tuple(groups), findings

    def _check_repository(self, step: Step) -> Iterator[Finding]:
        day = step.at.date().isoformat()
        repository = self._open()
        found = verify(repository, read_data=False)
        for damage in found.damages:
            yield Finding("lost", damage.file, f"on {day}, after prune: {damage.what}")
        if self._config.retention.prune:
            spare = unreachable(repository)
            spare_bytes = sum(blob.length for blob in spare.blobs)
            held_bytes = sum(blob.length for blob in repository.blobs())
            if spare_bytes > UNUSED_SHARE * held_bytes or spare.packs:
                detail = (
                    f"on {day}, after prune: {spare_bytes} of {held_bytes} bytes serve no snapshot"
                )
                yield Finding("unreachable-data", day, detail, {"packs": list(spare.packs[:20])})
        yield from self._check_offsite(day)

    def _check_offsite(self, day: str) -> Iterator[Finding]:
        offsite = self._config.offsite
        if offsite is None:
            return
        copied = open_repository(Path(offsite.target), self._password).snapshots()
        held = {(s.host, s.taken_at, s.paths) for s in copied}
        missing = [s for s in self._open().snapshots() if (s.host, s.taken_at, s.paths) not in held]
        if missing:
            detail = (
                f"on {day} the off-site copy lacks {len(missing)} snapshots, the newest of "
                f"{missing[-1].taken_at}"
            )
            yield Finding("step-failed", "off-site", detail)


def relocate(config: Config, folder: Path) -> Config:
    """Return the configuration with every path and host of it moved into a folder."""
    repository = str(folder / "repository")
    hosts = tuple(
        host.model_copy(
            update={
                "address": host.name,
                "repository": repository,
                "exclude": tuple(
                    _relocated(pattern, f"{folder}/hosts/{host.name}") for pattern in host.exclude
                ),
            }
        )
        for host in config.hosts
    )
    offsite = config.offsite and config.offsite.model_copy(
        update={"target": str(folder / "offsite"), "password_file": None}
    )
    return config.model_copy(
        update={
            "repository": config.repository.model_copy(
                update={"location": repository, "restic": "restic"}
            ),
            "coordinator": config.coordinator.model_copy(
                update={"key_file": str(folder / "keys" / "password")}
            ),
            "hosts": hosts,
            "offsite": offsite,
        }
    )


def _relocated(pattern: str, root: str) -> str:
    if pattern.startswith("!/"):
        return f"!{root}{pattern[1:]}"
    return f"{root}{pattern}" if pattern.startswith("/") else pattern


def _failures(step: Step, done: Completed) -> Iterator[Finding]:
    # A stage says `NAME [host=HOST] status=N duration_s=N`; a host that is down is no surprise.
    day = step.at.date().isoformat()
    stages = 0
    for line in done.stdout.decode(errors="replace").splitlines():
        found = _STAGE.fullmatch(line)
        if found is None or found["name"] == "run":
            continue
        stages += 1
        if found["status"] != "0" and found["host"] not in step.missed:
            detail = f"on {day} {found['name']} ended with {found['status']}: {done.last_lines()}"
            yield Finding("step-failed", found["host"] or found["name"], detail)
    if not stages or not _ENDED.search(done.stdout):
        yield Finding(
            "step-failed",
            "run-backups",
            f"on {day} it ended with {done.status}: {done.last_lines()}",
        )


def _size_bytes(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(
            _size_bytes(Path(entry.path)) if entry.is_dir() else entry.stat().st_size
            for entry in entries
        )


def _write_program(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
