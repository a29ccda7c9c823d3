"""Whether a simulated repository and its copy are sound, read without restic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from verifier.core.errors import RepositoryUnreadable
from verifier.core.finding import Finding
from verifier.reader.contents import check_packs
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository, open_repository
from verifier.reader.storage import file_id
from verifier.reader.verify import verify

UNUSED_SHARE = 0.05
"""What `restic prune` leaves unused by default: 5 % of the repository (`--max-unused`)."""


class Soundness:
    """Checks one repository again and again, and its copy.

    A tree's ID is the hash of its content, so what a tree needs is read once and remembered; that
    every copy of it is whole is seen each time.

    Args:
        offsite: the folder of the copy, where there is one.
    """

    def __init__(self, password: str, offsite: Path | None) -> None:
        self._password = password
        self._offsite = offsite
        self._trees: dict[str, tuple[str, ...]] = {}
        self._blobs: dict[str, tuple[str, ...]] = {}

    def check(self, repository: Repository, day: str, *, pruned: bool) -> Iterator[Finding]:
        """Yield what is damaged or missing, and after a prune what it should not have left."""
        needed, damages = self._reach(repository)
        for damage in dict.fromkeys([*_damages(repository, read_data=True), *damages]):
            yield Finding("lost", damage.file, f"on {day}: {damage.what}")
        for blob_id in _lacking(repository, needed):
            yield Finding("lost", blob_id, f"on {day}: no index lists this blob")
        if pruned:
            yield from _check_unused(repository, needed, day)
        if self._offsite is not None:
            yield from self._check_offsite(repository, self._offsite, needed, day)

    def _reach(self, repository: Repository) -> tuple[set[str], list[Damage]]:
        needed: set[str] = set()
        damages: list[Damage] = []
        due = [snapshot.tree for snapshot in repository.snapshots()]
        while due:
            tree_id = due.pop()
            if tree_id in needed:
                continue
            needed.add(tree_id)
            if tree_id not in self._trees:
                nodes = repository.tree(tree_id)
                if isinstance(nodes, Damage):
                    damages.append(nodes)
                    continue
                self._trees[tree_id] = tuple(node.subtree for node in nodes if node.subtree)
                self._blobs[tree_id] = tuple(blob for node in nodes for blob in node.content)
            due += self._trees[tree_id]
            needed.update(self._blobs[tree_id])
        return needed, damages

    def _check_offsite(
        self, repository: Repository, folder: Path, needed: set[str], day: str
    ) -> Iterator[Finding]:
        try:
            copy = open_repository(folder, self._password)
        except RepositoryUnreadable as error:
            yield Finding("step-failed", "off-site", f"on {day} there is no copy: {error}")
            return
        for damage in _damages(copy, read_data=False):
            detail = f"on {day} the off-site copy is damaged: {damage.what}"
            yield Finding("lost", f"off-site {damage.file}", detail)
        held = {(s.host, s.taken_at, s.paths) for s in copy.snapshots()}
        behind = [s for s in repository.snapshots() if (s.host, s.taken_at, s.paths) not in held]
        if behind:
            detail = (
                f"on {day} the off-site copy lacks {len(behind)} snapshots, the newest of "
                f"{behind[-1].taken_at}"
            )
            yield Finding("step-failed", "off-site", detail)
            return
        for blob_id in _lacking(copy, needed):
            yield Finding("lost", f"off-site {blob_id}", f"on {day}: no index lists this blob")


def lost_whole(subject: str, why: str) -> Finding:
    """Return that a repository of the simulation cannot be read, and with it nothing it held."""
    return Finding("lost", subject, f"nothing of it can be read, {why}")


def verify_all(repository: Repository, day: str) -> Iterator[Finding]:
    """Yield what is damaged, with every tree of every snapshot read, none from memory."""
    for damage in verify(repository, read_data=False).damages:
        yield Finding("lost", damage.file, f"on {day}, read again: {damage.what}")


def _damages(repository: Repository, *, read_data: bool) -> list[Damage]:
    packs = check_packs(repository, None, read_data=read_data)
    return [*repository.damages(), *(damage for pack in packs for damage, _ in pack.wounds)]


def _lacking(repository: Repository, needed: set[str]) -> list[str]:
    return sorted(needed.difference(blob.id for blob in repository.blobs()))


def _check_unused(repository: Repository, needed: set[str], day: str) -> Iterator[Finding]:
    spare_bytes = sum(blob.length for blob in repository.blobs() if blob.id not in needed)
    held_bytes = sum(blob.length for blob in repository.blobs())
    listed = set(repository.index.packs)
    packs = [p for p in map(file_id, repository.storage.list("data")) if p not in listed]
    if spare_bytes > UNUSED_SHARE * held_bytes or packs:
        detail = f"on {day}, after prune: {spare_bytes} of {held_bytes} bytes serve no snapshot"
        yield Finding("unreachable-data", day, detail, {"packs": packs[:20]})
