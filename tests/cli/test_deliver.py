"""What `[sinks]`, `[history]` and `[[alerts.channels]]` say is what the outbox does."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conformance.places import NOW, FrozenClock, backup, log, report
from tests.monitor.alerting import configured
from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from tests.servers.receiver import Receiver, receiver
from verifier.cli.channels import try_out
from verifier.cli.context import Context
from verifier.cli.deliver import outbox, sinks
from verifier.monitor.notices import first_notice

__all__ = ("clickhouse", "clickhouse_server", "receiver")

CONTEXT = Context(FrozenClock(), {}, io.StringIO())
TABLES = {"table": "lines", "results": "verdicts", "backups": "runs"}


def webhook(folder: Path, receiver: Receiver, more: str) -> str:
    (folder / "key").write_text("k\n")
    (folder / "spool").mkdir(mode=0o700)
    return f"""
[history]
spool = "{folder}/spool"
{more}
[sinks.webhook]
url = "{receiver.url}"
secret = {{ file = "{folder}/key" }}
"""


def test_tables_of_clickhouse_have_the_names_that_they_are_given(
    clickhouse: ClickHouseServer,
) -> None:
    names = "".join(f'{key} = "{name}"\n' for key, name in TABLES.items())
    config = configured(f'[sinks.clickhouse]\nurl = "{clickhouse.url}"\ndatabase = "ops"\n{names}')
    (sink,) = sinks(config, CONTEXT)
    for delivery in (log(1), backup(2), report(3)):
        sink.deliver((delivery,), again=False)

    assert ["1"] * 3 == [
        clickhouse.ask(f"EXISTS TABLE ops.{name}").strip() for name in TABLES.values()
    ]


def test_clickhouse_without_lines_cannot_be_tried() -> None:
    config = configured('[sinks.clickhouse]\nurl = "http://127.0.0.1:1"\nlogs = false\n')
    (trial,) = try_out(config, CONTEXT)

    assert ("clickhouse", None) == (trial["name"], trial["arrived"])
    assert "reports and backups alone" in trial["detail"]


@pytest.mark.parametrize(("keep", "is_kept"), [("2d", False), ("4d", True)])
def test_what_waits_is_given_up_after_the_time_that_is_configured(
    tmp_path: Path, receiver: Receiver, keep: str, is_kept: bool
) -> None:
    text = webhook(tmp_path, receiver, f'spool-keep = "{keep}"\n[sinks]\nattempts = 1\n')
    receiver.mood = "refuse"
    box = outbox(configured(text), CONTEXT)
    box.post((report(1),), NOW)
    receiver.mood = "accept"
    receiver.plan = ["refuse"]
    box.flush(NOW + timedelta(days=3))
    box.flush(NOW + timedelta(days=3))

    assert is_kept is bool(receiver.received)


@pytest.mark.parametrize("attempts", [1, 2])
def test_attempts_are_as_many_as_configured(
    tmp_path: Path, receiver: Receiver, attempts: int
) -> None:
    receiver.plan = ["refuse"] * 5
    text = webhook(tmp_path, receiver, f"[sinks]\nattempts = {attempts}\n")
    outbox(configured(text), CONTEXT).post((report(1),), NOW)

    assert attempts == 5 - len(receiver.plan)


@pytest.mark.parametrize(
    ("least", "expected"), [("WARNING", True), ("UNKNOWN", False), ("never", False)]
)
def test_a_channel_hears_of_the_reports_that_it_asks_for(least: str, expected: bool) -> None:
    config = configured(
        f'[[alerts.channels]]\nname = "a"\nurl = {{ file = "/a" }}\nreports = "{least}"\n'
    )
    (channel,) = sinks(config, CONTEXT)
    (notice,) = first_notice(report(1).body)

    assert expected is channel.takes(notice)
