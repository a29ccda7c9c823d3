"""The world of real decisions: real snapshot files, and the real `restic forget` asked every day.

Nothing is backed up: the snapshot files are forged, which restic cannot tell. Every decision is
the binary's, and is compared with the model's, group by group, reasons included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.core.decision import Decision, GroupDecision, differences
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.restic.commands import Access
from verifier.simulate.forge import Forge
from verifier.simulate.timeline import Outcome, Step
from verifier.simulate.worlds.model import ModelWorld, untouched

Ask = Callable[[], Decision]
"""Run `restic forget --dry-run` on the world's repository."""

_LEAN = {"GOGC": "off", "GOMEMLIMIT": "256MiB", "GOMAXPROCS": "1"}
"""To Go's runtime: a process that lives for milliseconds collects no garbage and needs no threads.

restic itself knows none of them. It takes a fifth less processor time so.
"""


def access_to(repository: Path, password: str, zone: str) -> Access:
    """Return how the restic that decides gets at a forged repository.

    Args:
        zone: TZ of the forgetting process.
    """
    return Access(
        str(repository), password=password, env={"TZ": zone, **_LEAN}, options=("--no-cache",)
    )


class DecisionsWorld:
    """A forged repository in which the real forget decides.

    Args:
        forge: writes the snapshot files.
        ask: asks the binary about that repository.
        model: the model's twin of this world; it follows the binary after a disagreement, so that
            each difference is told once.
    """

    def __init__(self, forge: Forge, ask: Ask, model: ModelWorld) -> None:
        self._forge = forge
        self._ask = ask
        self._model = model
        self._files: dict[str, Snapshot] = {}

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots instead of none."""
        self._files = {}
        self._forge.replace_all(())
        self._write(snapshots)
        self._model.seed(snapshots)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return tuple(self._files.values())

    def fingerprints(self) -> Mapping[str, str]:
        """Return the existing snapshots; forged ones have no content of their own."""
        return {snapshot.id: snapshot.id for snapshot in self._files.values()}

    def run(self, step: Step) -> Outcome:
        """Write the step's snapshot files, ask the binary, compare, remove what it removes."""
        if not step.ran:
            return Outcome(step, (), ())
        self._write(step.due)
        predicted = self._model.run(step)
        decision = self._named(self._ask())
        if decision.refused:
            return self._refused(step, predicted, decision.refused)
        expected = Decision(predicted.groups)
        differing = differences(expected, decision)
        findings = tuple(_disagreement(step, key, expected, decision) for key in differing)
        gone = {snapshot.id for snapshot in decision.removed()}
        files = [file for file, snapshot in self._files.items() if snapshot.id in gone]
        self._forge.remove(files)
        for file in files:
            del self._files[file]
        if differing:
            self._model.seed(self.snapshots())
        compared = len({group.key for group in (*predicted.groups, *decision.groups)})
        return Outcome(
            step,
            step.due,
            decision.groups,
            (*predicted.findings, *findings),
            compared=compared,
            agreed=compared - len(differing),
        )

    def _write(self, snapshots: Sequence[Snapshot]) -> None:
        named = {snapshot.id: snapshot for snapshot in snapshots}
        files = self._forge.write(snapshots)
        self._files.update({file: named[name] for name, file in files.items()})

    def _named(self, decision: Decision) -> Decision:
        return replace(decision, groups=tuple(map(self._named_group, decision.groups)))

    def _named_group(self, group: GroupDecision) -> GroupDecision:
        keep = tuple(self._files[s.id] for s in group.keep)
        return replace(group, keep=keep, remove=tuple(self._files[s.id] for s in group.remove))

    def _refused(self, step: Step, predicted: Outcome, refused: str) -> Outcome:
        groups, findings = predicted.groups, predicted.findings
        agreed = any(finding.kind == "forget-refused" for finding in findings)
        if not agreed:
            detail = f"restic forget stops where the model does not expect it: {refused}"
            findings = (*findings, Finding("disagreement", step.at.date().isoformat(), detail))
            groups = tuple(map(untouched, groups))
            self._model.seed(self.snapshots())
        compared = len(groups)
        return Outcome(
            step, step.due, groups, findings, compared=compared, agreed=compared * agreed
        )


def _disagreement(step: Step, key: object, model: Decision, binary: Decision) -> Finding:
    def kept(decision: Decision) -> list[str]:
        group = next((g for g in decision.groups if g.key == key), None)
        if group is None:
            return []
        return [
            f"{s.taken_at.isoformat()} {', '.join(why)}"
            for s, why in zip(group.keep, group.reasons, strict=True)
        ]

    ours, theirs = kept(model), kept(binary)
    only_model = [line for line in ours if line not in theirs]
    only_binary = [line for line in theirs if line not in ours]
    detail = (
        f"on {step.at.date()} the model keeps {len(ours)} and restic {len(theirs)}; "
        f"only the model: {'; '.join(only_model[:2]) or 'none'}; only restic: "
        f"{'; '.join(only_binary[:2]) or 'none'}"
    )
    return Finding(
        "disagreement", str(key), detail, {"model": only_model[:20], "restic": only_binary[:20]}
    )
