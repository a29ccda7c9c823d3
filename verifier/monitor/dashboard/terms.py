"""What the pages hold the history to: hosts, ages, schedule and policy, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from verifier.core.finding import Verdict
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.monitor.alerts.rule import Dues, Rule, overdue_at
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.history.memory import History
from verifier.monitor.state import State
from verifier.retention.rules import Rules

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the coordinator's timer fires: civil times of the day, in one zone.

    It is reckoned here and not by the `schedule` library: that takes the whole process's time.
    """

    times: tuple[time, ...]
    zone: ZoneInfo

    def fires(self, first: date, days: int) -> tuple[datetime, ...]:
        """Return every instant at which it fires on so many civil days, in UTC.

        A time that a change to summer time skips does not come on that day; one that comes twice
        comes the first time, as systemd has it.
        """
        civil = (
            datetime.combine(first + day * _DAY, at, self.zone)
            for day in range(days)
            for at in sorted(self.times)
        )
        return tuple(at.astimezone(UTC) for at in civil if self._exists(at))

    def fired(self, since: datetime, until: datetime) -> tuple[datetime, ...]:
        """Return every instant from one to another at which it fires, in UTC."""
        first = self.day(since)
        instants = self.fires(first, (self.day(until) - first).days + 1)
        return tuple(at for at in instants if since <= at <= until)

    def day(self, at: datetime) -> date:
        """Return the civil day of an instant."""
        return at.astimezone(self.zone).date()

    def _exists(self, civil: datetime) -> bool:
        there_and_back = civil.astimezone(UTC).astimezone(self.zone)
        return there_and_back.replace(tzinfo=None) == civil.replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Held:
    """How old the last success of something may be.

    Attributes:
        dues: what was due from before one instant to past the first one after another.
    """

    rule: Rule
    dues: Callable[[datetime, datetime], Dues]

    def level(self, good_at: datetime, failed_at: datetime | None, now: datetime) -> Verdict:
        """Return how bad the age of the last success is by now, as the alert rule has it.

        Args:
            good_at: when the last success began.
            failed_at: when the last failure was known.
        """
        dues = self.dues(good_at, good_at + self.rule.warn_age)
        overdue = overdue_at(self.rule, dues, good_at, failed_at)
        if overdue is None or overdue > now:
            return Verdict.OK
        return Verdict.CRITICAL if now >= good_at + self.rule.alarm_age else Verdict.WARNING


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What `forget` does.

    Attributes:
        paths: host -> what is backed up of it now.
    """

    policy: Policy
    rules: Rules
    group_by: tuple[str, ...]
    paths: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Reading:
    """The snapshots of the repository itself, and when they were read.

    Attributes:
        problem: why there are none, or why they are old; empty where all is well.
    """

    snapshots: tuple[Snapshot, ...] | None
    read_at: datetime | None
    problem: str = ""


def _no_reading() -> Reading | None:
    return None


def _no_ledger() -> Mapping[str, object] | None:
    return None


def _no_silences(_history: History) -> Sequence[Silence]:
    return ()


def _nothing_known(_history: History, _now: datetime) -> State:
    return State((), None, (), None, {})


def _nothing_ahead(_now: datetime) -> Sequence[tuple[str, datetime]]:
    return ()


@dataclass(frozen=True, slots=True)
class Terms:
    """All that the pages know besides the history.

    Attributes:
        hosts: that are expected, in the configuration's order.
        coordinator: whose runs back them up.
        backup, verification: how old the last one of each may be.
        verifier: how long nobody may look at the alert rules.
        state: what metrics are made of.
        silences: of the configuration and of the command line, those that are over too.
        ahead: the jobs that come next, each with when.
        ledger: its section of a report; None where it cannot be read.
        reading: of the repository; None where nobody wants it to be read.
    """

    hosts: tuple[str, ...]
    coordinator: str
    schedule: Schedule
    backup: Held
    verification: Held
    verifier: Rule
    forgetting: Forgetting
    state: Callable[[History, datetime], State] = field(default=_nothing_known)
    silences: Callable[[History], Sequence[Silence]] = field(default=_no_silences)
    ahead: Callable[[datetime], Sequence[tuple[str, datetime]]] = field(default=_nothing_ahead)
    ledger: Callable[[], Mapping[str, object] | None] = field(default=_no_ledger)
    reading: Callable[[], Reading | None] = field(default=_no_reading)
