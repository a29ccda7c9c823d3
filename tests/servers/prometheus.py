"""Real Prometheus, Pushgateway and Alertmanager on loopback, as Debian packages them.

`from tests.servers.prometheus import pushgateway` gives the fixture of a Pushgateway;
`run_prometheus` and `run_alertmanager` are blocks, since their configuration is the test's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.servers.programs import answers, ask, find, free_ports, running


@dataclass(frozen=True)
class Pushgateway:
    """Where it listens."""

    url: str

    @property
    def target(self) -> str:
        """It as a target that Prometheus scrapes."""
        return self.url.removeprefix("http://")

    def metrics(self) -> str:
        """Return all that it would tell Prometheus."""
        return ask(f"{self.url}/metrics")

    def groups(self) -> list[dict[str, Any]]:
        """Return its groups, as its API has them: labels, and every metric."""
        return list(json.loads(ask(f"{self.url}/api/v1/metrics"))["data"])


@dataclass(frozen=True)
class Prometheus:
    """Where it listens."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return what an instant query finds: `metric` and `value` of each series."""
        found = ask(f"{self.url}/api/v1/query?{urlencode({'query': expression})}")
        return list(json.loads(found)["data"]["result"])

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing."""
        return list(json.loads(ask(f"{self.url}/api/v1/alerts"))["data"]["alerts"])


@dataclass(frozen=True)
class Alertmanager:
    """Where it listens."""

    url: str

    @property
    def target(self) -> str:
        """It as a target that Prometheus sends alerts to."""
        return self.url.removeprefix("http://")


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[Pushgateway]:
    """Run a Pushgateway that holds nothing yet."""
    program = find("prometheus-pushgateway", package="prometheus-pushgateway")
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    argv = (program, f"--web.listen-address={address}")
    with running(argv, lambda: answers(f"http://{address}/-/ready"), tmp_path / "pushgateway.log"):
        yield Pushgateway(f"http://{address}")


@contextmanager
def run_prometheus(config: str, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus in the block.

    Args:
        config: its `prometheus.yml`; paths in it are relative to
        folder: which is made, and holds its data.
    """
    program = find("prometheus", package="prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    (port,) = free_ports(1)
    argv = (
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    url = f"http://127.0.0.1:{port}"
    with running(argv, lambda: answers(f"{url}/-/ready"), folder / "log"):
        yield Prometheus(url)


@contextmanager
def run_alertmanager(config: str, folder: Path) -> Iterator[Alertmanager]:
    """Run an Alertmanager in the block.

    Args:
        config: its `alertmanager.yml`.
        folder: is made, and holds its data.
    """
    program = find("prometheus-alertmanager", package="prometheus-alertmanager")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(config, encoding="utf-8")
    (port,) = free_ports(1)
    argv = (
        program,
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    url = f"http://127.0.0.1:{port}"
    with running(argv, lambda: answers(f"{url}/-/ready"), folder / "log"):
        yield Alertmanager(url)
