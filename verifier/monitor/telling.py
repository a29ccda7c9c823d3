"""What is told of a transition: one JSON-ready body with all that a person needs at 4 a.m.

Pure. A body is made once, in the look that it comes from, and kept with it: whoever sends it later,
or again, sends the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from verifier.config.models import Config
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.delivery import Delivery
from verifier.monitor.heard import Source, backup_news
from verifier.monitor.reasons import last_error
from verifier.monitor.subjects import BACKUPS, host_of, is_backup, is_verification
from verifier.monitor.telemetry import BackupRun, CycleRun
from verifier.monitor.watching import Told, Watched


@dataclass(frozen=True, slots=True)
class Why:
    """What stands behind an incident.

    Attributes:
        never: nothing good was ever known, so its age counts from the beginning of the watch.
        snapshot: of the last good backup.
        due_at: when the run was due that should have kept the age low.
        failed_at: when that run, or one after it, was known to have failed; none where nothing was
            heard.
        error: the last thing that was said before.
    """

    never: bool = False
    snapshot: str = ""
    due_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""


def why(watch: Watch, one: Watched, source: Source, cycles: Sequence[CycleRun]) -> Why:
    """Return what stands behind the age of a subject.

    Args:
        watch: as the look left it.
        cycles: the runs that were heard of.
    """
    due_at = one.dues.last_chance(watch.good_at, watch.good_at + one.rule.warn_age)
    failed_at = watch.failed_at
    if failed_at is not None and (due_at is None or failed_at < due_at):
        failed_at = None
    never = not any(news.succeeded for news in one.news)
    if not is_backup(one.subject):
        return Why(never and bool(host_of(one.subject)), "", due_at, failed_at)
    host = host_of(one.subject)
    good = source.last_good_backup(host)
    error = _error(host, failed_at, source, cycles) if failed_at else ""
    return Why(good is None, _snapshot(good, watch), due_at, failed_at, error)


def _snapshot(good: BackupRun | None, watch: Watch) -> str:
    return good.snapshot if good and good.began_at == watch.good_at else ""


def _error(host: str, failed_at: datetime, source: Source, cycles: Sequence[CycleRun]) -> str:
    for cycle in reversed(cycles):
        known = {one.known_at for one in backup_news(host, [cycle]) if not one.succeeded}
        if failed_at in known:
            said = [backup.message for backup in cycle.backups if backup.host == host]
            return said[-1] if said else last_error(source.lines(cycle))
    return ""


def delivery(
    told: Told, one: Watched | None, reason: Why, config: Config, looked_at: datetime
) -> Delivery:
    """Return what is sent of a transition.

    Args:
        one: what its subject is held to; none where it is watched no more.
        looked_at: when the look was that it comes from.
    """
    transition, zone = told.transition, config.zone
    is_over = transition.kind == "resolved"
    alarm_at = None
    if one is not None and not is_over and transition.level == "warning":
        alarm_at = transition.good_at + one.rule.alarm_age
    body = {
        "kind": transition.kind,
        "subject": transition.subject,
        "level": transition.level,
        "at": _text(transition.at, zone),
        "opened_at": _text(transition.opened_at, zone),
        "good_at": _text(transition.good_at, zone),
        "before_at": _text(told.before_at, zone),
        "looked_at": _text(looked_at, zone),
        "age_s": transition.age.total_seconds(),
        "lasted_s": transition.lasted.total_seconds(),
        "heard": told.heard,
        "known": told.known,
        "goes_on": told.goes_on,
        "watched": one is not None,
        "named": any(host_of(transition.subject) == host.name for host in config.hosts),
        "alarm_at": alarm_at and _text(alarm_at, zone),
        "never": reason.never,
        "snapshot": reason.snapshot,
        "due_at": reason.due_at and _text(reason.due_at, zone),
        "failed_at": reason.failed_at and _text(reason.failed_at, zone),
        "error": reason.error,
        "remedy": "" if is_over else remedy(transition.subject, config),
    }
    return Delivery("alert", transition.at, body)


def gathered(deliveries: Sequence[Delivery], looked_at: datetime) -> Iterator[Delivery]:
    """Yield what people are sent of a look: all that opened in it as one, and so each other kind.

    Apart from them stands what is about no host, and what is watched no more.

    Args:
        deliveries: of its transitions.
    """
    groups: dict[tuple[object, ...], list[Mapping[str, object]]] = {}
    for body in (one.body for one in deliveries if not one.body["goes_on"]):
        subject = str(body["subject"])
        key = body["kind"], body["watched"], "" if host_of(subject) else subject
        groups.setdefault(key, []).append(body)
    for bodies in groups.values():
        yield Delivery("alerts", looked_at, {"kind": bodies[0]["kind"], "incidents": bodies})


def _text(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")


def remedy(subject: str, config: Config) -> str:
    """Return what to do about a subject, in words that go on after a colon."""
    where, unit = config.coordinator.name, config.coordinator.log_service
    if subject == BACKUPS:
        lines = "let the script of that unit print the lines that docs/history.md lists"
        return f"on {where}, see `journalctl -u {unit} -n 50`; {lines}"
    if is_backup(subject):
        look = f"journalctl -u {unit} -n 50"
        return f"on {where}, see `{look}`; mend it, then `systemctl start {unit}`"
    if is_verification(subject):
        unit = "restic-verify-monthly"
        return f"on {where}, see `journalctl -u {unit} -n 50`, then `systemctl start {unit}`"
    return f"on {where}, see that `restic-verify alert` is started: `systemctl list-timers`"
