"""Every query of the Grafana dashboards is parsed by the program that will be asked it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from tests.servers.programs import find
from verifier.config.load import load
from verifier.config.models import Config
from verifier.config.monitor import ClickHouse
from verifier.monitor.grafana import clickhouse_dashboard, prometheus_dashboard, queries
from verifier.monitor.sinks.clickhouse import BACKUP_COLUMNS, LOG_COLUMNS, RESULT_COLUMNS

__all__ = ["clickhouse", "clickhouse_server"]

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "example" / "verify.toml"
TABLE = ClickHouse.model_validate({"url": "http://127.0.0.1:8123"})


@pytest.fixture(scope="module")
def config() -> Config:
    return load(EXAMPLE, {})


def parses(query: str, folder: Path) -> bool:
    """Ask promtool about a query, as a recording rule."""
    rule = {"record": "seen", "expr": query}
    file = folder / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": [rule]}]}))
    argv = (find("promtool", package="prometheus"), "check", "rules", str(file))
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def test_promtool_parses_every_query(config: Config, tmp_path: Path) -> None:
    asked = queries(prometheus_dashboard(config))

    assert len(asked) > 15
    assert [] == [query for query in asked if not parses(query, tmp_path)]


def test_query_that_is_none_is_seen(tmp_path: Path) -> None:
    assert not parses("time( - restic_backup_last_success_timestamp_seconds", tmp_path)


def made(server: ClickHouseServer) -> None:
    """Make the three tables, empty."""
    server.ask("CREATE DATABASE yamon")
    for name, columns in (
        ("logs", LOG_COLUMNS),
        ("verifications", RESULT_COLUMNS),
        ("backups", BACKUP_COLUMNS),
    ):
        described = ", ".join(f"`{column}` {kind}" for column, kind in columns.items())
        server.ask(f"CREATE TABLE yamon.`{name}` ({described}) ENGINE = Memory")


def answered(server: ClickHouseServer, query: str) -> str:
    """Ask what Grafana would, its macro filled in."""
    return server.ask(query.replace("$__timeFilter(`when`)", "(`when` >= toDateTime(1))"))


@pytest.mark.heavy
def test_clickhouse_answers_every_query(config: Config, clickhouse: ClickHouseServer) -> None:
    made(clickhouse)
    asked = queries(clickhouse_dashboard(config, TABLE))

    assert len(asked) > 8
    for query in asked:
        answered(clickhouse, query)


@pytest.mark.heavy
@pytest.mark.parametrize("named", ["run backups", "run-backups.service - run backups"])
def test_end_of_a_run_is_known_however_systemd_names_it(
    config: Config, clickhouse: ClickHouseServer, named: str
) -> None:
    made(clickhouse)
    clickhouse.ask(
        "INSERT INTO yamon.logs SELECT toDateTime(toUInt32(now()) - 60), 'jak', 'systemd', "
        f"'Finished {named}.'"
    )
    (query,) = [q for q in queries(clickhouse_dashboard(config, TABLE)) if "'systemd'" in q]

    assert 60 <= int(answered(clickhouse, query)) < 600


@pytest.mark.heavy
def test_column_that_is_none_is_seen(config: Config, clickhouse: ClickHouseServer) -> None:
    made(clickhouse)
    query = queries(clickhouse_dashboard(config, TABLE))[0].replace("status", "statu")

    with pytest.raises(AssertionError, match="statu"):
        answered(clickhouse, query)


@pytest.mark.parametrize("source", ["prometheus", "clickhouse"])
def test_dashboard_names_no_data_source(config: Config, source: str) -> None:
    made = prometheus_dashboard(config) if source == "prometheus" else None
    dashboard = json.loads(made or clickhouse_dashboard(config, TABLE))
    panels = dashboard["panels"]

    assert {"${source}"} == {panel["datasource"]["uid"] for panel in panels}
    assert len(panels) == len({panel["id"] for panel in panels})
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(panels) == len(places)


def test_colours_change_at_the_ages_of_the_rules(config: Config) -> None:
    first = json.loads(prometheus_dashboard(config))["panels"][0]
    steps = first["fieldConfig"]["defaults"]["thresholds"]["steps"]

    assert [("green", None), ("yellow", 86_400), ("red", 100_800)] == [
        (step["color"], step["value"]) for step in steps
    ]
