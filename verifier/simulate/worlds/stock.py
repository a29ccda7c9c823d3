"""Which of the simulated snapshots a real repository holds, and whether the model agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.reader.repository import Repository
from verifier.retention.decide import group_key, newest_first
from verifier.simulate.faults import machine_of
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.stages import Ran


class Stock:
    """The snapshots of one repository, by their files, as the timeline knows them.

    A stored snapshot is the simulated one of the same host, time and paths; no two are.

    Args:
        restore_path: turns a stored path back into the configured one.
    """

    def __init__(self, restore_path: Callable[[str], str] = str) -> None:
        self._restore_path = restore_path
        self._files: dict[str, Snapshot] = {}

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what existed at the last look."""
        return tuple(self._files.values())

    def known(self, stored: Snapshot) -> Snapshot:
        """Return the simulated snapshot of a stored one."""
        return self._files[stored.id]

    def take(self, repository: Repository, expected: Sequence[Snapshot]) -> None:
        """Look what exists now; what is new should be among the expected."""
        names = {_identity(snapshot): snapshot for snapshot in expected}
        stored = {snapshot.id: snapshot for snapshot in repository.snapshots()}
        for file in self._files.keys() - stored.keys():
            del self._files[file]
        for snapshot in self._files.values():
            names.pop(_identity(snapshot), None)
        for file in sorted(stored.keys() - self._files.keys()):
            paths = tuple(map(self._restore_path, stored[file].paths))
            found = replace(stored[file], id=f"unexpected-{file[:8]}", paths=paths)
            self._files[file] = names.pop(_identity(found), found)

    def lose(self) -> None:
        """Take note that nothing of it can be read any more."""
        self._files.clear()

    def made(self, ran: Ran) -> tuple[Snapshot, ...]:
        """Return those of the due snapshots that a cycle made.

        What the same cycle's forget removed was made all the same, if the host did not fail.
        """
        alive = {snapshot.id for snapshot in self._files.values()}
        due, failed = ran.step.due, ran.failed_hosts()
        forgot = any(stage.name == "forget" for stage in ran.stages)
        return tuple(s for s in due if s.id in alive or (forgot and machine_of(s) not in failed))

    def compare(
        self, step: Step, predicted: Outcome, group_by: Sequence[str], *, partly: bool = False
    ) -> tuple[tuple[GroupDecision, ...], tuple[Finding, ...]]:
        """Return every group as it is found, and a finding for each that the model has otherwise.

        Args:
            predicted: what the model made of the step.
            partly: forget did not run to its end: it may have removed all that the model removes,
                some of it or nothing, and nothing else.
        """
        there: dict[GroupKey, list[Snapshot]] = {group.key: [] for group in predicted.groups}
        for snapshot in self._files.values():
            there.setdefault(group_key(snapshot, group_by), []).append(snapshot)
        expected = {group.key: group for group in predicted.groups}
        groups, findings = [], []
        for key, alive in there.items():
            group = expected.get(key, GroupDecision(key, (), (), ()))
            if partly:
                group = _left(group, alive)
            if {s.id for s in alive} != {s.id for s in group.keep}:
                findings.append(_disagreement(step, group, alive))
                group = _as_found(group, alive)
            groups.append(group)
        return tuple(groups), tuple(findings)


def _identity(snapshot: Snapshot) -> tuple[object, ...]:
    return snapshot.host, snapshot.taken_at, tuple(sorted(snapshot.paths))


def _left(group: GroupDecision, alive: Sequence[Snapshot]) -> GroupDecision:
    """Return the decision with what should have gone, and is still there, among the kept."""
    left = {snapshot.id for snapshot in alive}
    return _as_found(group, (*group.keep, *(s for s in group.remove if s.id in left)))


def _as_found(group: GroupDecision, alive: Sequence[Snapshot]) -> GroupDecision:
    known = {s.id: why for s, why in zip(group.keep, group.reasons, strict=True)}
    left = {snapshot.id for snapshot in alive}
    keep = newest_first(alive)
    remove = newest_first(s for s in (*group.keep, *group.remove) if s.id not in left)
    return GroupDecision(group.key, keep, tuple(known.get(s.id, ()) for s in keep), remove)


def _disagreement(step: Step, group: GroupDecision, alive: Sequence[Snapshot]) -> Finding:
    kept, left = {s.id: s for s in group.keep}, {s.id: s for s in alive}
    only_model = sorted(kept[name].taken_at.isoformat() for name in kept.keys() - left.keys())
    only_real = sorted(left[name].taken_at.isoformat() for name in left.keys() - kept.keys())
    detail = (
        f"on {step.at.date()} the model keeps {len(kept)} snapshots and the cycle left "
        f"{len(left)}; only the model: {'; '.join(only_model[:2]) or 'none'}; only the cycle: "
        f"{'; '.join(only_real[:2]) or 'none'}"
    )
    evidence = {"model": only_model[:20], "cycle": only_real[:20]}
    return Finding("disagreement", str(group.key), detail, evidence)
