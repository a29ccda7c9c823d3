"""One look at the alert rules: taken, kept, and sent; and what its report says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from verifier.cli.context import Context
from verifier.config.models import Config
from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding, Verdict
from verifier.cycle.coordinator import fire_times
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.delivery import end_delivery
from verifier.monitor.evaluation import Evaluation, evaluate
from verifier.monitor.heard import HistorySource, Source
from verifier.monitor.history.memory import History
from verifier.monitor.messages import alert_message
from verifier.monitor.render.wording import count, moment, span
from verifier.monitor.subjects import (
    BACKUPS,
    VERIFIER,
    Fires,
    backup_subject,
    host_of,
    is_backup,
    verification_subject,
)
from verifier.monitor.telling import remedy
from verifier.monitor.watching import next_at

if TYPE_CHECKING:
    from verifier.config.monitor import ClickHouse
    from verifier.monitor.heard_clickhouse import ClickHouseSource
    from verifier.monitor.render.envelope import AlertSilence


JOB = "alert"


def subjects_of(config: Config) -> tuple[str, ...]:
    """Return the name of everything that is watched."""
    hosts = [host.name for host in config.hosts]
    return (*map(backup_subject, hosts), *map(verification_subject, hosts), BACKUPS, VERIFIER)


def take_look(
    config: Config, context: Context, history: History, now: datetime
) -> tuple[Evaluation, tuple[Finding, ...]]:
    """Look, keep what was seen together with what is owed, and send it.

    Killed at any moment, it has told nothing and knows nothing, or the next look sends the rest.

    Returns:
        The look, and what could not be delivered.

    Raises:
        CannotVerify: what there is to look at cannot be read; who expects to hear of the job does.
    """
    from verifier.cli.deliver import outbox, send_owed

    try:
        source = source_of(config, context, history)
        # Nobody else looks meanwhile: two looks from one memory would tell everything twice.
        with history.together():
            evaluation = evaluate(config, history, source, fires(config), now)
            look = evaluation.look
            # That somebody looked is what is waited for, whatever there was to be seen.
            done = end_delivery(JOB, Verdict.OK, _summary(evaluation), now)
            owed = (*evaluation.deliveries, *evaluation.messages, done)
            history.save_look(look.watches, look.transitions, now, owed)
    except CannotVerify as error:
        said = end_delivery(JOB, Verdict.UNKNOWN, f"{error.subject}: {error.message}", now)
        outbox(config, context).post((said,), now)
        raise
    return evaluation, send_owed(config, context, history, now)


def _summary(evaluation: Evaluation) -> str:
    open_ones = [watch for watch in evaluation.look.watches.values() if watch.incident]
    looked = f"{count(len(evaluation.watched), 'subject')} looked at"
    return f"{looked}, {count(len(open_ones), 'incident')} open"


def fires(config: Config) -> Fires:
    """Return when the coordinator's timer fires, by the first civil day and how many."""
    return lambda first, days: fire_times(config.times, config.zone, first, days)


def source_of(config: Config, context: Context, history: History) -> Source:
    table = config.sinks.clickhouse
    if config.alerts.source == "history" or table is None:
        return HistorySource(history)
    return clickhouse_source(table, config, context)


def clickhouse_source(table: ClickHouse, config: Config, context: Context) -> ClickHouseSource:
    """Return the configured server as a source of what backups have said.

    Raises:
        CannotVerify: its password cannot be had.
    """
    from verifier.cli.programs import local_host
    from verifier.cli.secrets import read_secret
    from verifier.monitor.heard_clickhouse import ClickHouseSource

    headers = {"X-ClickHouse-User": table.user} if table.user else {}
    if table.password:
        here = local_host(context.environ, inherit=True)
        headers["X-ClickHouse-Key"] = read_secret(table.password, here)
    return ClickHouseSource(
        table.url,
        table.database,
        table.table,
        table.backups,
        config.coordinator.log_service,
        headers,
        config.sinks.timeout.total_seconds(),
        config.coordinator.name,
    )


def findings_of(evaluation: Evaluation, config: Config) -> list[Finding]:
    """Return every open incident as a finding, and that nobody looked for too long."""
    found = []
    for subject in evaluation.watched:
        watch = evaluation.look.watches[subject]
        if subject == BACKUPS:
            found.append(_untold(watch, config))
        elif watch.incident is not None and subject != VERIFIER:
            found.append(_finding(watch, evaluation, config))
    gaps = [one for one in evaluation.look.told if one.transition.subject == VERIFIER]
    if gaps:
        begun, ended = gaps[0].before_at, evaluation.look.at
        detail = (
            f"nobody looked at the alert rules from {_moment(begun, config)} to "
            f"{_moment(ended, config)}"
        )
        evidence = {"from": begun.isoformat(), "to": ended.isoformat()}
        found.append(Finding("unwatched", VERIFIER, detail, evidence))
    return found


def _untold(watch: Watch, config: Config) -> Finding:
    detail = (
        f"its runs end well and say nothing of any host, so since {_moment(watch.good_at, config)} "
        f"nothing is known of any backup: {remedy(BACKUPS, config)}"
    )
    return Finding("could-not-verify", config.coordinator.name, detail)


def _finding(watch: Watch, evaluation: Evaluation, config: Config) -> Finding:
    incident, why = watch.incident, evaluation.whys[watch.subject]
    assert incident is not None, "only what is open is found"
    kinds = ("late", "stopped") if is_backup(watch.subject) else ("unverified", "long-unverified")
    kind = kinds[incident.level == "alarm"]
    thing = "backup" if is_backup(watch.subject) else "verification"
    age = evaluation.look.at - watch.good_at
    since = _moment(watch.good_at, config)
    if incident.well_at is not None:
        detail = f"fails again and again; the last good {thing} was at {since}"
    elif why.never:
        detail = f"has never had a good {thing}; it is waited for since {since}"
    else:
        detail = f"the last good {thing} was at {since}, {span(age.total_seconds())} ago"
    if why.error and incident.well_at is None:
        detail = f"{detail}: {why.error}"
    evidence = {
        "opened": incident.opened_at.isoformat(),
        "good": None if why.never else watch.good_at.isoformat(),
        "age_s": age.total_seconds(),
    }
    return Finding(kind, host_of(watch.subject), detail, evidence)


def section_of(evaluation: Evaluation, config: Config, history: History) -> dict[str, object]:
    """Return the section of a look."""
    now = evaluation.look.at
    return {
        "subjects": [
            _subject(evaluation, subject, config)
            for subject in evaluation.watched
            if subject != VERIFIER
        ],
        "incidents": [
            {
                "subject": subject,
                "level": watch.incident.level,
                "opened": _text(watch.incident.opened_at, config),
                "lasted_s": (now - watch.incident.opened_at).total_seconds(),
                "flapping": watch.incident.flapping,
                "told": _text(watch.incident.told_at, config) if watch.incident.told_at else None,
            }
            for subject, watch in evaluation.look.watches.items()
            if watch.incident
        ],
        "told": [_told(delivery.body) for delivery in evaluation.deliveries],
        "silences": silences_section(config, history, now),
    }


def _subject(evaluation: Evaluation, subject: str, config: Config) -> dict[str, object]:
    watch, one = evaluation.look.watches[subject], evaluation.watched[subject]
    never = not any(news.succeeded for news in one.news)
    following = next_at(watch, one)
    return {
        "subject": subject,
        "good": None if never else _text(watch.good_at, config),
        "age_s": (evaluation.look.at - watch.good_at).total_seconds(),
        "next": _text(following, config) if following else None,
    }


def _told(body: Mapping[str, Any]) -> dict[str, object]:
    message = alert_message(body, is_first=body["heard"] is None)
    return {
        "kind": body["kind"],
        "subject": body["subject"],
        "level": body["level"],
        "time": body["at"],
        "title": message.title,
        "lines": list(message.lines),
    }


def silences_section(config: Config, history: History, now: datetime) -> list[AlertSilence]:
    """Return the silences that are not over, those of the configuration first."""
    written: list[AlertSilence] = [
        {
            "number": None,
            "subject": one.subject,
            "begins": _text(one.from_, config),
            "until": _text(one.until, config),
            "reason": one.reason,
        }
        for one in config.alerts.silences
        if one.until > now
    ]
    made: list[AlertSilence] = [
        {
            "number": past.number,
            "subject": past.silence.subject,
            "begins": _text(past.silence.from_at, config),
            "until": _text(past.silence.until_at, config),
            "reason": past.reason,
        }
        for past in history.silences()
        if past.silence.until_at > now
    ]
    return written + made


def _text(at: datetime, config: Config) -> str:
    return at.astimezone(config.zone).isoformat(timespec="seconds")


def _moment(at: datetime, config: Config) -> str:
    return moment(_text(at, config))
