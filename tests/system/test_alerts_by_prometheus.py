"""From a push to a message: the real Pushgateway, Prometheus, Alertmanager and a webhook.

Goal: the metrics and the rendered rules, together, tell of a late backup and of its end. Method:
two expositions of a real history are pushed, one of an incident and one after it is mended.
Red: a metric or a label that the rules do not know, a rule that does not resolve.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.places import PATIENT_S
from tests.monitor.alerting import CONFIG, backup, cycle
from tests.servers.programs import until
from tests.servers.prometheus import (
    Pushgateway,
    pushgateway,
    run_alertmanager,
    run_prometheus,
)
from tests.servers.receiver import Receiver, receiver
from verifier.cli.alert_look import fires
from verifier.clock.system import SystemClock
from verifier.monitor.delivery import metrics_delivery
from verifier.monitor.evaluation import evaluate
from verifier.monitor.heard import HistorySource
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.metrics import exposition
from verifier.monitor.outbox import Outbox
from verifier.monitor.rules import alertmanager_config, prometheus_rules
from verifier.monitor.sinks.pushgateway import Pushgateway as Sink
from verifier.monitor.state import read_state

__all__ = ("pushgateway", "receiver")

HOURS = timedelta(hours=1)


def _exposed(history: History, now: datetime) -> str:
    look = evaluate(CONFIG, history, HistorySource(history), fires(CONFIG), now)
    history.save_look(look.look.watches, look.look.transitions, now)
    return exposition(read_state(history, look.watched, look.look.watches))


def _route(receiver: Receiver) -> str:
    """Return the rendered route, in haste, and with somebody at its end."""
    config = yaml.safe_load(alertmanager_config(CONFIG))
    (route,) = config["route"]["routes"]
    route |= {"group_wait": "0s", "group_interval": "1s"}
    for one in config["receivers"]:
        one["webhook_configs"] = [{"url": receiver.url, "send_resolved": True}]
    return str(yaml.safe_dump(config))


def _rules() -> str:
    rules = yaml.safe_load(prometheus_rules(CONFIG))
    rules["groups"][0]["interval"] = "1s"
    return str(yaml.safe_dump(rules))


def _scraping(gateway: Pushgateway, alertmanager: str) -> str:
    targets = {"static_configs": [{"targets": [gateway.target]}]}
    return str(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yml"],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
                "scrape_configs": [{"job_name": "push", "honor_labels": True, **targets}],
            }
        )
    )


def _heard(receiver: Receiver) -> Iterator[tuple[str, str, str]]:
    """Yield status, name and subject of every alert that was told, in order."""
    for got in list(receiver.received):
        told: dict[str, Any] = json.loads(got.body)
        for alert in told["alerts"]:
            yield alert["status"], alert["labels"]["alertname"], alert["labels"]["subject"]


@pytest.mark.heavy
def test_late_backup_fires_and_resolves(
    pushgateway: Pushgateway, receiver: Receiver, tmp_path: Path
) -> None:
    # Prometheus looks at the machine's clock.
    now = SystemClock().now()
    outbox = Outbox(
        [Sink(pushgateway.url, "restic-verify", timeout_s=PATIENT_S)], tmp_path / "spool"
    )
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus" / "rules.yml").write_text(_rules())

    def push(history: History) -> None:
        assert () == outbox.post([metrics_delivery(_exposed(history, now), now)], now)

    with (
        open_history(tmp_path / "history") as history,
        run_alertmanager(_route(receiver), tmp_path / "alertmanager") as alertmanager,
        run_prometheus(
            _scraping(pushgateway, alertmanager.target), tmp_path / "prometheus"
        ) as prometheus,
    ):
        # db1 is well throughout; web1 has failed for two days.
        last = now - HOURS
        history.record_cycle(cycle(now - 50 * HOURS, backup("web1", now - 50 * HOURS)))
        failed = backup("web1", last, status=1)
        history.record_cycle(cycle(last, failed, backup("db1", last), status=1))
        push(history)
        fired = ("firing", "ResticBackupStopped", "backup web1")
        until(lambda: fired in _heard(receiver), "the incident is told")

        mended = now - HOURS / 2
        history.record_cycle(cycle(mended, backup("web1", mended)))
        push(history)
        resolved = ("resolved", "ResticBackupStopped", "backup web1")
        until(lambda: resolved in _heard(receiver), "and its end")

        assert {"backup web1"} == {subject for _, _, subject in _heard(receiver)}
        assert "0" == prometheus.query('restic_backup_last_status{host="web1"}')[0]["value"][1]
