"""What a monthly drill does after the hosts: the rehearsals, the off-site copy, the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from verifier.cli.context import Context
from verifier.cli.drilling import cleaned
from verifier.cli.secrets import repository_password
from verifier.config.drill import Canary
from verifier.config.models import Config, HostTable, Offsite
from verifier.core.host import Host
from verifier.core.snapshot import Snapshot
from verifier.drill.applications import Application
from verifier.drill.audit import Terms, audit
from verifier.drill.choose import choose
from verifier.drill.includes import Excluded
from verifier.drill.integrity import Reading, check_integrity, recoverable
from verifier.drill.ledger import Run
from verifier.drill.mirror import compare_mirror
from verifier.drill.monthly import Further, Known
from verifier.drill.offsite import Compared, compare_copy
from verifier.drill.part import PACKS_LEFT, Said, merged
from verifier.drill.places import covers
from verifier.drill.recorded import open_record
from verifier.drill.rehearse import Asked, Rehearsal, rehearse, wanted
from verifier.drill.restore import Source
from verifier.drill.sample import choose_sample
from verifier.reader.location import open_storage
from verifier.reader.repository import Repository, open_repository
from verifier.reader.storage import Storage
from verifier.retention.dating import Forgetting
from verifier.retention.rules import rules_for

COPY = "off-site"
"""What findings about the copy begin with, and its name in the ledger."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that the further parts are made from."""

    config: Config
    context: Context
    repository: Repository
    source: Source
    run: Run
    reading: Reading
    here: Host

    def all(self, tables: tuple[HostTable, ...]) -> Iterator[Further]:
        """Yield the parts in the order in which they are done."""
        for table in tables:
            yield Further(f"rehearsal {table.name}", table.name, partial(self._rehearsal, table))
        offsite = self.config.offsite
        location = _location(offsite) if offsite else None
        if offsite is not None and location is not None:
            # Opened before the work: what is misspelt must not be found out after hours.
            storage = open_storage(location, self.context.environ)
            yield Further(COPY, COPY, partial(self._copy, offsite, storage))
        yield Further("audit", "audit", partial(self._audit, tables))

    def _rehearsal(self, table: HostTable, known: Known) -> Said:
        now = self.context.clock.now()
        snapshots = choose(self.repository.snapshots(), table.name, now).snapshots
        canaries = [canary for canary in self.config.canaries if canary.host == table.name]
        said = []
        for snapshot in snapshots:
            own = [c for c in canaries if _holds(snapshot, c) or snapshot == snapshots[-1]]
            canaries = [canary for canary in canaries if canary not in own]
            said.append(self._rehearse(table, snapshot, own, known.folder, share=len(snapshots)))
        return merged("rehearsals", said)

    def _rehearse(
        self, table: HostTable, snapshot: Snapshot, own: list[Canary], folder: Path, *, share: int
    ) -> Said:
        monthly = self.config.monthly
        applications = _applications(self.config, table.name)
        canaries = {canary.path: canary.sha256 for canary in own}
        record = open_record(self.repository, snapshot)
        asked = Asked(table.name, applications, canaries)
        budget_bytes = monthly.sample // share
        chosen = wanted(asked, budget_bytes=budget_bytes, seed=self.run.seed)
        sample = choose_sample(record.paths({}), chosen)
        rehearsal = Rehearsal(self.source, self.here, folder, monthly.scratch_budget)
        found = rehearse(rehearsal, record, sample, asked)
        return Said(found.findings, found.section, found.checked, found.total, found.skipped)

    def _copy(self, offsite: Offsite, storage: Storage, known: Known) -> Said:
        compared = self._compare(offsite, storage)
        if offsite.method == "rclone-sync":
            copy = Repository(storage, self.repository.keys)
        else:
            copy = open_repository(storage, self._copy_password(offsite))
        budget_bytes = self.config.monthly.read_budget
        whole = check_integrity(copy, self.run, self.reading, budget_bytes=budget_bytes, copy=COPY)
        grave = (f for f in compared.findings if f.kind in ("copy-lacks", "copy-differs"))
        told = {finding.subject for finding in grave}
        further = (finding for finding in whole.findings if finding.subject not in told)
        return Said(
            (*compared.findings, *further, *recoverable(known.integrity, copy)),
            {**_copy_section(storage, compared), **whole.section()},
            compared.checked + whole.checked,
            compared.total + whole.total,
            {PACKS_LEFT: whole.total - whole.checked},
        )

    def _compare(self, offsite: Offsite, storage: Storage) -> Compared:
        now = self.context.clock.now()
        if offsite.method == "rclone-sync":
            return compare_mirror(self.repository, storage, now=now, max_lag=offsite.max_lag)
        copy = open_repository(storage, self._copy_password(offsite))
        return compare_copy(self.repository, copy, now=now, max_lag=offsite.max_lag)

    def _copy_password(self, offsite: Offsite) -> str:
        settings = self.config.repository
        if offsite.password_file:
            update = {"password_file": offsite.password_file, "password_command": None}
            settings = settings.model_copy(update=update)
        return repository_password(settings, self.context.environ, self.here)

    def _audit(self, tables: tuple[HostTable, ...], known: Known) -> Said:
        config = self.config
        rules = rules_for(self.source.version())
        named = tuple(table.name for table in tables)
        terms = Terms(
            Forgetting(config.policy(), rules, config.zone, config.group_by),
            {table.name: cleaned(table.include) for table in tables},
            config.audit.warn_age,
            config.audit.alarm_age,
            config.audit.exclude_percent,
            scheduled=True,
            effects=_effects(known.hosts),
            only=named if len(named) < len(config.hosts) else (),
        )
        found = audit(self.repository, terms, self.context.clock.now())
        return Said(found.findings, found.section, found.checked, found.total, found.skipped)


def _copy_section(storage: Storage, compared: Compared) -> dict[str, object]:
    known = {name: compared.section[name] for name in ("method", "hosts")}
    counts = {name: n for name, n in compared.section.items() if isinstance(n, int)}
    files = {"files": compared.section["files"]} if "files" in compared.section else {}
    return {"location": storage.location, **known, "counts": counts, **files}


def _location(offsite: Offsite) -> str | None:
    """Return where the copy is read; none where the configuration names no place to read it."""
    if offsite.location or offsite.target.startswith("/"):
        return offsite.location or offsite.target
    return None


def _holds(snapshot: Snapshot, canary: Canary) -> bool:
    return any(covers(path, canary.path) for path in snapshot.paths)


def _applications(config: Config, host: str) -> tuple[Application, ...]:
    return tuple(
        Application(
            table.files, table.probe or "", table.command or (), table.timeout.total_seconds()
        )
        for table in config.applications
        if table.host in (None, host)
    )


def _effects(hosts: Mapping[str, Said]) -> Mapping[str, tuple[Excluded, ...]]:
    """Return what each host's excludes left out, as the probe counted it."""
    found: dict[str, tuple[Excluded, ...]] = {}
    for name, said in hosts.items():
        entries = said.section.get("excluded", [])
        assert isinstance(entries, list)
        found[name] = tuple(
            Excluded(entry["pattern"], entry["include"], entry["files"], entry["bytes"])
            for entry in entries
        )
    return found
