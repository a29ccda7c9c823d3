"""What is watched, and by which rule: a host's backups, its verification, the verifier itself.

Pure. The rules come from `[alerts]` (and the backups' ages, where it gives none, from `[audit]`),
what was due from the schedule: the timer's instants are handed in, because the room that knows
them is a stranger to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from verifier.config.models import Config
from verifier.config.monitor import Ages
from verifier.monitor.alerts.rule import Dues, Rule

VERIFIER = "verifier"

BACKUPS = "backups"
"""The backups of all hosts, in place of each host's own, while runs say nothing of any of them."""

Fires = Callable[[date, int], Sequence[datetime]]
"""The first civil day and how many: every instant at which the coordinator's timer fires."""

_DAY = timedelta(days=1)
_BACKUP, _VERIFICATION = "backup ", "verification "


def backup_subject(host: str) -> str:
    """Name a host's backups as a subject."""
    return f"{_BACKUP}{host}"


def verification_subject(host: str) -> str:
    """Name a host's verification as a subject."""
    return f"{_VERIFICATION}{host}"


def host_of(subject: str) -> str:
    """Return the host that a subject is about; an empty text for the verifier."""
    for prefix in (_BACKUP, _VERIFICATION):
        if subject.startswith(prefix):
            return subject.removeprefix(prefix)
    return ""


def is_backup(subject: str) -> bool:
    """Say whether a subject is the backups of a host."""
    return subject.startswith(_BACKUP)


def is_verification(subject: str) -> bool:
    """Say whether a subject is the verification of a host."""
    return subject.startswith(_VERIFICATION)


def backup_rule(config: Config) -> Rule:
    """Return how old a host's last backup may be."""
    ages, audit = config.alerts.backup, config.audit
    return _rule(config, ages) if ages else _rule(config, _plain(audit.warn_age, audit.alarm_age))


def verification_rule(config: Config) -> Rule:
    """Return how old a host's last good verification may be."""
    return _rule(config, config.alerts.verification)


def verifier_rule(config: Config) -> Rule:
    """Return how long the rules may go without being looked at."""
    return _rule(config, config.alerts.verifier)


def _plain(warn_age: timedelta, alarm_age: timedelta) -> Ages:
    return Ages.model_construct(warn_age=warn_age, alarm_age=max(warn_age, alarm_age))


def _rule(config: Config, ages: Ages) -> Rule:
    alerts = config.alerts
    return Rule(ages.warn_age, ages.alarm_age, ages.allow, alerts.remind_every, alerts.damping)


def backup_dues(config: Config, fires: Fires, since: datetime, until: datetime) -> Dues:
    """Return when backups were due from before `since` to past the first one after `until`."""
    first = since.astimezone(config.zone).date() - _DAY
    days = (until.astimezone(config.zone).date() - first).days + 3
    return Dues(fires(first, days))


def verification_dues(config: Config, since: datetime, until: datetime) -> Dues:
    """Return when the monthly drill was due from before `since` to past the first after `until`."""
    return Dues(monthly_times(config, since, until))


def monthly_times(config: Config, since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield when the monthly drill is due, a month before `since` to two months after `until`."""
    since, until = since.astimezone(config.zone), until.astimezone(config.zone)
    first, last = since.year * 12 + since.month - 2, until.year * 12 + until.month + 1
    for month in range(first, last + 1):
        day = date(month // 12, month % 12 + 1, config.jobs.monthly_day)
        at = datetime.combine(day, config.jobs.monthly_time, config.zone)
        # As systemd has it, an hour that the clocks skip does not come.
        if at.astimezone(UTC).astimezone(config.zone).replace(tzinfo=None) == at.replace(
            tzinfo=None
        ):
            yield at


def verifier_dues(config: Config, since: datetime, until: datetime) -> Dues:
    """Return when the rules were to be looked at after a look at `since`, and after one at `until`.

    The last time before the age of that look is worth telling, and the first after it: nothing else
    is asked for, and there may be a great many.
    """
    every = config.jobs.alert_every
    turns = config.alerts.verifier.warn_age // every
    return Dues(
        look + turn * every for look in (since, until) for turn in (turns, turns + 1) if turn
    )
