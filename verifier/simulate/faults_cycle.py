"""Faults of a real cycle: what becomes of the repository, its copy, the scripts and the files.

They are made between two cycles, by day, in the folder that the world lives in, as chance or
somebody with rights would make them. The world knows nothing of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from verifier.config.scenario_faults import (
    ExcludeAdded,
    Faults,
    FilesRewritten,
    LockLeft,
    PackDamaged,
)
from verifier.core.errors import CannotVerify
from verifier.core.snapshot import Snapshot
from verifier.core.tree import Node
from verifier.reader.repository import open_repository
from verifier.reader.seal import NONCE_BYTES, seal
from verifier.reader.storage import pack_name
from verifier.simulate.dataset import Dataset
from verifier.simulate.faults import is_added
from verifier.simulate.forge import Forge
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.cycle import CycleWorld
from verifier.simulate.worlds.relocate import ROOT, relocate_paths

_COPIES = {"repository": "repository", "off-site": "offsite"}
_SCRIPT = "usr/local/bin/backup-restic"


class FaultyCycle:
    """A cycle's world in which faults happen; a `RealWorld`.

    Args:
        folder: in which the world lives.
    """

    def __init__(self, world: CycleWorld, folder: Path, password: str, faults: Faults) -> None:
        self._world = world
        self._folder = folder
        self._password = password
        self._faults = faults

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots instead of none."""
        self._world.seed(snapshots)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return self._world.snapshots()

    def fingerprints(self) -> Mapping[str, str]:
        """Return for each existing snapshot what identifies its content."""
        return self._world.fingerprints()

    def run(self, step: Step) -> Outcome:
        """Run one step, with what goes wrong before it and after it."""
        day = step.at.date()
        self._forge(snapshot for snapshot in step.due if is_added(snapshot))
        for typo in self._faults.exclude_added:
            if typo.from_ <= day:
                self._exclude(typo)
        outcome = self._world.run(step)
        for damaged in self._faults.pack_damaged:
            if damaged.after == day:
                self._damage(damaged)
        for lock in self._faults.lock_left:
            if lock.after == day:
                self._lock(lock, step.forget_at)
        return outcome

    def _forge(self, added: Iterable[Snapshot]) -> None:
        moved = [replace(s, paths=relocate_paths(s.paths)) for s in added]
        if moved:
            Forge(self._folder / "repository", self._password).write(moved)

    def _exclude(self, typo: ExcludeAdded) -> None:
        script = self._folder / "hosts" / typo.host / _SCRIPT
        text, line = script.read_text(), f"options+=(--exclude={_quoted(ROOT + typo.pattern)})\n"
        if line not in text:
            script.write_text(text.replace("\npaths=()\n", f"\n{line}paths=()\n", 1))

    def _damage(self, damaged: PackDamaged) -> None:
        folder = self._folder / _COPIES[damaged.where]
        path = folder / pack_name(_oldest_pack(folder, self._password, damaged.holds))
        stored, times = path.read_bytes(), path.stat()
        path.chmod(0o600)
        if damaged.how == "deleted":
            path.unlink()
        elif damaged.how == "cut":
            path.write_bytes(stored[: len(stored) // 2])
        else:
            path.write_bytes(bytes([stored[0] ^ 1]) + stored[1:])
            # As rot does it: who compares sizes and times sees nothing.
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _lock(self, lock: LockLeft, now: datetime) -> None:
        folder = self._folder / "repository"
        document = {
            "time": (now - lock.age).isoformat(),
            "exclusive": lock.exclusive,
            "hostname": "gone.simulated",
            "username": "root",
            "pid": 4_711,
            "uid": 0,
            "gid": 0,
        }
        keys = open_repository(folder, self._password).keys
        stored = seal(json.dumps(document).encode(), keys, secrets.token_bytes(NONCE_BYTES))
        (folder / "locks" / hashlib.sha256(stored).hexdigest()).write_bytes(stored)


class RewrittenDataset(Dataset):
    """Generated data of which some hosts' files are rewritten from a day on."""

    def __init__(self, seed: int, faults: Sequence[FilesRewritten]) -> None:
        super().__init__(seed)
        self._rewritten = faults

    def write(self, root: Path, host: str, paths: tuple[str, ...], day: date) -> None:
        """Make what lies below `root` the host's data of that day; see `Dataset`."""
        super().write(root, host, paths, day)
        if any(fault.host == host and fault.from_ <= day for fault in self._rewritten):
            for path in sorted(p for p in root.rglob("*") if p.is_file()):
                name = f"rewritten {host} {path.relative_to(root)}".encode()
                path.write_bytes(hashlib.shake_128(name).digest(path.stat().st_size + 1))


def _oldest_pack(folder: Path, password: str, holds: str) -> str:
    """Return the pack of the oldest snapshot's root tree, or of the first file's content in it.

    Packs are named by chance; what is in this one is the same in every run.
    """
    repository = open_repository(folder, password)
    oldest = min(repository.snapshots(), key=lambda snapshot: (snapshot.taken_at, snapshot.host))
    if holds == "trees":
        return repository.index.find(oldest.tree)[0].pack
    for _, node in repository.walk(oldest):
        if isinstance(node, Node) and node.content:
            return repository.index.find(node.content[0])[0].pack
    raise CannotVerify(oldest.id, "holds no file with content", "let a host back up more")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
