"""All hosts of a drill: asked while the packs are read, a few at a time, and judged one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.core.clock import Clock
from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.drill.backup import Asked, Files, Judged, ask, judge, totals
from verifier.drill.choose import Choice, choose
from verifier.drill.integrity import missed
from verifier.drill.ledger import Run
from verifier.drill.part import Said, could_not
from verifier.drill.places import uncovered
from verifier.drill.recorded import Lost, Record, open_record
from verifier.drill.rotation import Shortfall
from verifier.drill.target import Target
from verifier.reader.repository import Repository

ENDED = "snapshot groups that are current no more"

PROVEN = "proven_bytes"
"""Under what name a host's part says how much live content is as it was backed up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host showed: for each of its snapshots, or why it could not be looked at."""

    choice: Choice
    files: Files
    shortfall: Shortfall | None
    looks: tuple[tuple[Snapshot, Asked | CannotVerify], ...]


@dataclass(frozen=True, slots=True)
class Hosts:
    """How hosts are drilled.

    Attributes:
        budget_bytes: how much of the live files of each may be read.
        folder: scratch space.
    """

    repository: Repository
    run: Run
    clock: Clock
    folder: Path
    budget_bytes: int | None = None

    def ask(self, target: Target, snapshots: Collection[Snapshot]) -> Answer:
        """Look at a host's live files; what goes wrong is part of the answer."""
        choice = choose(snapshots, target.name, self.clock.now())
        files = Files(self.run, target.name, self.budget_bytes, target.canaries)
        opened = [(snapshot, self._open(snapshot)) for snapshot in choice.snapshots]
        records = [record for _, record in opened if isinstance(record, Record)]
        cut = files.cut(records)
        held = [path for snapshot in choice.snapshots for path in snapshot.paths]
        further = uncovered(target.include, held)
        looks: list[tuple[Snapshot, Asked | CannotVerify]] = []
        for snapshot, record in opened:
            if isinstance(record, CannotVerify):
                looks.append((snapshot, record))
                continue
            try:
                looks.append((snapshot, ask(target, record, further, cut, files, self.folder)))
            except CannotVerify as error:
                looks.append((snapshot, error))
            # What should be in the backup and is in none is looked for once.
            further = ()
        return Answer(choice, files, cut.shortfall if cut else None, tuple(looks))

    def judge(self, target: Target, answer: Answer, lost: Lost) -> Said:
        """Say what is so, now that it is known which blobs are lost."""
        findings: list[Finding] = []
        judged: list[tuple[Snapshot, Judged]] = []
        if not answer.choice.snapshots:
            detail = "the repository holds no snapshot of this host"
            findings.append(Finding("empty", target.name, detail))
        if answer.shortfall is not None:
            findings.append(missed(answer.shortfall, "live files", target.name))
        for snapshot, asked in answer.looks:
            try:
                if isinstance(asked, CannotVerify):
                    raise asked
                judged.append((snapshot, self._judge(target, snapshot, asked, lost, answer.files)))
            except CannotVerify as error:
                finding = could_not(target.name, error)
                evidence = {**finding.evidence, "snapshot": snapshot.id}
                findings.append(replace(finding, evidence=evidence))
        answer.files.keep(whole=len(judged) == len(answer.looks))
        findings += [finding for _, one in judged for finding in one.findings]
        checked, total, skipped = totals(one.comparison for _, one in judged)
        counted = Counter({**skipped, ENDED: answer.choice.frozen_groups})
        counted["could-not-verify"] += len(answer.looks) - len(judged)
        return Said(
            tuple(findings),
            {
                "snapshots": [_entry(target, snapshot, one) for snapshot, one in judged],
                "excluded": list(_excluded(target, answer)),
                PROVEN: answer.files.proven_bytes,
            },
            checked,
            total,
            {why: count for why, count in counted.items() if count},
        )

    def _judge(
        self, target: Target, snapshot: Snapshot, asked: Asked, lost: Lost, files: Files
    ) -> Judged:
        found = judge(target, asked, lost, files, self.folder)
        if "lost" in found.comparison.counts and not self._is_there(snapshot):
            message = f"snapshot {snapshot.short_id} was removed while it was looked at"
            raise CannotVerify(target.name, message, "run it when nobody prunes the repository")
        return found

    def _is_there(self, snapshot: Snapshot) -> bool:
        self.repository.refresh()
        return snapshot.id in {other.id for other in self.repository.snapshots()}

    def _open(self, snapshot: Snapshot) -> Record | CannotVerify:
        try:
            return open_record(self.repository, snapshot)
        except CannotVerify as error:
            return error


def _entry(target: Target, snapshot: Snapshot, one: Judged) -> dict[str, object]:
    return {
        "host": target.name,
        "snapshot": snapshot.id,
        "taken": snapshot.taken_at.isoformat(),
        "files": one.files,
        "bytes": one.size_bytes,
        "counts": dict(sorted(one.comparison.counts.items())),
    }


def _excluded(target: Target, answer: Answer) -> Iterator[dict[str, object]]:
    """Yield what each exclude leaves out of what is live now, of each include."""
    total: dict[tuple[int, str], tuple[int, int]] = {}
    for _, asked in answer.looks:
        for key, counted in asked.excluded.items() if isinstance(asked, Asked) else ():
            known = total.get(key, (0, 0))
            total[key] = (known[0] + counted[0], known[1] + counted[1])
    for (number, include), (files, size_bytes) in sorted(total.items()):
        yield {
            "host": target.name,
            "pattern": target.excludes.patterns[number].text,
            "include": include,
            "files": files,
            "bytes": size_bytes,
        }
