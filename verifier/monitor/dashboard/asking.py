"""What pages and the API both ask the history for."""

from __future__ import annotations

from datetime import datetime

from verifier.core.snapshot import Snapshot
from verifier.monitor.dashboard.site import Asked, NotFound, is_storable
from verifier.monitor.dashboard.terms import Reading
from verifier.monitor.dashboard.views.now import STRIP, Facts, Now, now_view
from verifier.monitor.dashboard.views.retention import modelled
from verifier.monitor.heard import is_of
from verifier.monitor.history.runs import PastCycle
from verifier.monitor.standing import newest_reports
from verifier.monitor.telemetry import BackupRun

CYCLES_TRIED = 20
"""So many runs are looked through for one of the coordinator's own."""


def facts(asked: Asked) -> Facts:
    """Return what the page of the present shows."""
    history, now = asked.history, asked.now
    hosts = tuple(dict.fromkeys((*asked.terms.hosts, *history.hosts())))
    known = [host for host in hosts if is_storable(host)]
    last = ((host, history.last_backup(host)) for host in known)
    good = ((host, history.last_good_backup(host)) for host in known)
    newest = history.cycles_before(None, CYCLES_TRIED)
    cycle = next((one for one in newest if is_of(one.cycle, asked.terms.coordinator)), None)
    lines = history.cycle_lines(cycle.number) if cycle else ()
    return Facts(
        hosts=hosts,
        last={host: run for host, run in last if run is not None},
        good={host: run for host, run in good if run is not None},
        recent=history.backups(since=now - STRIP),
        verified=history.verifications(),
        watches=history.watches(),
        reports=[report for report, stands in newest_reports(history) if stands],
        looked_at=history.looked_at(),
        incidents=[one for one in history.incidents(now) if one.is_open],
        cycle=cycle,
        last_line=lines[-1] if lines else None,
    )


def present(asked: Asked) -> tuple[Facts, Now]:
    """Return what is known at present, and what follows from it."""
    known = facts(asked)
    return known, now_view(known, asked.terms, asked.now)


def hosts(asked: Asked) -> tuple[str, ...]:
    """Return every host that is expected, then those that only the history knows."""
    return tuple(dict.fromkeys((*asked.terms.hosts, *asked.history.hosts())))


def require_host(asked: Asked, name: str) -> str:
    """Return a host's name.

    Raises:
        NotFound: neither configuration nor history knows it.
    """
    if name in asked.terms.hosts:
        return name
    if not is_storable(name) or asked.history.last_backup(name) is None:
        raise NotFound(f"no host {name} is known")
    return name


def require_cycle(asked: Asked) -> PastCycle:
    """Return the cycle whose number was asked for.

    Raises:
        NotFound: there is none.
    """
    cycle = asked.history.cycle(asked.number) if asked.number < 1 << 63 else None
    if cycle is None:
        raise NotFound(f"no cycle {asked.number} is known")
    return PastCycle(asked.number, cycle)


def require_report(asked: Asked) -> dict[str, object]:
    """Return the envelope whose number was asked for.

    Raises:
        NotFound: there is none.
    """
    envelope = asked.history.report(asked.number) if asked.number < 1 << 63 else None
    if envelope is None:
        raise NotFound(f"no report {asked.number} is known")
    return envelope


def backups_of(asked: Asked, host: str, since: datetime | None = None) -> tuple[BackupRun, ...]:
    """Return the backups of one host since an instant, the oldest first."""
    return asked.history.backups(host, since=since) if is_storable(host) else ()


def restore_points(
    asked: Asked, host: str
) -> tuple[tuple[Snapshot, ...], tuple[BackupRun, ...], Reading | None]:
    """Return a host's snapshots, all its backups, and the reading they come from.

    Where the repository is not read, they are those that should be there, by the policy.
    """
    runs = backups_of(asked, host)
    reading = asked.terms.reading()
    if reading is not None and reading.snapshots is not None:
        return tuple(s for s in reading.snapshots if s.host == host), runs, reading
    return tuple(modelled(host, runs, asked.terms, asked.now)), runs, reading
