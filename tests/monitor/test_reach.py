"""Sinks and channels asked for real, both ways: servers that answer, that refuse, and none."""

from __future__ import annotations

import base64
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from tests.servers.prometheus import Pushgateway, pushgateway
from verifier.config.monitor import Channel, ClickHouse, History, Ping, Sinks, Webhook
from verifier.config.values import Secret
from verifier.core.checkup import Check, examine
from verifier.core.errors import CannotVerify
from verifier.monitor.delivery import start_delivery
from verifier.monitor.reach import (
    ask_channel,
    ask_clickhouse,
    ask_journal,
    ask_ping,
    ask_pushgateway,
    ask_spool,
    ask_textfile,
    ask_webhook,
    channels,
    sinks,
    spool,
)
from verifier.monitor.spool import Parcel, Queue

__all__ = ("clickhouse", "clickhouse_server", "pushgateway")

LIMIT_S = 5.0
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


class _Answer(BaseHTTPRequestHandler):
    code, body, asked = 200, b"1\n", list[str]()

    def do_GET(self) -> None:
        """Answer, and keep what was asked."""
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        login = base64.b64decode(given).decode()
        type(self).asked.append(f"{self.command} {self.path} {login}".rstrip())
        # Of a ClickHouse that has no table yet.
        self.send_response(404 if "DESCRIBE" in self.path else self.code)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else self.body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def server(code: int = 200, body: bytes = b"1\n") -> Iterator[tuple[str, list[str]]]:
    """Run a server that gives one answer; give its URL, and what it was asked."""
    asked: list[str] = []
    answer = type("Answer", (_Answer,), {"code": code, "body": body, "asked": asked})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), answer)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", asked
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


@pytest.fixture
def dead() -> str:
    """A URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def kept(secret: Secret) -> str:
    """Return a secret: a file's name stands for it."""
    if secret.file == "/gone":
        raise CannotVerify("/gone", "cannot be read", "write it")
    return secret.file.removeprefix("/")


def table(url: str) -> ClickHouse:
    """Return the table of a ClickHouse server."""
    return ClickHouse.model_validate({"url": url, "user": "w", "password": {"file": "/pw"}})


def webhook(url: str) -> Webhook:
    """Return the table of a webhook."""
    return Webhook.model_validate({"url": url, "secret": {"file": "/key"}})


def test_clickhouse_is_asked_for_one() -> None:
    with server() as (url, asked):
        seen = ask_clickhouse(table(url), kept, LIMIT_S)

    assert "ok" == seen.status
    assert "GET /?query=SELECT+1 w:pw" == asked[0].replace("%20", "+")
    with server(403, b"Code: 516. Authentication failed\nstack") as (url, _):
        refused = ask_clickhouse(table(url), kept, LIMIT_S)
    assert ("failed", True) == (refused.status, "Authentication failed" in refused.saw)
    with server(200, b"<html>") as (url, _):
        assert "failed" == ask_clickhouse(table(url), kept, LIMIT_S).status


def test_a_dead_sink_has_failed(dead: str) -> None:
    for seen in (
        ask_clickhouse(table(dead), kept, LIMIT_S),
        ask_pushgateway(dead, LIMIT_S),
        ask_webhook(webhook(dead), kept, LIMIT_S),
    ):
        assert ("failed", True) == (seen.status, "cannot be reached" in seen.saw)


def test_a_sink_that_does_not_answer_in_time_has_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seen = ask_pushgateway(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.1)

    assert ("failed", True) == (seen.status, "in time" in seen.saw)


@pytest.mark.parametrize(("code", "status"), [(200, "ok"), (503, "failed")])
def test_a_pushgateway_says_whether_it_is_ready(code: int, status: str) -> None:
    with server(code) as (url, asked):
        assert status == ask_pushgateway(url, LIMIT_S).status

    assert ["GET /-/ready"] == asked


@pytest.mark.parametrize(
    ("code", "status"),
    [(200, "ok"), (405, "ok"), (401, "ok"), (501, "ok"), (404, "warning"), (502, "failed")],
)
def test_a_webhook_is_asked_its_head_and_sent_nothing(code: int, status: str) -> None:
    with server(code) as (url, asked):
        assert status == ask_webhook(webhook(f"{url}/hook"), kept, LIMIT_S).status

    assert ["HEAD /hook"] == asked


def ping(**given: object) -> Ping:
    """Return the table of a ping."""
    return Ping.model_validate({"job": "backups", **given})


def test_a_ping_is_not_asked() -> None:
    with server() as (url, asked):
        assert "ok" == ask_ping(ping(url=url), kept).status

    assert [] == asked
    assert "failed" == ask_ping(ping(**{"url-secret": {"file": "/no-url"}}), kept).status


def test_the_textfile_needs_a_folder_that_may_be_written_to(tmp_path: Path) -> None:
    assert "ok" == ask_textfile(tmp_path / "restic.prom").status
    assert "failed" == ask_textfile(tmp_path / "none" / "restic.prom").status


def test_journald_listens_or_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "socket"))

        assert "ok" == ask_journal(tmp_path / "socket").status
    assert "failed" == ask_journal(tmp_path / "none").status


@pytest.mark.parametrize(
    ("age", "status"), [(timedelta(minutes=5), "ok"), (timedelta(hours=2), "warning")]
)
def test_what_waits_for_long_is_a_warning(tmp_path: Path, age: timedelta, status: str) -> None:
    history = History.model_validate({"spool": str(tmp_path / "spool")})
    assert "nothing waits to be sent" == spool(history, NOW).ask().saw

    queue = Queue(tmp_path / "spool" / "clickhouse")
    with queue.hold():
        assert "nothing waits to be sent" == spool(history, NOW).ask().saw
    waiting = queue.put(Parcel((start_delivery("backups", NOW),), NOW))
    made = (NOW - age).timestamp()
    os.utime(waiting, (made, made))
    seen = ask_spool(tmp_path / "spool", NOW)
    assert (status, True) == (seen.status, seen.saw.startswith("1 wait to be sent"))


def channel(url: str) -> Channel:
    """Return the table of a channel; its secret is a URL by the name of a file."""
    return Channel.model_validate({"name": "ops", "url": {"file": url}})


# Apprise itself imports what Python will give up.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_a_channel_is_parsed_and_told_nothing() -> None:
    good = ask_channel(channel("/ntfy://127.0.0.1:1/topic"), kept)
    wrong = ask_channel(channel("/nothing://like/this"), kept)

    assert ("ok", "failed") == (good.status, wrong.status)
    assert "topic" not in good.saw
    assert "like/this" not in wrong.saw


def answered(subject_checks: tuple[Check, ...]) -> dict[str, str]:
    """Return name -> status."""
    return {check.name: check.status for check in subject_checks}


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_a_secret_that_cannot_be_read_has_failed() -> None:
    found = examine(channels((channel("/gone"),), kept))
    with server() as (url, _):
        told = {"clickhouse": {"url": url, "user": "w", "password": {"file": "/gone"}}}
        sunk = examine(sinks(Sinks.model_validate(told), kept))

    assert ({"ops": "failed"}, {"clickhouse": "failed"}) == (answered(found), answered(sunk))


def test_what_is_not_configured_is_not_asked() -> None:
    found = examine(sinks(Sinks(), kept)), examine(channels((), kept))

    assert [{"sinks": "skipped"}, {"channels": "skipped"}] == [answered(one) for one in found]


# The real servers.


@pytest.mark.heavy
def test_a_real_clickhouse_answers_its_user_alone(clickhouse: ClickHouseServer) -> None:
    told = {"url": clickhouse.url, "user": clickhouse.user, "password": {"file": "/pw"}}
    server = ClickHouse.model_validate(told)
    good = ask_clickhouse(server, lambda _: clickhouse.password, LIMIT_S)
    wrong = ask_clickhouse(server, lambda _: "another", LIMIT_S)

    assert ("ok", "failed") == (good.status, wrong.status)
    assert clickhouse.password not in str(good) + str(wrong)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("logs", "columns", "status"),
    [
        (True, "when DateTime, service String, data String", "ok"),
        (True, "when DateTime, host String, service String, line String", "failed"),
        (False, "when DateTime, host String, service String, line String", "ok"),
    ],
)
def test_tables_that_are_there_have_what_is_needed(
    clickhouse: ClickHouseServer, logs: bool, columns: str, status: str
) -> None:
    clickhouse.ask("CREATE DATABASE yamon")
    clickhouse.ask(f"CREATE TABLE yamon.logs ({columns}) ENGINE = Memory")
    server = ClickHouse.model_validate({"url": clickhouse.url, "logs": logs})
    seen = ask_clickhouse(server, kept, LIMIT_S)

    assert status == seen.status
    assert ("`yamon`.`logs` has no column `data`" == seen.saw) == (status == "failed")


@pytest.mark.heavy
def test_a_real_pushgateway_is_ready(pushgateway: Pushgateway) -> None:
    assert "ok" == ask_pushgateway(pushgateway.url, LIMIT_S).status
