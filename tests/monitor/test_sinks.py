"""What each sink sends, held against real servers; the suite of all sinks is in conformance."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.conformance.places import (
    NOW,
    PATIENT_S,
    SECRET,
    FrozenClock,
    backup,
    end,
    instant,
    log,
    metrics,
    report,
)
from tests.house.tree import ROOT
from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from tests.servers.journald import Journald, journald
from tests.servers.prometheus import Pushgateway as Gateway
from tests.servers.prometheus import pushgateway
from tests.servers.receiver import Answer, Receiver, gate, receiver, run_receiver, self_signed
from verifier.core.errors import DeliveryFailed
from verifier.core.finding import Verdict
from verifier.monitor.delivery import (
    Delivery,
    end_delivery,
    log_delivery,
    metrics_delivery,
    parse_delivery,
    render_delivery,
    start_delivery,
)
from verifier.monitor.sinks.clickhouse import (
    BACKUP_COLUMNS,
    LOG_COLUMNS,
    RESULT_COLUMNS,
    ClickHouse,
)
from verifier.monitor.sinks.http import certificates
from verifier.monitor.sinks.journal import Journal
from verifier.monitor.sinks.ping import Ping
from verifier.monitor.sinks.pushgateway import Pushgateway
from verifier.monitor.sinks.textfile import Textfile
from verifier.monitor.sinks.webhook import Webhook
from verifier.monitor.telemetry import LogLine
from verifier.simulate.worlds.fleet_logs import LAST_FINISHED

__all__ = ("clickhouse", "clickhouse_server", "journald", "pushgateway", "receiver")

PAGE = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")


def _clickhouse(url: str, user: str = "", password: str = "", timeout_s: float = PATIENT_S) -> Any:
    names = "yamon", "logs", "verifications", "backups"
    return ClickHouse(url, *names, login=(user, password), timeout_s=timeout_s)


def test_query_of_the_dashboard_answers(clickhouse: ClickHouseServer) -> None:
    lines = [
        ("run-backups", "backup host=web1 status=0 duration_s=5"),
        ("systemd", "Finished run backups."),
    ]
    sent = [log_delivery(LogLine(NOW, "jak", *line)) for line in lines]
    _clickhouse(clickhouse.url).deliver(sent, again=False)

    assert str(int(NOW.timestamp())) == clickhouse.ask(LAST_FINISHED)


def test_table_of_others_is_left_as_it_is(clickhouse: ClickHouseServer) -> None:
    clickhouse.ask("CREATE DATABASE yamon")
    clickhouse.ask(
        "CREATE TABLE yamon.logs (when DateTime, host String, service String, data String, "
        "more UInt8 DEFAULT 7) ENGINE = MergeTree() PARTITION BY toYYYYMM(when) ORDER BY when"
    )
    _clickhouse(clickhouse.url).deliver([log(1)], again=False)

    assert [{"more": 7}] == clickhouse.rows("SELECT more FROM yamon.logs")


HOSTLESS = "when DateTime, service String, data String"


def _hostless(server: ClickHouseServer, columns: str = HOSTLESS) -> None:
    server.ask("CREATE DATABASE yamon")
    server.ask(
        f"CREATE TABLE yamon.logs ({columns}) ENGINE = MergeTree() "
        "PARTITION BY toYYYYMM(when) ORDER BY (service, when)"
    )


@pytest.mark.parametrize("again", [False, True])
def test_table_without_a_column_for_the_host_takes_lines(
    clickhouse: ClickHouseServer, again: bool
) -> None:
    _hostless(clickhouse)
    sink = _clickhouse(clickhouse.url)
    sink.deliver([log(1), report(2)], again=again)
    sink.deliver([log(1), log(3)], again=True)

    assert ["1", "3"] == clickhouse.ask(
        "SELECT substring(data, -1) FROM yamon.logs ORDER BY when"
    ).split()
    assert "1" == clickhouse.ask("SELECT count() FROM yamon.verifications")


def test_table_without_what_is_needed_is_named(clickhouse: ClickHouseServer) -> None:
    _hostless(clickhouse, "when DateTime, service String, line String")
    with pytest.raises(DeliveryFailed, match=r"`yamon`\.`logs` has no column `data`") as caught:
        _clickhouse(clickhouse.url).deliver([log(1)], again=False)

    assert "[sinks.clickhouse]" in caught.value.remedy


def test_who_has_a_shipper_sends_no_lines() -> None:
    names = "yamon", "logs", "verifications", "backups"
    url = "http://127.0.0.1:1"
    for logs in (True, False):
        sink = ClickHouse(url, *names, login=("", ""), timeout_s=PATIENT_S, logs=logs)
        assert (logs, True, True) == tuple(
            sink.takes(one) for one in (log(1), report(2), backup(3))
        )


def test_rows_hold_what_was_told(clickhouse: ClickHouseServer) -> None:
    _clickhouse(clickhouse.url).deliver([report(1), backup(2), log(3)], again=False)
    (result,) = clickhouse.rows("SELECT *, toUInt32(when) AS at FROM yamon.verifications")
    (run,) = clickhouse.rows("SELECT *, toUInt32(ended) AS at FROM yamon.backups")
    (line,) = clickhouse.rows("SELECT * FROM yamon.logs")

    assert ("audit", "WARNING", 1, 0) == (
        result["kind"],
        result["verdict"],
        result["warning"],
        result["critical"],
    )
    assert (report(1).body, report(1).id) == (json.loads(result["report"]), result["id"])
    assert int(instant(1).timestamp()) == result["at"]
    assert ("web1", 1.5, "2099a2b0", str(1 << 40)) == (
        run["host"],
        run["duration_s"],
        run["snapshot"],
        str(run["processed_bytes"]),
    )
    assert int((instant(2) + timedelta(seconds=1.5)).timestamp()) == run["at"]
    assert "it's \\ ü\ufffd\n#3" == line["data"]


def test_equal_lines_of_a_second_are_kept_apart(clickhouse: ClickHouseServer) -> None:
    at = [NOW + timedelta(milliseconds=ms) for ms in (1, 2, 3)]
    sent = [log_delivery(LogLine(one, "jak", "run-backups", "again")) for one in at]
    sink = _clickhouse(clickhouse.url)
    sink.deliver(sent[:2], again=False)
    sink.deliver(sent, again=True)

    assert "3" == clickhouse.ask("SELECT count() FROM yamon.logs")


def test_many_services_are_asked_about_too(clickhouse: ClickHouseServer) -> None:
    sent = [log_delivery(LogLine(NOW, "jak", f"unit '{n}'", "x")) for n in range(60)]
    sink = _clickhouse(clickhouse.url)
    for again in (False, True):
        sink.deliver(sent, again=again)

    assert "60" == clickhouse.ask("SELECT count() FROM yamon.logs")


@pytest.mark.parametrize("year", [1969, 2200])
def test_instant_beyond_its_dates_is_taken(clickhouse: ClickHouseServer, year: int) -> None:
    sink = _clickhouse(clickhouse.url)
    sent = [log_delivery(LogLine(datetime(year, 1, 1, tzinfo=UTC), "jak", "x", "y"))]
    for again in (False, True):
        sink.deliver(sent, again=again)

    assert "1" == clickhouse.ask("SELECT count() FROM yamon.logs")


def test_batch_is_one_insert(clickhouse: ClickHouseServer) -> None:
    with gate(clickhouse.url) as before:
        sink = _clickhouse(before.url)
        sink.deliver([log(0)], again=False)
        before.received.clear()
        sink.deliver([log(number) for number in range(1, 501)], again=False)

        (insert,) = [unquote_plus(got.path) for got in before.received]
        assert "INSERT INTO `yamon`.`logs`" in insert
    assert "501" == clickhouse.ask("SELECT count() FROM yamon.logs")


def test_password_travels_in_a_header(clickhouse: ClickHouseServer) -> None:
    with gate(clickhouse.url) as before:
        _clickhouse(before.url, clickhouse.user, clickhouse.password).deliver([log(1)], again=False)
        wrong = _clickhouse(before.url, clickhouse.user, "wrong")
        with pytest.raises(DeliveryFailed, match="it answered"):
            wrong.deliver([log(2)], again=False)

        assert all("a-secret" not in unquote_plus(got.path) for got in before.received)
    assert "1" == clickhouse.ask("SELECT count() FROM yamon.logs")


@pytest.mark.parametrize("columns", [LOG_COLUMNS, RESULT_COLUMNS, BACKUP_COLUMNS])
def test_documented_columns_are_the_codes(columns: dict[str, str]) -> None:
    assert f"| {', '.join(f'`{name} {kind}`' for name, kind in columns.items())} |" in PAGE


def test_documented_query_is_the_dashboards() -> None:
    (query,) = re.findall(r"```sql\n(.*?)\n```", PAGE, re.S)

    assert LAST_FINISHED == " ".join(query.split())


def test_textfile_is_replaced_whole_and_readable_by_all(tmp_path: Path) -> None:
    file = tmp_path / "restic.prom"
    file.write_text("before\n")
    before = file.open()
    Textfile(file).deliver([metrics(1), metrics(2)], again=False)

    assert 0o644 == stat.S_IMODE(file.stat().st_mode)
    assert file.read_text().endswith("told 2\n")
    assert "before\n" == before.read(), "who is reading reads on"
    assert [file] == list(tmp_path.iterdir())
    before.close()


def test_textfile_that_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "restic.prom").mkdir()
    with pytest.raises(DeliveryFailed, match=r"restic\.prom cannot be written: Is a directory"):
        Textfile(tmp_path / "restic.prom").deliver([metrics(1)], again=False)

    assert [tmp_path / "restic.prom"] == list(tmp_path.iterdir())


def test_push_replaces_the_group(pushgateway: Gateway) -> None:
    sink = Pushgateway(pushgateway.url, "restic-verify", timeout_s=PATIENT_S)
    sink.deliver([metrics_delivery("gone 1\n", NOW)], again=False)
    sink.deliver([metrics(2)], again=False)
    (group,) = pushgateway.groups()

    assert {"job": "restic-verify"} == {k: v for k, v in group["labels"].items() if v}
    assert "told" in group
    assert "gone" not in group


def test_nonsense_is_refused_by_the_gateway(pushgateway: Gateway) -> None:
    sink = Pushgateway(pushgateway.url, "restic-verify", timeout_s=PATIENT_S)
    with pytest.raises(DeliveryFailed, match="it answered 400"):
        sink.deliver([metrics_delivery("no metric at all\n", NOW)], again=False)


def _alert(level: str = "alarm", kind: str = "opened") -> Delivery:
    body = {"kind": kind, "subject": "backup web1", "level": level}
    return Delivery("alert", NOW, body)


def test_journald_finds_entries_by_their_fields(journald: Journald) -> None:
    sink = Journal(timeout_s=PATIENT_S, socket_file=journald.socket)
    kinds = (start_delivery("monthly", NOW), end(1), report(2), backup(3), _alert())
    sink.deliver(kinds, again=False)
    entries = journald.entries("SYSLOG_IDENTIFIER=restic-verify")
    (told,) = journald.entries("RESTIC_VERIFY_KIND=report", "RESTIC_VERIFY_VERDICT=WARNING")

    assert ["start", "end", "report", "backup", "alert"] == [
        entry["RESTIC_VERIFY_KIND"] for entry in entries
    ]
    assert [one.id for one in kinds] == [entry["RESTIC_VERIFY_ID"] for entry in entries]
    assert ["6", "6", "4", "6", "3"] == [entry["PRIORITY"] for entry in entries]
    assert "alarm opened: backup web1" == entries[-1]["MESSAGE"]
    assert report(2).body == json.loads(told["RESTIC_VERIFY_BODY"])
    assert told["MESSAGE"].startswith("audit WARNING: late 1")
    assert 5 == len({entry["MESSAGE_ID"] for entry in entries})


def test_entry_longer_than_a_datagram_is_taken_whole(journald: Journald) -> None:
    long = end_delivery("monthly", Verdict.CRITICAL, "first line\n" + "x" * 700_000, NOW)
    Journal(timeout_s=PATIENT_S, socket_file=journald.socket).deliver([long], again=False)
    (entry,) = journald.entries("RESTIC_VERIFY_JOB=monthly")

    assert long.body == json.loads(entry["RESTIC_VERIFY_BODY"])
    assert "monthly ended: first line" == entry["MESSAGE"]


def test_line_ends_and_equal_signs_forge_no_field(journald: Journald) -> None:
    body = {"kind": "opened", "subject": "backup a\nPRIORITY=0\nFORGED=1", "level": "warning"}
    sink = Journal(timeout_s=PATIENT_S, socket_file=journald.socket)
    sink.deliver([Delivery("alert", NOW, body)], again=False)
    (entry,) = journald.entries("RESTIC_VERIFY_KIND=alert")

    assert (body["subject"], "4") == (entry["RESTIC_VERIFY_SUBJECT"], entry["PRIORITY"])
    assert "FORGED" not in entry


Genuine = Callable[[bytes, dict[str, str], bytes, float], bool]


@pytest.fixture(scope="module")
def is_genuine() -> Genuine:
    """The check that docs/sinks.md gives to those who receive."""
    (snippet,) = re.findall(r"```python\n(.*?)\n```", PAGE, re.S)
    found: dict[str, Any] = {}
    exec(snippet, found)  # noqa: S102 - our own page
    return found["is_genuine"]  # type: ignore[no-any-return]


def _received(receiver: Receiver) -> tuple[dict[str, str], bytes]:
    Webhook(receiver.url, SECRET, FrozenClock(), timeout_s=PATIENT_S).deliver(
        [report(1)], again=False
    )
    (got,) = receiver.received
    return {name.title(): value for name, value in got.headers.items()}, got.body


def test_documented_check_takes_what_is_sent(receiver: Receiver, is_genuine: Genuine) -> None:
    headers, body = _received(receiver)

    assert is_genuine(SECRET.encode(), headers, body, NOW.timestamp() + 299)
    assert report(1) == parse_delivery(json.loads(body))
    assert report(1).id == headers["Idempotency-Key"]


@pytest.mark.parametrize("forged", ["secret", "body", "time", "replay"])
def test_documented_check_refuses_all_else(
    receiver: Receiver, is_genuine: Genuine, forged: str
) -> None:
    headers, body = _received(receiver)
    secret, now = SECRET, NOW.timestamp()
    if forged == "secret":
        secret = "another"
    elif forged == "body":
        body = body.replace(b"#1", b"#2")
    elif forged == "time":
        headers["X-Restic-Verify-Timestamp"] = str(int(now) + 1)
    else:
        now += 301

    assert not is_genuine(secret.encode(), headers, body, now)


def _pinged(receiver: Receiver, *deliveries: Delivery) -> list[tuple[str, str]]:
    ping = Ping("ping-monthly", "monthly", f"{receiver.url}/ping/uuid", timeout_s=PATIENT_S)
    for delivery in deliveries:
        ping.deliver([delivery], again=False)
    return [(got.path.removeprefix("/ping/uuid"), got.body.decode()) for got in receiver.received]


@pytest.mark.parametrize(
    ("verdict", "path"), [("OK", ""), ("WARNING", ""), ("UNKNOWN", "/fail"), ("CRITICAL", "/fail")]
)
def test_end_is_told_by_its_verdict(receiver: Receiver, verdict: str, path: str) -> None:
    told = end_delivery("monthly", Verdict[verdict], f"{verdict}: 2 hosts", NOW)

    assert [(path, f"{verdict}: 2 hosts\nmonthly, 2026-03-01T04:00:00+00:00\n")] == _pinged(
        receiver, told
    )


def test_start_is_told(receiver: Receiver) -> None:
    assert [("/start", "monthly, 2026-03-01T04:00:00+00:00\n")] == _pinged(
        receiver, start_delivery("monthly", NOW)
    )


def test_body_of_a_ping_is_bounded(receiver: Receiver) -> None:
    long = end_delivery("monthly", Verdict.OK, "ü" * 100_000, NOW)

    assert len(_pinged(receiver, long)[0][1].encode()) <= 10_000


def test_other_jobs_are_not_pinged(receiver: Receiver) -> None:
    ping = Ping("ping-monthly", "monthly", receiver.url, timeout_s=PATIENT_S)

    assert not ping.takes(start_delivery("backups", NOW))
    assert not ping.takes(report(1))


def test_answer_without_end_is_read_up_to_a_bound(receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(200, b"x" * (64 << 20))

    assert 1 == len(_pinged(receiver, end(1)))


def test_redirect_names_its_cure(receiver: Receiver) -> None:
    receiver.mood = "redirect"
    with pytest.raises(DeliveryFailed) as raised:
        _pinged(receiver, end(1))

    assert "redirects, which is not followed" in raised.value.remedy
    assert "elsewhere" not in f"{raised.value} {raised.value.remedy}"


def test_certificate_of_nobody_is_refused(tmp_path: Path) -> None:
    """Red: with verification off, this server's self-signed certificate would do."""
    with run_receiver(tls=self_signed(tmp_path)) as server:
        sink = Webhook(server.url, SECRET, FrozenClock(), timeout_s=PATIENT_S)
        with pytest.raises(DeliveryFailed, match="certificate verify failed"):
            sink.deliver([report(1)], again=False)

        assert [] == server.received


def test_certificate_of_the_systems_store_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    certificates.cache_clear()
    try:
        with run_receiver(tls=context) as server:
            sink = Webhook(server.url, SECRET, FrozenClock(), timeout_s=PATIENT_S)
            sink.deliver([report(1)], again=False)

            assert 1 == len(server.received)
    finally:
        certificates.cache_clear()


def test_delivery_goes_through_json_unchanged() -> None:
    one = report(1)

    assert one == parse_delivery(json.loads(json.dumps(render_delivery(one))))
    assert one.id != report(2).id


@pytest.mark.parametrize("spoilt", [{"kind": "other"}, {"id": "0"}, {"at": "late"}, {"body": 7}])
def test_delivery_of_another_shape_is_refused(spoilt: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"whole|isoformat"):
        parse_delivery({**render_delivery(report(1)), **spoilt})
