"""What is known now of hosts, runs, reports and incidents: what metrics are made of.

Read from the history and from one look at the alert rules, which is not kept: asking changes
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.core.finding import Verdict
from verifier.monitor.alerts.watch import Level, Watch
from verifier.monitor.history.memory import History
from verifier.monitor.standing import newest_reports
from verifier.monitor.subjects import (
    BACKUPS,
    backup_subject,
    host_of,
    is_backup,
    verification_subject,
)
from verifier.monitor.telemetry import BackupRun, CycleRun
from verifier.monitor.watching import Watched, instants

RUNS_APART = timedelta(days=8)
"""How far before a run that still goes on the one before it is looked for."""


@dataclass(frozen=True, slots=True)
class Expected:
    """When the age of a last success is worth telling, if nothing more is heard.

    Attributes:
        overdue_at, alarm_at: none where nothing is due.
        told: the coordinator's runs say whether there was a success.
    """

    overdue_at: datetime | None
    alarm_at: datetime | None
    told: bool = True


@dataclass(frozen=True, slots=True)
class HostState:
    """One host.

    Attributes:
        last, good: its newest backup, and its newest good one.
        verified_at: when its backup was last proven good.
        backup, verification: none where they are not watched.
    """

    host: str
    last: BackupRun | None
    good: BackupRun | None
    verified_at: datetime | None
    backup: Expected | None
    verification: Expected | None


@dataclass(frozen=True, slots=True)
class ReportState:
    """The newest report of a kind.

    Attributes:
        findings: severity -> how many.
        stands: no later report has looked at the same.
    """

    kind: str
    verdict: Verdict
    finished_at: datetime
    findings: Mapping[str, int]
    stands: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is measured.

    Attributes:
        cycle: the newest run of the coordinator that has ended.
        looked_at: when the alert rules were last looked at, and that was kept.
        incidents: subject -> level of those that are open.
    """

    hosts: tuple[HostState, ...]
    cycle: CycleRun | None
    reports: tuple[ReportState, ...]
    looked_at: datetime | None
    incidents: Mapping[str, Level]


def read_state(
    history: History, watched: Mapping[str, Watched], watches: Mapping[str, Watch]
) -> State:
    """Return what a history says, and a look at the alert rules.

    Args:
        watched: every subject with its rule and what was due.
        watches: every subject as the look has it.

    Raises:
        CannotVerify: the history cannot be read.
    """
    verified = history.verifications()
    named = {name for name in map(host_of, watched) if name}
    hosts = sorted({*history.hosts(), *verified, *named})
    return State(
        tuple(
            HostState(
                host,
                history.last_backup(host),
                history.last_good_backup(host),
                good.at if (one := verified.get(host)) and (good := one.good) else None,
                _expected(backup_subject(host), watched, watches),
                _expected(verification_subject(host), watched, watches),
            )
            for host in hosts
        ),
        _last_ended(history),
        tuple(_reports(history)),
        history.looked_at(),
        {name: watch.incident.level for name, watch in watches.items() if watch.incident},
    )


def _expected(
    subject: str, watched: Mapping[str, Watched], watches: Mapping[str, Watch]
) -> Expected | None:
    one, watch = watched.get(subject), watches.get(subject)
    if is_backup(subject) and BACKUPS in watched:
        return Expected(None, None, told=False)
    if one is None or watch is None:
        return None
    return Expected(*(instants(watch, one) or (None, None)))


def _last_ended(history: History) -> CycleRun | None:
    last = history.last_cycle()
    if last is None:
        return None
    if last.cycle.status is not None:
        return last.cycle
    began_at = last.cycle.began_at
    before = history.cycles(began_at - RUNS_APART, began_at)
    return next((past.cycle for past in before[::-1] if past.cycle.status is not None), None)


def _reports(history: History) -> Iterator[ReportState]:
    for past, stands in newest_reports(history):
        counts = Counter[str]()
        for by_severity in past.findings.values():
            counts.update(by_severity)
        yield ReportState(past.kind, Verdict[past.verdict], past.finished_at, counts, stands)
