"""The alert rules held against what is remembered: one look, and what is to be sent of it.

Reads a history and a source; writes nothing. The caller keeps the look and what it owes in one
change (`History.save_look`), and sends it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from verifier.config.models import Config
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import News
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.delivery import Delivery
from verifier.monitor.heard import LATE, Source, backup_news, is_mute, is_of, verification_news
from verifier.monitor.history.memory import History
from verifier.monitor.subjects import (
    BACKUPS,
    VERIFIER,
    Fires,
    backup_dues,
    backup_rule,
    backup_subject,
    verification_dues,
    verification_rule,
    verification_subject,
    verifier_dues,
    verifier_rule,
)
from verifier.monitor.telemetry import CycleRun
from verifier.monitor.telling import Why, delivery, gathered, why
from verifier.monitor.watching import Look, Watched, look


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A look, and what it was taken of.

    Attributes:
        watched: every subject by its name, in the configuration's order.
        whys: what stands behind each open incident, and behind everything that is told.
        silences: from the configuration and from the command line, those that are over too.
        deliveries: each transition, for machines.
        messages: the same gathered, for people.
    """

    look: Look
    watched: Mapping[str, Watched]
    whys: Mapping[str, Why]
    silences: Sequence[Silence]
    deliveries: tuple[Delivery, ...]
    messages: tuple[Delivery, ...]


def evaluate(
    config: Config, history: History, source: Source, fires: Fires, now: datetime
) -> Evaluation:
    """Look at everything that the configuration has watched.

    Raises:
        CannotVerify: the history or the source cannot be read.
    """
    watches = history.watches()
    cycles = [
        cycle
        for cycle in source.cycles(_since(watches, now), now)
        if is_of(cycle, config.coordinator.name)
    ]
    watched = {
        one.subject: one
        for one in (
            *_backups(config, watches, source, cycles, fires, now),
            *_verifications(config, watches, history, now),
            _verifier(config, watches, now),
        )
    }
    silences = silences_of(config, history)
    looked = look(watches, watched.values(), silences, now)
    asked = {one.transition.subject for one in looked.told}
    asked |= {subject for subject, watch in looked.watches.items() if watch.incident}
    whys = {
        subject: why(looked.watches[subject], watched[subject], source, cycles)
        for subject in sorted(asked & watched.keys())
    }
    deliveries = tuple(
        delivery(
            told,
            watched.get(told.transition.subject),
            whys.get(told.transition.subject, Why()),
            config,
            now,
        )
        for told in looked.told
    )
    messages = tuple(gathered(deliveries, now))
    return Evaluation(looked, watched, whys, silences, deliveries, messages)


def silences_of(config: Config, history: History) -> tuple[Silence, ...]:
    """Return the silences of the configuration and of the command line."""
    written = (Silence(one.subject, one.from_, one.until) for one in config.alerts.silences)
    return (*written, *(past.silence for past in history.silences()))


def _since(watches: Mapping[str, Watch], now: datetime) -> datetime:
    return min((watch.looked_at for watch in watches.values()), default=now) - LATE


def _oldest(watches: Mapping[str, Watch], subjects: Sequence[str], now: datetime) -> datetime:
    return min((watches[one].good_at for one in subjects if one in watches), default=now)


def _backups(
    config: Config,
    watches: Mapping[str, Watch],
    source: Source,
    cycles: Sequence[CycleRun],
    fires: Fires,
    now: datetime,
) -> list[Watched]:
    rule = backup_rule(config)
    news = {
        host.name: tuple(backup_news(host.name, cycles, source.last_good_backup(host.name)))
        for host in config.hosts
    }
    heard = [one.at for of_host in news.values() for one in of_host]
    subjects = [BACKUPS, *map(backup_subject, news)]
    since = min([_oldest(watches, subjects, now), *heard])
    dues = backup_dues(config, fires, since, now + rule.warn_age)
    if not heard and (BACKUPS in watches or any(map(is_mute, cycles))):
        # One thing is not known, and not as many things as there are hosts.
        return [Watched(BACKUPS, rule, dues)]
    return [Watched(backup_subject(host), rule, dues, news[host]) for host in news]


def _verifications(
    config: Config, watches: Mapping[str, Watch], history: History, now: datetime
) -> list[Watched]:
    rule, verified = verification_rule(config), history.verifications()
    news = {host.name: tuple(verification_news(verified.get(host.name))) for host in config.hosts}
    heard = [one.at for of_host in news.values() for one in of_host]
    since = min([_oldest(watches, [verification_subject(host) for host in news], now), *heard])
    dues = verification_dues(config, since, now + rule.warn_age)
    return [Watched(verification_subject(host), rule, dues, news[host]) for host in news]


def _verifier(config: Config, watches: Mapping[str, Watch], now: datetime) -> Watched:
    # That somebody looks is itself the success that is waited for.
    before = watches[VERIFIER].good_at if VERIFIER in watches else now
    dues = verifier_dues(config, before, now)
    return Watched(VERIFIER, verifier_rule(config), dues, (News(now, now, succeeded=True),))
