"""The servers that sinks are tested against are what they are taken for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from tests.servers.journald import Journald, journald
from tests.servers.programs import answers, ask
from tests.servers.prometheus import Pushgateway, pushgateway, run_alertmanager, run_prometheus
from tests.servers.receiver import Receiver, gate, receiver

__all__ = ("clickhouse", "clickhouse_server", "journald", "pushgateway", "receiver")

ROUTE = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


def test_clickhouse_keeps_rows(clickhouse: ClickHouseServer) -> None:
    clickhouse.ask("CREATE DATABASE one")
    clickhouse.ask("CREATE TABLE one.rows (n UInt64) ENGINE = Memory")
    clickhouse.ask("INSERT INTO one.rows VALUES (1), (2)")

    assert [{"n": 3}] == clickhouse.rows("SELECT toUInt32(sum(n)) AS n FROM one.rows")


def test_gate_before_a_real_server_can_be_shut(clickhouse: ClickHouseServer) -> None:
    with gate(clickhouse.url) as before:
        open_ = answers(f"{before.url}/ping")
        before.mood = "refuse"

        assert (True, False) == (open_, answers(f"{before.url}/ping"))


def test_receiver_keeps_what_arrived(receiver: Receiver) -> None:
    receiver.plan = ["refuse", "accept"]
    with pytest.raises(AssertionError, match="503"):
        ask(f"{receiver.url}/a", b"one")
    ask(f"{receiver.url}/b", b"two", {"X-Name": "value"})

    (got,) = receiver.received
    assert ("POST", "/b", b"two", "value") == (
        got.method,
        got.path,
        got.body,
        got.headers["x-name"],
    )


def test_journald_keeps_fields(journald: Journald) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(b"MESSAGE=hello\nTOLD=yes\n", str(journald.socket))

    assert ["hello"] == [entry["MESSAGE"] for entry in journald.entries("TOLD=yes")]


@pytest.mark.heavy
def test_prometheus_scrapes_a_pushgateway(pushgateway: Pushgateway, tmp_path: Path) -> None:
    ask(f"{pushgateway.url}/metrics/job/x", b"pushed 1\n")
    with (
        run_alertmanager(ROUTE, tmp_path / "am") as alertmanager,
        run_prometheus("scrape_configs: []\n", tmp_path / "prometheus") as prometheus,
    ):
        assert answers(f"{alertmanager.url}/-/healthy")
        assert [] == prometheus.query("pushed")
    assert "pushed" in pushgateway.metrics()
