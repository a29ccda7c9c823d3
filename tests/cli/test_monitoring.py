"""What `render` writes for Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli import console
from tests.monitor.alerting import TEXT
from tests.servers.programs import find

FOLDER = "coordinator/etc/restic-verify/monitoring"
CLICKHOUSE = '\n[sinks.clickhouse]\nurl = "http://logs.example.org:8123"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "verify.toml"
    file.write_text(TEXT)
    return file


def rendered(config: Path, *line: str) -> str:
    done = console.run("render", *line, "--config", str(config))

    assert (0, b"") == (done.returncode, done.stderr)
    return done.stdout.decode()


@pytest.mark.parametrize(("more", "there"), [("", False), (CLICKHOUSE, True)])
def test_files_stand_with_those_of_the_coordinator(config: Path, more: str, there: bool) -> None:
    config.write_text(TEXT + more)
    files = json.loads(rendered(config, "all", "--json"))["files"]
    found = {file["path"] for file in files if file["path"].startswith(FOLDER)}
    names = ["alertmanager.yml", "grafana-prometheus.json", "prometheus-rules.yml"]

    assert {f"{FOLDER}/{name}" for name in names} == found - {f"{FOLDER}/grafana-clickhouse.json"}
    assert there is (f"{FOLDER}/grafana-clickhouse.json" in found)


def test_rules_that_are_printed_are_accepted(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(rendered(config, "prometheus-rules.yml"))
    argv = (find("promtool", package="prometheus"), "check", "rules", str(file))

    assert 0 == subprocess.run(argv, check=False, capture_output=True).returncode


def test_dashboard_that_is_printed_is_json(config: Path) -> None:
    assert "restic-verify" == json.loads(rendered(config, "grafana-prometheus.json"))["title"]
