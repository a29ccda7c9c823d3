"""What goes wrong in a repository's folder: packs that rot, locks that stay, snapshots put there.

The same on every rung on which there is a real repository; the world in it knows nothing of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from verifier.config.scenario_faults import Faults, LockLeft, PackDamaged
from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.tree import Node
from verifier.reader.repository import open_repository
from verifier.reader.seal import NONCE_BYTES, seal
from verifier.reader.storage import pack_name
from verifier.simulate.observed import observed_pack, observed_version
from verifier.simulate.timeline import Step


def damage_stores(
    faults: Faults, step: Step, repository: Path, copy: Path | None, password: str
) -> tuple[Finding, ...]:
    """Do to a repository and its copy what is due after a step, and return what is seen of it.

    Args:
        copy: none where there is none of ours.
    """
    day, folders = step.at.date(), {"repository": repository, "off-site": copy}
    seen: list[Finding] = []
    for damaged in faults.pack_damaged:
        folder = folders[damaged.where]
        if damaged.after == day and folder is not None:
            seen += _damage_pack(folder, password, damaged)
    for lock in faults.lock_left:
        if lock.after == day:
            _leave_lock(repository, password, lock, step.forget_at)
    return tuple(seen)


def migrated(
    faults: Faults, step: Step, repository: Path, password: str, migrate: Callable[[], object]
) -> tuple[Finding, ...]:
    """Migrate the repository where that is due after a step; return its version before and after.

    Args:
        migrate: does it.
    """
    if all(fault.after != step.at.date() for fault in faults.repository_migrated):
        return ()
    before = observed_version(repository, password)
    migrate()
    return before, observed_version(repository, password)


def _damage_pack(folder: Path, password: str, damaged: PackDamaged) -> Iterator[Finding]:
    """Damage a pack of the oldest snapshot of a repository, or delete it."""
    path = folder / pack_name(_oldest_pack(folder, password, damaged.holds))
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
    return observed_pack(damaged.where, path, len(stored))


def _leave_lock(folder: Path, password: str, lock: LockLeft, now: datetime) -> None:
    """Put the lock of a restic that is gone into a repository.

    Args:
        now: by which the lock has its age.
    """
    document = {
        "time": (now - lock.age).isoformat(),
        "exclusive": lock.exclusive,
        "hostname": "gone.simulated",
        "username": "root",
        "pid": 4_711,
        "uid": 0,
        "gid": 0,
    }
    keys = open_repository(folder, password).keys
    stored = seal(json.dumps(document).encode(), keys, secrets.token_bytes(NONCE_BYTES))
    path = folder / "locks" / hashlib.sha256(stored).hexdigest()
    path.write_bytes(stored)
    # Whoever can use the repository may remove it.
    owner = folder.stat()
    os.chown(path, owner.st_uid, owner.st_gid)


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
