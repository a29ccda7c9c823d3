"""Grafana dashboards as JSON: how old, how long, how large, and what is wrong.

One reads Prometheus (metrics.py), one ClickHouse (the tables of sinks/clickhouse.py) where that is
configured. Grafana asks for the data source when a dashboard is imported, so none is named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from verifier.config.models import Config
from verifier.config.monitor import ClickHouse
from verifier.monitor.spoken import forms
from verifier.monitor.subjects import backup_rule, verification_rule

Shape = Literal["stat", "timeseries", "table", "state-timeline"]

WIDTH = 24
HEIGHT = 8
_SCHEMA = 39
_PER_ROW = 2

CLICKHOUSE_PLUGIN = "grafana-clickhouse-datasource"


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        queries: legend -> query.
        unit: as Grafana names it: `s`, `bytes`, `dateTimeFromNow`; empty for none.
        warn, alarm: from which values on it is yellow, and red.
    """

    title: str
    shape: Shape
    queries: Mapping[str, str]
    unit: str = ""
    warn: float | None = None
    alarm: float | None = None
    about: str = ""


def prometheus_dashboard(config: Config) -> str:
    """Return the dashboard that asks Prometheus."""
    return _dashboard("restic-verify", "prometheus", tuple(_prometheus(config)))


def clickhouse_dashboard(config: Config, table: ClickHouse) -> str:
    """Return the dashboard that asks ClickHouse."""
    panels = tuple(_clickhouse(config, table))
    return _dashboard("restic-verify (ClickHouse)", CLICKHOUSE_PLUGIN, panels)


def queries(dashboard: str) -> tuple[str, ...]:
    """Return every query of a dashboard, in its order."""
    return tuple(
        target.get("expr") or target["rawSql"]
        for panel in json.loads(dashboard)["panels"]
        for target in panel["targets"]
    )


def _prometheus(config: Config) -> Iterator[Panel]:
    yield from _now(config)
    yield from _trends()


def _now(config: Config) -> Iterator[Panel]:
    backup, verified = backup_rule(config), verification_rule(config)
    yield Panel(
        "Time since the last good backup",
        "stat",
        {"{{host}}": "time() - restic_backup_last_success_timestamp_seconds"},
        "s",
        backup.warn_age.total_seconds(),
        backup.alarm_age.total_seconds(),
    )
    yield Panel(
        "Time since the last good verification",
        "stat",
        {"{{host}}": "time() - restic_verify_last_ok_timestamp_seconds"},
        "s",
        verified.warn_age.total_seconds(),
        verified.alarm_age.total_seconds(),
    )
    yield Panel(
        "Open incidents",
        "table",
        {"{{subject}} {{level}}": "restic_verify_incident == 1"},
        about="Empty when all is well.",
    )
    yield Panel(
        "Verdict of the last report",
        "stat",
        {"{{kind}}": "restic_verify_verdict"},
        warn=1,
        alarm=2,
        about="0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    )
    yield Panel(
        "Time since the alert rules were looked at",
        "stat",
        {"last look": "time() - restic_verify_last_look_timestamp_seconds"},
        "s",
        config.alerts.verifier.warn_age.total_seconds(),
        config.alerts.verifier.alarm_age.total_seconds(),
    )
    yield Panel(
        "Time since the last run of the coordinator ended",
        "stat",
        {"last run": "time() - restic_cycle_last_end_timestamp_seconds"},
        "s",
        backup.warn_age.total_seconds(),
        backup.alarm_age.total_seconds(),
    )


def _trends() -> Iterator[Panel]:
    yield Panel(
        "Duration of backups", "timeseries", {"{{host}}": "restic_backup_duration_seconds"}, "s"
    )
    yield Panel(
        "Duration of the stages",
        "timeseries",
        {"{{stage}}": "restic_cycle_stage_duration_seconds"},
        "s",
    )
    yield Panel(
        "Added by backups", "timeseries", {"{{host}}": "restic_backup_added_bytes"}, "bytes"
    )
    yield Panel(
        "Read by backups", "timeseries", {"{{host}}": "restic_backup_processed_bytes"}, "bytes"
    )
    yield Panel(
        "Files of backups",
        "timeseries",
        {"{{host}} {{state}}": "sum by (host, state) (restic_backup_files)"},
    )
    yield Panel(
        "Files that could not be read",
        "timeseries",
        {"{{host}}": "restic_backup_errors"},
        warn=1,
    )
    yield Panel(
        "Status of backups and stages",
        "state-timeline",
        {
            "{{host}}": "restic_backup_last_status",
            "{{stage}}": "restic_cycle_stage_status",
        },
        warn=1,
        about="0 is success.",
    )
    yield Panel(
        "restic releases",
        "table",
        {"{{host}} {{restic}}": "count by (host, restic) (restic_backup_info)"},
    )
    yield Panel(
        "Findings of the last reports",
        "timeseries",
        {"{{kind}} {{severity}}": "sum by (kind, severity) (restic_verify_findings)"},
    )
    yield Panel(
        "How long until it is worth telling",
        "stat",
        {"{{host}}": "restic_backup_overdue_timestamp_seconds - time()"},
        "s",
        about="If nothing more is heard of the backups of a host.",
    )


def _clickhouse(config: Config, table: ClickHouse) -> Iterator[Panel]:
    backup = backup_rule(config)
    names = {"LOGS": table.table, "BACKUPS": table.backups, "RESULTS": table.results}
    words = {name: f"`{table.database}`.`{its}`" for name, its in names.items()}
    unit = config.coordinator.log_service
    words["SERVICE"] = f"'{unit}'"
    # A shipper of the machine's own sends what systemd says as it says it.
    words["FINISHED"] = ", ".join(f"'{said}'" for said in forms("Finished", unit))
    for title, shape, query, unit in _CLICKHOUSE:
        ages = backup if title.startswith("Time since") else None
        yield Panel(
            title,
            shape,
            {"": _worded(query, words)},
            unit,
            ages.warn_age.total_seconds() if ages else None,
            ages.alarm_age.total_seconds() if ages else None,
        )


def _worded(query: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        query = query.replace(name, value)
    return query


_SERIES = (
    "SELECT `when` AS time, host, toFloat64({}) AS value FROM BACKUPS "
    "WHERE $__timeFilter(`when`) ORDER BY time"
)

_CLICKHOUSE: tuple[tuple[str, Shape, str, str], ...] = (
    (
        "Time since the last good backup",
        "stat",
        "SELECT host, toUInt32(now()) - toUInt32(max(`when`)) AS age FROM BACKUPS "
        "WHERE status = 0 GROUP BY host ORDER BY host",
        "s",
    ),
    (
        "Time since the last run that ended well",
        "stat",
        "SELECT toUInt32(now()) - toUInt32(max(`when`)) AS age FROM LOGS "
        "WHERE service = 'systemd' AND data IN (FINISHED)",
        "s",
    ),
    ("Duration of backups", "timeseries", _SERIES.format("duration_s"), "s"),
    ("Added by backups", "timeseries", _SERIES.format("added_bytes"), "bytes"),
    ("Read by backups", "timeseries", _SERIES.format("processed_bytes"), "bytes"),
    ("Files that could not be read", "timeseries", _SERIES.format("errors"), ""),
    (
        "restic releases",
        "table",
        "SELECT host, restic, min(`when`) AS since, count() AS backups FROM BACKUPS "
        "WHERE $__timeFilter(`when`) AND restic != '' GROUP BY host, restic ORDER BY since",
        "",
    ),
    (
        "Reports",
        "table",
        "SELECT `when`, kind, verdict, critical, unknown, warning, summary FROM RESULTS "
        "WHERE $__timeFilter(`when`) ORDER BY `when` DESC LIMIT 100",
        "",
    ),
    (
        "Last lines of the log",
        "table",
        "SELECT `when`, host, data FROM LOGS WHERE service = SERVICE "
        "AND $__timeFilter(`when`) ORDER BY `when` DESC LIMIT 500",
        "",
    ),
)
"""Title, shape, query, unit; the words in capitals are the tables' names."""


def _dashboard(title: str, source: str, panels: Sequence[Panel]) -> str:
    tree = {
        "title": title,
        "tags": ["restic", "backup"],
        "timezone": "browser",
        "schemaVersion": _SCHEMA,
        "editable": True,
        "refresh": "5m",
        "time": {"from": "now-30d", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Data source",
                    "type": "datasource",
                    "query": source,
                    "current": {},
                }
            ]
        },
        "panels": [_panel(number, panel, source) for number, panel in enumerate(panels)],
    }
    return json.dumps(tree, indent=2) + "\n"


def _panel(number: int, panel: Panel, source: str) -> dict[str, Any]:
    datasource = {"type": source, "uid": "${source}"}
    width = WIDTH // _PER_ROW
    place = {
        "h": HEIGHT,
        "w": width,
        "x": number % _PER_ROW * width,
        "y": number // _PER_ROW * HEIGHT,
    }
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.about,
        "type": panel.shape,
        "datasource": datasource,
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": {},
        "targets": [
            {**_target(panel, legend, query, source), "refId": chr(ord("A") + turn)}
            for turn, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += [
        {"color": colour, "value": value}
        for colour, value in (("yellow", panel.warn), ("red", panel.alarm))
        if value is not None
    ]
    thresholds = {"mode": "absolute", "steps": steps}
    return {"thresholds": thresholds, **({"unit": panel.unit} if panel.unit else {})}


def _target(panel: Panel, legend: str, query: str, source: str) -> dict[str, Any]:
    datasource = {"type": source, "uid": "${source}"}
    if source == "prometheus":
        instant = panel.shape in {"stat", "table"}
        ways = {"instant": instant, "range": not instant}
        shape = {"format": "table"} if panel.shape == "table" else {}
        return {"datasource": datasource, "expr": query, "legendFormat": legend, **ways, **shape}
    kind = "timeseries" if panel.shape == "timeseries" else "table"
    # Of the plug-in: 1 is a table, 0 a series.
    shown = {"queryType": kind, "format": int(kind == "table"), "editorType": "sql"}
    return {"datasource": datasource, "rawSql": query, **shown}
