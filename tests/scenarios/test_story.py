"""The whole of it, from one verify.toml: a year, and the night on which the key was locked.

Goal: what `render` writes is what the year runs, and the incident that it holds reaches the
history, ClickHouse, Prometheus, the dashboard and Discord at its instants: opened at 24 hours, an
alarm at 28, over with the next backup; and people heard of it twice.

Method: the year runs with every script and every restic real; its log is collected, and the alert
rules are looked at every twenty minutes, by the real commands under a controlled clock. Prometheus
and the dashboard run under the same clock. ClickHouse and the Pushgateway are real and timeless.

Red, if any of them hears of it at another time, or of anything else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml

from tests.cli.console import run, start
from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from tests.servers.programs import answers, find, free_ports, running, until
from tests.servers.prometheus import Prometheus, Pushgateway, pushgateway
from tests.servers.receiver import Receiver, receiver
from verifier.clock.control import under
from verifier.clock.page import ClockPage
from verifier.simulate.worlds.fleet_logs import LAST_FINISHED

__all__ = ["clickhouse", "clickhouse_server", "pushgateway", "receiver"]

pytestmark = [pytest.mark.heavy, pytest.mark.long, pytest.mark.timeout(1_500)]

ZONE = ZoneInfo("America/Los_Angeles")
NIGHT = datetime(2024, 7, 14, 4, tzinfo=ZONE)
"""When the backup finds the key locked; the last good one began a day before."""

HOUR, LOOK = timedelta(hours=1), timedelta(minutes=20)

VERIFY = """\
schema = 1

[repository]
location = "/mnt/storage/restic"
password-file = "/mnt/keys/restic/password"

[coordinator]
name = "jak"

[schedule]
times = ["04:00"]
timezone = "America/Los_Angeles"

[retention]
keep-daily = 30
keep-weekly = 5
keep-monthly = 12
keep-yearly = 10

[[hosts]]
name = "web1"
repository = "/mnt/jak/restic"
include = ["/etc", "/srv/www"]

[history]
file = "{folder}/history.sqlite"
spool = "{folder}/spool"

[sinks.clickhouse]
url = "{clickhouse}"

[sinks.prometheus]
pushgateway = "{pushgateway}"

# No drill is part of this story.
[alerts.verification]
warn-age = "400d"
alarm-age = "500d"

[[alerts.channels]]
name = "discord"
url = {{ file = "{folder}/discord" }}

[dashboard]
listen = "127.0.0.1:{port}"

[simulate]
start = 2024-01-01
days = 366
"""

YEAR = """
[scenario]
about = "A year in which a reboot unloads the key once."
fidelity = ["cycle"]

[[faults.key-locked]]
from = 2024-07-14
to = 2024-07-14

[expect]
verdict = "CRITICAL"

[[expect.findings]]
kind = "step-failed"
subject = "run-backups"

[[expect.survivors]]
host = "web1"
count = 41

[[expect.alerts]]
host = "web1"
level = "alarm"
opened = 2024-07-14T04:00:00-07:00
opened-age = "24h"
escalated = 2024-07-14T08:00:00-07:00
escalated-age = "28h"
resolved = 2024-07-15T04:01:00-07:00
"""


@dataclass
class Stage:
    """Everything that runs: the commands' process, the servers, and the year's log.

    Attributes:
        log: the lines of the year that are still to come, oldest first.
    """

    folder: Path
    page: ClockPage
    driver: subprocess.Popen[str]
    prometheus: Prometheus
    discord: Receiver
    dashboard: str
    log: list[str]

    def command(self, at: datetime, *argv: str) -> dict[str, Any]:
        """Run a command at a simulated instant and return its report."""
        line = (*argv, "--config", str(self.folder / "verify.toml"), "--json")
        self.page.set(at)
        assert self.driver.stdin
        assert self.driver.stdout
        self.driver.stdin.write(json.dumps(line) + "\n")
        self.driver.stdin.flush()
        answer = self.driver.stdout.readline()
        assert answer, "the commands' process has ended"
        report: dict[str, Any] = json.loads(answer)["report"]
        return report

    def look(self, at: datetime) -> dict[str, Any]:
        """Collect what has been logged up to an instant, and look at the alert rules."""
        due = [line for line in self.log if json.loads(line)["when"] <= at.timestamp()]
        if due:
            del self.log[: len(due)]
            lines = self.folder / "due.jsonl"
            lines.write_text("".join(due))
            self.command(at, "collect", "--log", str(lines))
        return self.command(at, "alert")

    def look_on(self, since: datetime, until_at: datetime) -> dict[str, Any]:
        """Look every twenty minutes up to an instant, and at it; return the last report."""
        at, report = since.astimezone(ZoneInfo("UTC")), {}
        while at < until_at:
            at = min(at + LOOK, until_at)
            report = self.look(at)
        return dict(report)

    def messages(self) -> list[str]:
        """Return what Discord was sent."""
        return [str(json.loads(one.body)["content"]) for one in self.discord.received]

    def firing(self, *names: str) -> None:
        """Wait until exactly these of the backup's alerts fire in Prometheus."""
        until(lambda: self._firing() == set(names), f"{names} fire, and {self._firing()} do")

    def _firing(self) -> set[str]:
        return {
            alert["labels"]["alertname"]
            for alert in self.prometheus.alerts()
            if alert["state"] == "firing" and alert["labels"]["subject"] == "backup web1"
        }

    def front_page(self) -> str:
        """Return the dashboard's first page."""
        return httpx.get(f"{self.dashboard}/").text


@pytest.fixture
def stage(
    tmp_path: Path, clickhouse: ClickHouseServer, pushgateway: Pushgateway, receiver: Receiver
) -> Iterator[Stage]:
    """The year, and the servers under a clock that shows the eve of the night."""
    (port,) = free_ports(1)
    (tmp_path / "discord").write_text("discord://123456789012345678/a-token_of-letters\n")
    text = VERIFY.format(
        folder=tmp_path, clickhouse=clickhouse.url, pushgateway=pushgateway.url, port=port
    )
    (tmp_path / "verify.toml").write_text(text)
    (tmp_path / "year.toml").write_text(text + YEAR)
    rules = rendered(tmp_path)
    # A year takes minutes, most of them waits of restic's.
    year = start("scenario", "run", "year.toml", "--logs", "logs", cwd=tmp_path)
    said, _ = year.communicate()
    assert 0 == year.returncode, said.decode()
    log = (tmp_path / "logs" / "year.cycle.jsonl").read_text().splitlines(keepends=True)
    page = ClockPage.create(tmp_path / "page")
    page.set(NIGHT - 12 * HOUR)
    with ExitStack() as stack:
        prometheus = stack.enter_context(prometheus_under(page, rules, pushgateway, tmp_path))
        driver = stack.enter_context(driven(page, receiver))
        stage = Stage(tmp_path, page, driver, prometheus, receiver, f"http://127.0.0.1:{port}", log)
        # There is nothing to be shown before something has been collected.
        stage.look(NIGHT - 12 * HOUR)
        stack.enter_context(served(page, tmp_path, stage.dashboard))
        yield stage


def rendered(folder: Path) -> Path:
    """Render the system, and return Prometheus' rules, to be evaluated every second."""
    into = folder / "system"
    ended = run("render", "all", "--config", "verify.toml", "--into", str(into), cwd=folder)
    assert 0 == ended.returncode, ended.stderr
    (rules,) = into.rglob("*rules*.y*ml")
    groups = yaml.safe_load(rules.read_text())
    for group in groups["groups"]:
        group["interval"] = "1s"
    (folder / "rules.yml").write_text(yaml.safe_dump(groups))
    return folder / "rules.yml"


@contextmanager
def prometheus_under(
    page: ClockPage, rules: Path, gateway: Pushgateway, folder: Path
) -> Iterator[Prometheus]:
    """Run a Prometheus that lives in simulated time."""
    (port,) = free_ports(1)
    place = folder / "prometheus"
    place.mkdir()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "pushgateway",
                "honor_labels": True,
                "static_configs": [{"targets": [gateway.target]}],
            }
        ],
    }
    (place / "prometheus.yml").write_text(yaml.safe_dump(config))
    argv = (
        find("prometheus", package="prometheus"),
        f"--config.file={place}/prometheus.yml",
        f"--storage.tsdb.path={place}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    url = f"http://127.0.0.1:{port}"
    with running(under(page.path, argv), lambda: answers(f"{url}/-/ready"), place / "log"):
        yield Prometheus(url)


@contextmanager
def driven(page: ClockPage, discord: Receiver) -> Iterator[subprocess.Popen[str]]:
    """Run the process in which the commands run."""
    argv = (sys.executable, "-m", "tests.scenarios.story_driver", discord.url)
    with subprocess.Popen(
        under(page.path, argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def served(page: ClockPage, folder: Path, url: str) -> Iterator[None]:
    """Run the dashboard in simulated time."""
    program = str(Path(sys.executable).with_name("restic-verify"))
    argv = (program, "dashboard", "--config", str(folder / "verify.toml"))
    with running(under(page.path, argv), lambda: answers(f"{url}/healthz"), folder / "served.log"):
        yield


def kinds(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the kind and the subject of each finding."""
    return [(finding["kind"], finding["subject"]) for finding in report["findings"]]


def last_finished(clickhouse: ClickHouseServer) -> datetime:
    """Return what the dashboard's query answers."""
    return datetime.fromtimestamp(int(clickhouse.ask(LAST_FINISHED)), ZONE)


def test_night_of_the_locked_key_is_heard_of_twice_and_everywhere(
    stage: Stage, clickhouse: ClickHouseServer
) -> None:
    well = stage.look_on(NIGHT - 12 * HOUR, NIGHT - LOOK)

    assert [] == kinds(well)
    assert NIGHT.date() - timedelta(days=1) == last_finished(clickhouse).date()
    stage.firing()

    opened = stage.look(NIGHT)

    assert [("late", "web1")] == kinds(opened)
    (heard,) = stage.messages()
    assert heard.startswith("WARNING: the last good backup of web1 is 1 day old")
    assert "It becomes an alarm at Sun 2024-07-14 08:00 -07:00." in heard
    stage.firing("ResticBackupLate")
    assert NIGHT.date() - timedelta(days=1) == last_finished(clickhouse).date()

    late = stage.look_on(NIGHT, NIGHT + 4 * HOUR - LOOK)

    assert [("late", "web1")] == kinds(late)
    stage.firing("ResticBackupLate")

    stopped = stage.look(NIGHT + 4 * HOUR)

    assert [("stopped", "web1")] == kinds(stopped)
    stage.firing("ResticBackupLate", "ResticBackupStopped")
    assert [heard] == stage.messages()
    assert "CRITICAL" in stage.front_page()

    over = stage.look_on(NIGHT + 4 * HOUR, NIGHT + 24 * HOUR + 2 * LOOK)

    assert [] == kinds(over)
    stage.firing()
    assert NIGHT.date() + timedelta(days=1) == last_finished(clickhouse).date()
    assert "CRITICAL" not in stage.front_page()
    assert heard == stage.messages()[0]
    assert stage.messages()[1].startswith("RESOLVED: web1 is backed up again, after 1 day")
    assert 2 == len(stage.messages())
