"""What other programs that watch are given: Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

from collections.abc import Mapping

from verifier.config.models import Config
from verifier.cycle.file import File
from verifier.monitor.grafana import clickhouse_dashboard, prometheus_dashboard
from verifier.monitor.rules import alertmanager_config, prometheus_rules

FOLDER = "coordinator/etc/restic-verify/monitoring"
MODE = 0o644


def monitoring(config: Config) -> Mapping[str, File]:
    """Return the files by their paths; they are named where those programs are configured."""
    texts = {
        "prometheus-rules.yml": prometheus_rules(config),
        "alertmanager.yml": alertmanager_config(config),
        "grafana-prometheus.json": prometheus_dashboard(config),
    }
    if config.sinks.clickhouse:
        texts["grafana-clickhouse.json"] = clickhouse_dashboard(config, config.sinks.clickhouse)
    return {f"{FOLDER}/{name}": File(text, MODE) for name, text in texts.items()}
