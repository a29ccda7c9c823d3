"""Prometheus' alerting rules and Alertmanager's route, made from `verify.toml`.

The instants at which a backup becomes late are reckoned where the schedule is known, and exposed as
metrics (metrics.py): the rules only ask whether they have passed. So they open and resolve when the
built-in rules do; docs/alerts.md names the one difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import yaml

from verifier.config.models import Config
from verifier.core.finding import KINDS
from verifier.monitor.render.wording import span
from verifier.monitor.subjects import (
    BACKUPS,
    VERIFIER,
    backup_rule,
    backup_subject,
    verification_rule,
    verification_subject,
    verifier_rule,
)
from verifier.monitor.telling import remedy

SERVICE = "restic-verify"
"""The label `service` of every alert, by which Alertmanager's route knows them."""

INTERVAL = timedelta(minutes=1)

RuleText = dict[str, Any]

_RULES_HEAD = """\
# Rendered from verify.toml by `restic-verify render`; change it there.
# Name this file under `rule_files:` of prometheus.yml.
#
# An incident opens and resolves here at the instants of `restic-verify alert`. Its damping alone is
# not here: what fails every second day opens and resolves every second day. `keep_firing_for` in a
# rule, or `group_interval` of Alertmanager's route, keeps that quieter.
"""

_ROUTE_HEAD = """\
# Rendered from verify.toml by `restic-verify render`; change it there.
# A whole configuration that tells nobody yet: give the receivers what reaches you, with the secret
# in a file of its own, as in
#   discord_configs: [{ webhook_url_file: /etc/alertmanager/discord }]     (newer releases)
#   webhook_configs: [{ url: http://127.0.0.1:9095/, send_resolved: true }]
# or take route, inhibit_rules and receivers over into your own.
"""


def prometheus_rules(config: Config) -> str:
    """Return the alerting rules as a file of rules."""
    rules = [
        *_backup(config),
        *_untold(config),
        *_verification(config),
        *_verifier(config),
        *(_unheard(host.name, config) for host in config.hosts),
        *_verdicts(),
    ]
    group = {"name": SERVICE, "interval": _duration(INTERVAL), "rules": rules}
    return _RULES_HEAD + _yaml({"groups": [group]})


def alertmanager_config(config: Config) -> str:
    """Return Alertmanager's configuration: one group of messages a subject, alarms before all."""
    ours = f'service="{SERVICE}"'
    route = {
        "receiver": "nobody",
        "routes": [
            {
                "matchers": [ours],
                "receiver": SERVICE,
                "group_by": ["subject"],
                "group_wait": "30s",
                "group_interval": "5m",
                "repeat_interval": _duration(config.alerts.remind_every),
            }
        ],
    }
    # An alarm says all that its warning said.
    inhibits = {
        "source_matchers": [ours, 'severity="alarm"'],
        "target_matchers": [ours, 'severity="warning"'],
        "equal": ["subject"],
    }
    receivers = [{"name": "nobody"}, {"name": SERVICE}]
    return _ROUTE_HEAD + _yaml(
        {"route": route, "inhibit_rules": [inhibits], "receivers": receivers}
    )


def _backup(config: Config) -> Iterator[RuleText]:
    rule, do = backup_rule(config), remedy(backup_subject(""), config)
    yield _rule(
        "ResticBackupLate",
        "time() >= restic_backup_overdue_timestamp_seconds",
        "warning",
        "backup {{ $labels.host }}",
        f"The last good backup of {{{{ $labels.host }}}} is older than {_words(rule.warn_age)}",
        _because("late", do),
    )
    yield _rule(
        "ResticBackupStopped",
        "time() >= restic_backup_alarm_timestamp_seconds",
        "alarm",
        "backup {{ $labels.host }}",
        f"The last good backup of {{{{ $labels.host }}}} is older than {_words(rule.alarm_age)}",
        _because("stopped", do),
    )


def _untold(config: Config) -> Iterator[RuleText]:
    for severity in ("warning", "alarm"):
        # The instants of each host's backups are exposed as no number meanwhile.
        yield _rule(
            "ResticBackupsUntold",
            f'restic_verify_incident{{subject="{BACKUPS}",level="{severity}"}} == 1',
            severity,
            BACKUPS,
            "The coordinator's runs end well and say nothing of any backup",
            _because("could-not-verify", remedy(BACKUPS, config)),
        )


def _verification(config: Config) -> Iterator[RuleText]:
    rule, do = verification_rule(config), remedy(verification_subject(""), config)
    about = "The last good verification of {{ $labels.host }} is older than"
    yield _rule(
        "ResticUnverified",
        "time() >= restic_verify_overdue_timestamp_seconds",
        "warning",
        "verification {{ $labels.host }}",
        f"{about} {_words(rule.warn_age)}",
        _because("unverified", do),
    )
    yield _rule(
        "ResticLongUnverified",
        "time() >= restic_verify_alarm_timestamp_seconds",
        "alarm",
        "verification {{ $labels.host }}",
        f"{about} {_words(rule.alarm_age)}",
        _because("long-unverified", do),
    )


def _verifier(config: Config) -> Iterator[RuleText]:
    rule, every = verifier_rule(config), config.jobs.alert_every
    because = _because("unwatched", remedy(VERIFIER, config))
    # As the built-in rule has it: the limit, or the next look where those are rarer, and its time.
    warn = max(rule.warn_age, every) + rule.allow
    alarm = max(warn, rule.alarm_age)
    for severity, age in (("warning", warn), ("alarm", alarm)):
        yield _rule(
            "ResticVerifyUnwatched",
            f"time() - restic_verify_last_look_timestamp_seconds >= {age.total_seconds():.0f}",
            severity,
            VERIFIER,
            f"Nobody has looked at the alert rules for {_words(age)}",
            because,
        )
    lost = _rule(
        "ResticVerifyUnheard",
        "absent(restic_verify_last_look_timestamp_seconds)",
        "alarm",
        VERIFIER,
        "Prometheus hears nothing of the verifier",
        because,
    )
    yield {**lost, "for": _duration(warn)}


def _unheard(host: str, config: Config) -> RuleText:
    # Hosts are names of the configuration, which hold nothing that a matcher would obey.
    rule = _rule(
        "ResticBackupUnheard",
        f'absent(restic_backup_overdue_timestamp_seconds{{host="{host}"}})',
        "warning",
        f"backup {host}",
        f"Prometheus hears nothing of the backups of {host}",
        f"Nothing exposes its metrics. What to do: {remedy(VERIFIER, config)}.",
    )
    return {**rule, "for": _duration(verifier_rule(config).alarm_age)}


def _verdicts() -> Iterator[RuleText]:
    for severity, verdict, value in (("alarm", "CRITICAL", 2), ("warning", "UNKNOWN", 3)):
        yield _rule(
            f"ResticVerify{verdict.capitalize()}",
            f"restic_verify_verdict == {value}",
            severity,
            "report {{ $labels.kind }}",
            f"The last {{{{ $labels.kind }}}} ended with {verdict}",
            "What was seen, and what to do: `restic-verify report last`.",
        )


def _because(kind: str, do: str) -> str:
    return f"{kind}: {KINDS[kind].meaning}. What to do: {do}."


def _rule(
    name: str, expression: str, severity: str, subject: str, summary: str, description: str
) -> RuleText:
    return {
        "alert": name,
        "expr": expression,
        "labels": {"service": SERVICE, "severity": severity, "subject": subject},
        "annotations": {"summary": summary, "description": description},
    }


def _words(age: timedelta) -> str:
    return span(age.total_seconds())


def _duration(age: timedelta) -> str:
    return f"{age.total_seconds():.0f}s"


def _yaml(tree: Mapping[str, Any]) -> str:
    return yaml.safe_dump(tree, sort_keys=False, width=100, allow_unicode=True)
