"""The drill, straight down: the repository's packs, every host, the rehearsal, the copy, the audit.

Each part is done once a run and written down, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from verifier.core.clock import Clock
from verifier.core.finding import Finding
from verifier.core.report import Coverage
from verifier.core.snapshot import Snapshot
from verifier.drill.hosts import PROVEN, Answer, Hosts
from verifier.drill.integrity import Integrity, Reading, check_integrity
from verifier.drill.ledger import Run
from verifier.drill.part import PACKS_LEFT, Said, coverage, once
from verifier.drill.scratch import scratch
from verifier.drill.target import Target
from verifier.reader.repository import Repository

HOSTS_AT_ONCE = 4
"""How many hosts are looked at together: each hashes on its own processors."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill has to say: the parts of a report."""

    findings: tuple[Finding, ...]
    coverage: Coverage
    measurements: Mapping[str, object]
    section: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known after the hosts.

    Attributes:
        folder: scratch space.
        hosts: name -> what the drill of a host said.
    """

    folder: Path
    integrity: Integrity
    hosts: Mapping[str, Said]


@dataclass(frozen=True, slots=True)
class Further:
    """A part that follows the hosts: the rehearsal of one, a copy, the audit.

    Attributes:
        name: under which it is written down, and found in the report.
        subject: what a finding is about where it could not be done.
        do: makes it from what is known by then.
    """

    name: str
    subject: str
    do: Callable[[Known], Said]


@dataclass(frozen=True, slots=True)
class Drill:
    """How a repository is drilled.

    Attributes:
        scratch: below this folder is room for what travels, and for what is restored.
        budget_bytes: how much may be read of the repository, and of each host's live files.
        end: ends every command that runs on a host, whatever waits for it.
        snapshots: of which the newest of each group are drilled; none stands for all.
    """

    repository: Repository
    run: Run
    clock: Clock
    reading: Reading
    scratch: Path
    budget_bytes: int | None = None
    end: Callable[[], object] = field(default=lambda: None)
    snapshots: tuple[Snapshot, ...] | None = None

    def monthly(self, targets: Collection[Target], further: Sequence[Further] = ()) -> Drilled:
        """Drill every host, then do the further parts.

        Raises:
            CannotVerify: the repository cannot be read, or there is no scratch folder.
        """
        with scratch(self.scratch) as folder:
            integrity, hosts = self._hosts(targets, folder)
            known = Known(folder, integrity, hosts)
            parts = {part.name: self._further(part, known) for part in further}
        return _drilled(integrity, hosts, parts)

    def _hosts(
        self, targets: Collection[Target], folder: Path
    ) -> tuple[Integrity, Mapping[str, Said]]:
        hosts = Hosts(self.repository, self.run, self.clock, folder, self.budget_bytes)
        snapshots = self.repository.snapshots() if self.snapshots is None else self.snapshots
        done = self.run.said()
        with ThreadPoolExecutor(HOSTS_AT_ONCE) as asking:
            try:
                asked = {
                    target.name: asking.submit(self._ask, hosts, target, snapshots)
                    for target in targets
                    if _part(target) not in done
                }
                integrity = check_integrity(
                    self.repository, self.run, self.reading, budget_bytes=self.budget_bytes
                )
                said = {
                    target.name: self._host(hosts, target, asked.get(target.name), integrity)
                    for target in targets
                }
            except BaseException:
                # The threads wait for their commands, so these are ended before they are joined.
                self.end()
                raise
        return integrity, said

    def _ask(self, hosts: Hosts, target: Target, snapshots: Collection[Snapshot]) -> Answer | None:
        return None if self.reading.over() else hosts.ask(target, snapshots)

    def _host(
        self, hosts: Hosts, target: Target, asked: Future[Answer | None] | None, known: Integrity
    ) -> Said:
        def do() -> Said:
            assert asked is not None, "what was not said before has been asked"
            answer = asked.result()
            assert answer is not None, "the time was not up"
            return hosts.judge(target, answer, known.lost)

        self.reading.advance(1)
        if asked is not None and asked.exception() is None and asked.result() is None:
            return _put_off(target.name)
        return once(self.run, _part(target), target.name, do)

    def _further(self, part: Further, known: Known) -> Said:
        if part.name not in self.run.said() and self.reading.over():
            return _put_off(part.subject)
        return once(self.run, part.name, part.subject, lambda: part.do(known))


def _put_off(subject: str) -> Said:
    """Return what is said of a part that was not begun."""
    finding = Finding("rotation-missed", subject, "was put off: the time was up")
    return Said((finding,), total=1, skipped={"parts put off: the time was up": 1})


def _part(target: Target) -> str:
    return f"host {target.name}"


def _drilled(integrity: Integrity, hosts: Mapping[str, Said], parts: Mapping[str, Said]) -> Drilled:
    packs = Said(
        integrity.findings,
        integrity.section(),
        integrity.checked,
        integrity.total,
        {PACKS_LEFT: integrity.total - integrity.checked},
    )
    every = (packs, *hosts.values(), *parts.values())
    return Drilled(
        findings=(
            *(finding for said in every for finding in said.findings),
            *_unread(integrity, hosts, parts),
        ),
        coverage=coverage(every),
        measurements={
            "hosts": len(hosts),
            "packs": integrity.total,
            "packs_read": integrity.checked,
            "read_bytes": integrity.read_bytes,
        },
        section={
            "repository": packs.section,
            "hosts": _listed(hosts, "snapshots"),
            "excluded": _listed(hosts, "excluded"),
            **_further(parts),
        },
    )


def _unread(
    integrity: Integrity, hosts: Mapping[str, Said], parts: Mapping[str, Said]
) -> Iterator[Finding]:
    """Yield that no content at all was read, where that is so: paths and dates prove none."""
    copies = (part.section.get("packs_read") for part in parts.values())
    live = (host.section.get(PROVEN) for host in hosts.values())
    restored = [one.get("bytes") for one in _rehearsals(parts)]
    if not (integrity.checked or any(copies) or any(live) or any(restored)):
        detail = "no pack and no file's content was read: give it a larger budget, or more time"
        yield Finding("empty", "repository", detail)


def _rehearsals(parts: Mapping[str, Said]) -> Iterator[Mapping[str, object]]:
    for said in parts.values():
        entries = said.section.get("rehearsals", [])
        assert isinstance(entries, list)
        yield from entries


def _listed(hosts: Mapping[str, Said], key: str) -> list[object]:
    found: list[object] = []
    for said in hosts.values():
        entries = said.section.get(key, [])
        assert isinstance(entries, list)
        found += entries
    return found


def _further(parts: Mapping[str, Said]) -> dict[str, object]:
    """Return the further parts: rehearsals in one list, each other one under its name."""
    rest = {
        name.replace("-", "_"): said.section
        for name, said in parts.items()
        if said.section and "rehearsals" not in said.section
    }
    return {"rehearsals": list(_rehearsals(parts)), **rest}
