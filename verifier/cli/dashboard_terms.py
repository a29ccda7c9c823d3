"""What the dashboard holds the history to, put together from the configuration."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.audit_sources import forgetting_release
from verifier.cli.context import Context
from verifier.cli.drilling import cleaned, open_primary
from verifier.cli.programs import local_host
from verifier.core.errors import VerifyError
from verifier.database.owned import is_there
from verifier.monitor.dashboard.terms import Forgetting, Held, Reading, Schedule, Terms
from verifier.monitor.evaluation import evaluate, silences_of
from verifier.monitor.heard import HistorySource
from verifier.monitor.history.memory import History
from verifier.monitor.state import State, read_state
from verifier.monitor.subjects import (
    backup_dues,
    backup_rule,
    monthly_times,
    verification_dues,
    verification_rule,
    verifier_rule,
)
from verifier.retention.rules import rules_for

if TYPE_CHECKING:
    from verifier.config.models import Config

READ_AGAIN = timedelta(hours=1)
"""How old a reading of the repository may be before it is read again."""

_WEEK = timedelta(days=7)


def dashboard_terms(config: Config, context: Context, *, read_repository: bool) -> Terms:
    """Return the terms of a configuration.

    Args:
        read_repository: whether the repository's snapshots are read, in the background.
    """
    schedule = Schedule(tuple(config.schedule.times), config.zone)
    forgetting = Forgetting(
        config.policy(),
        rules_for(forgetting_release(config, context)),
        config.group_by,
        {host.name: cleaned(host.include) for host in config.hosts},
    )
    reader = Reader(config, context) if read_repository else None
    return Terms(
        tuple(host.name for host in config.hosts),
        config.coordinator.name,
        schedule,
        Held(backup_rule(config), partial(backup_dues, config, schedule.fires)),
        Held(verification_rule(config), partial(verification_dues, config)),
        verifier_rule(config),
        forgetting,
        state=lambda history, now: _state(config, schedule, history, now),
        silences=lambda history: silences_of(config, history),
        ahead=lambda now: _ahead(config, schedule, now),
        ledger=lambda: read_section(Path(config.monthly.ledger)),
        reading=reader.reading if reader else lambda: None,
    )


def _state(config: Config, schedule: Schedule, history: History, now: datetime) -> State:
    # Of the history alone, whatever the alert rules look at: a page asks nobody else.
    looked = evaluate(config, history, HistorySource(history), schedule.fires, now)
    return read_state(history, looked.watched, looked.look.watches)


def _ahead(config: Config, schedule: Schedule, now: datetime) -> list[tuple[str, datetime]]:
    backups = (at for at in schedule.fired(now, now + _WEEK) if at > now)
    monthly = (at for at in monthly_times(config, now, now) if at > now)
    found = (("the next backup", next(backups, None)), ("the monthly drill", next(monthly, None)))
    return [(name, at) for name, at in found if at is not None]


def read_section(path: Path) -> Mapping[str, object] | None:
    """Return what a ledger says, as a report has it; None where it cannot be read."""
    from verifier.drill.standing import read_ledger
    from verifier.drill.telling import ledger_section

    try:
        return ledger_section(read_ledger(path)) if is_there(path) else None
    except VerifyError:
        return None


class Reader:
    """The repository's snapshots, read in the background, as old as `READ_AGAIN` at most.

    A request never waits for it: it is told what was read last, and how that went.
    """

    def __init__(self, config: Config, context: Context) -> None:
        self._config = config
        self._context = context
        self._reading = Reading(None, None)
        self._tried_at: datetime | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def reading(self) -> Reading:
        """Return what was read last, and begin to read again where that is old."""
        now = self._context.clock.now()
        with self._lock:
            busy = self._thread is not None and self._thread.is_alive()
            due = self._tried_at is None or now - self._tried_at >= READ_AGAIN
            if due and not busy:
                self._tried_at = now
                self._thread = threading.Thread(target=self._read, daemon=True)
                self._thread.start()
        return self._reading

    def _read(self) -> None:
        here = local_host(self._context.environ, inherit=True)
        try:
            repository = open_primary(self._config, self._context, here)
            snapshots = tuple(repository.snapshots())
        except VerifyError as error:
            self._reading = replace(self._reading, problem=f"{error.subject}: {error.message}")
            return
        self._reading = Reading(snapshots, self._context.clock.now())
