"""A real ClickHouse on loopback, with its HTTP interface: Debian's, or the one on PATH.

`from tests.servers.clickhouse import clickhouse_server` in a conftest or a test module gives the
fixture; `clickhouse` is the same server without any table, for one test.
"""

from __future__ import annotations

import hashlib
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.programs import answers, ask, find, free_ports, running


@dataclass(frozen=True)
class ClickHouseServer:
    """Where it listens; `default` needs no password, `user` needs `password`."""

    url: str
    user: str = "writer"
    password: str = "a-secret/of §logs"

    def ask(self, query: str) -> str:
        """Return its answer without the last line end."""
        url = f"{self.url}/?{urllib.parse.urlencode({'query': query})}"
        return ask(url, b"").rstrip("\n")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows that a SELECT finds; 64-bit numbers come as numbers."""
        found = self.ask(f"{query} FORMAT JSONEachRow")
        return [json.loads(line) for line in found.splitlines()]

    def databases(self) -> set[str]:
        """Return the databases that are not its own."""
        own = {"system", "default", "INFORMATION_SCHEMA", "information_schema"}
        return set(self.ask("SHOW DATABASES").split()) - own


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """Run a ClickHouse for the whole session; up in about a second."""
    program = find("clickhouse-server", package="clickhouse-server")
    folder = tmp_path_factory.mktemp("clickhouse")
    http, native = free_ports(2)
    server = ClickHouseServer(f"http://127.0.0.1:{http}")
    (folder / "users.xml").write_text(_users(server), encoding="utf-8")
    (folder / "config.xml").write_text(_settings(folder, http, native), encoding="utf-8")
    argv = (program, f"--config-file={folder}/config.xml")
    with running(argv, lambda: answers(f"{server.url}/ping"), folder / "log"):
        yield server


@pytest.fixture
def clickhouse(clickhouse_server: ClickHouseServer) -> Iterator[ClickHouseServer]:
    """Return the session's server; the databases that the test made go with it."""
    yield clickhouse_server
    for name in clickhouse_server.databases():
        clickhouse_server.ask(f"DROP DATABASE `{name}`")


def _settings(folder: Path, http: int, native: int) -> str:
    # Releases before 21.10 want `yandex` as the root element, and later ones take it too.
    return f"""\
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <http_port>{http}</http_port>
  <tcp_port>{native}</tcp_port>
  <listen_host>127.0.0.1</listen_host>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/scratch/</tmp_path>
  <user_files_path>{folder}/files/</user_files_path>
  <format_schema_path>{folder}/schemas/</format_schema_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size>
  <timezone>UTC</timezone>
</yandex>
"""


def _users(server: ClickHouseServer) -> str:
    digest = hashlib.sha256(server.password.encode()).hexdigest()
    shared = "<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
    return f"""\
<yandex>
  <profiles><default><max_memory_usage>500000000</max_memory_usage></default></profiles>
  <quotas><default/></quotas>
  <users>
    <default><password></password>{shared}</default>
    <{server.user}><password_sha256_hex>{digest}</password_sha256_hex>{shared}</{server.user}>
  </users>
</yandex>
"""
