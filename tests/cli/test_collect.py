"""What the coordinator said is read once, from wherever it is kept, and told to the sinks once."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli import console
from tests.house.tree import ROOT
from tests.servers.clickhouse import ClickHouseServer, clickhouse, clickhouse_server
from tests.servers.journals import entry, said_of, write_journal
from tests.servers.receiver import Receiver, receiver
from verifier.cli.collect_sources import LOG_LIMIT_BYTES
from verifier.clock.system import SystemClock
from verifier.monitor.history.memory import open_history
from verifier.simulate.worlds.fleet_logs import LAST_FINISHED

__all__ = ["clickhouse", "clickhouse_server", "receiver"]

EXAMPLE = (ROOT / "fixtures" / "example" / "verify.toml").read_text(encoding="utf-8")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUMMARY = json.dumps(
    {
        "message_type": "summary",
        "files_new": 1,
        "files_changed": 2,
        "files_unmodified": 3,
        "total_bytes_processed": 400,
        "data_added": 50,
        "total_duration": 1.5,
        "snapshot_id": "0" * 64,
    }
)
TEXTS = (
    "Started run backups.",
    "restic host=web1 version=0.18.0",
    SUMMARY,
    "backup host=web1 status=0 duration_s=2",
    "Fatal: unable to open repository",
    "backup host=db1 status=1 duration_s=1",
    "run status=1 duration_s=5",
    "Failed run backups.",
)
RUN = "a" * 32


def write_config(folder: Path, more: str = "") -> Path:
    path = folder / "verify.toml"
    own = f'\n[history]\nfile = "{folder}/history.sqlite"\nspool = "{folder}/spool"\n'
    path.write_text(EXAMPLE + own + more, encoding="utf-8")
    return path


def write_plain(folder: Path, *texts: str) -> Path:
    path = folder / "log"
    path.write_text("\n".join(texts or TEXTS) + "\n", encoding="utf-8")
    return path


def collect(*line: object) -> dict[str, Any]:
    """Collect, which has to succeed, and return the section of its report."""
    ended = console.run("collect", "--json", *map(str, line))
    assert (0, b"") == (ended.returncode, ended.stderr)
    return dict(console.report(ended.stdout)["collected"])


def counts(section: dict[str, Any]) -> tuple[int, int, int]:
    return section["lines_new"], section["backups_new"], section["backups_failed"]


COMBINED = "run-backups.service - run backups"


def entries(
    at: datetime = AT, run: str = RUN, named: str = COMBINED, well: bool = False
) -> list[dict[str, str]]:
    """Return what the journal holds of a run: the unit's lines between systemd's, and others'."""
    told = [said_of(at, f"Starting {named}...", run=run)]
    for number, text in enumerate(TEXTS, start=1):
        told.append(entry(at + timedelta(seconds=number), text, run=run))
        told.append(entry(at + timedelta(seconds=number), "GET /", unit="nginx"))
    end = at + timedelta(seconds=len(TEXTS) + 1)
    ended = f"Finished {named}." if well else f"Failed to start {named}."
    return [*told, said_of(end, ended, run=run)]


def test_the_journal_is_read_on_where_it_was_left(tmp_path: Path) -> None:
    config, journal = write_config(tmp_path), tmp_path / "journal"
    told = entries()
    options = ("--config", config, "--journal", journal)
    write_journal(journal, told[:9])
    first = collect(*options)
    idle = collect(*options)
    write_journal(journal, told[9:])
    last = collect(*options)

    assert (5, 1, 0) == counts(first)
    assert (0, 0, 0, 0) == (idle["lines"], *counts(idle))
    assert (5, 1, 1) == counts(last)
    with open_history(tmp_path / "history.sqlite") as history:
        (past,) = history.cycles()
        assert ("jak", 1, RUN) == (past.cycle.coordinator, past.cycle.status, past.cycle.run)
        assert ["web1", "db1"] == [backup.host for backup in past.cycle.backups]
        assert 10 == len(history.cycle_lines(past.number))
        assert () == history.owed()


def test_a_journal_that_is_not_there_is_no_silence(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    ended = console.run(
        "collect", "--config", str(write_config(tmp_path)), "--journal", str(tmp_path / "none")
    )

    assert 3 == ended.returncode
    assert b"holds no journal" in ended.stderr


@pytest.mark.parametrize(
    ("said", "code"), [("No journal files were found.", 3), ("-- No entries --", 0)]
)
def test_a_machine_without_a_journal_is_no_silence(tmp_path: Path, said: str, code: int) -> None:
    # As journalctl does: asked for a unit, it does not say that there is nothing to look through.
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$*" in *--unit*) ;; *) echo "{said}" >&2 ;; esac\n')
    program.chmod(0o755)
    env = {**console.environment(), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    ended = console.run("collect", "--config", str(write_config(tmp_path)), env=env)

    assert code == ended.returncode
    assert (code == 3) == (b"keeps no journal" in ended.stderr)


def test_a_cursor_of_no_journal_is_said(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write_journal(journal, entries())
    with open_history(tmp_path / "history.sqlite") as history:
        history.set_cursor(f"journal {journal}:run-backups", "nonsense")
    ended = console.run(
        "collect", "--config", str(write_config(tmp_path)), "--journal", str(journal)
    )

    assert 3 == ended.returncode
    assert b"cursor" in ended.stderr


def test_an_empty_log_is_no_silence(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\n\n")
    ended = console.run("collect", "--history", str(tmp_path / "h"), "--log", str(tmp_path / "log"))

    assert 3 == ended.returncode
    assert b"holds no line" in ended.stderr
    assert not (tmp_path / "h").exists()


def test_a_log_of_something_else_is_no_silence(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(range(256)) * 40)
    whose = ("--coordinator", "jak", "--began", "2026-03-01T04:00:00-08:00")
    line = ("collect", "--history", str(tmp_path / "h"), "--log", str(tmp_path / "log"))
    ended = console.run(*line, *whose)

    assert 3 == ended.returncode
    assert b"no line of it is one of a run" in ended.stderr
    assert not (tmp_path / "h").exists()


def test_a_run_that_says_nothing_of_hosts_is_no_silence(tmp_path: Path) -> None:
    """A script of one's own that prints other lines: what is missing is said."""
    log = write_plain(tmp_path, "Started run backups.", "all good", "Finished run backups.")
    line = ("--coordinator", "jak", "--began", AT.isoformat(), "--config", write_config(tmp_path))
    ended = console.run("collect", "--json", "--log", str(log), *map(str, line))
    (finding,) = console.report(ended.stdout)["findings"]

    assert (3, "could-not-verify", "jak") == (ended.returncode, finding["kind"], finding["subject"])
    assert "let the script of run-backups print the lines" in finding["detail"]


def test_a_log_beyond_the_limit_is_refused_with_the_way_to_cut_it(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        file.truncate(LOG_LIMIT_BYTES + 1)
    ended = console.run("collect", "--history", str(tmp_path / "h"), "--log", str(tmp_path / "log"))

    assert 64 == ended.returncode
    assert b"is larger than 64 MiB" in ended.stderr
    assert b"split -C 60M" in ended.stderr


@pytest.mark.parametrize("stdin", [True, False])
def test_a_plain_log_says_whose_it_is_by_options(tmp_path: Path, stdin: bool) -> None:
    log = write_plain(tmp_path)
    line = ["collect", "--json", "--history", str(tmp_path / "h"), "--coordinator", "jak"]
    line += ["--began", "2026-03-01T04:00:00-08:00", "--log", "-" if stdin else str(log)]
    told = [console.run(*line, stdin=log.read_bytes() * stdin) for _ in range(2)]

    assert [0, 0] == [ended.returncode for ended in told]
    sections = [console.report(ended.stdout)["collected"] for ended in told]
    assert [(8, 2, 1), (0, 0, 0)] == list(map(counts, sections))
    (cycle,) = sections[0]["cycles"]
    assert (AT.isoformat(), 5.0, 1, ["db1"]) == (
        cycle["began"],
        cycle["duration_s"],
        cycle["status"],
        cycle["failed"],
    )


def test_the_json_of_journalctl_is_a_log_and_half_a_line_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    told = [json.dumps(one) for one in entries()]
    log.write_text("\n".join(told) + '\n{"MESSAGE": "half', encoding="utf-8")
    section = collect("--log", log, "--history", tmp_path / "h", "--coordinator", "jak")

    assert (10, 2, 1) == counts(section)
    assert 1 == section["passed_over"]


def test_bytes_that_are_no_text_are_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    odd = entry(AT + timedelta(seconds=4), "", run=RUN) | {"MESSAGE": [80, 255, 33]}
    told = [*entries()[:3], odd]
    log.write_text("\n".join(map(json.dumps, told)), encoding="utf-8")
    collect("--log", log, "--history", tmp_path / "h")

    with open_history(tmp_path / "h") as history:
        assert "P\N{REPLACEMENT CHARACTER}!" in [line.data for line in history.cycle_lines(1)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--log", "LOG", "--history", "h"), "--log: plain lines do not say"),
        (("--log", "none", "--history", "h"), "none: cannot be read"),
        (("--log", "LOG", "--from", "clickhouse"), "--log: another source"),
        (("--coordinator", "jak"), "--coordinator: belongs to --log"),
        (("--journal", "j", "--from", "clickhouse"), "--journal: belongs to --from journal"),
        (
            ("--log", "LOG", "--history", "h", "--coordinator", "jak", "--began", "today"),
            "--began: 'today' is no instant",
        ),
        (
            ("--log", "LOG", "--history", "h", "--coordinator", "j", "--began", "2026-03-01T04:00"),
            "--began: ",
        ),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(
    tmp_path: Path, line: tuple[str, ...], said: str
) -> None:
    write_plain(tmp_path).rename(tmp_path / "LOG")
    ended = console.run("collect", *line, cwd=tmp_path)

    assert 64 == ended.returncode
    assert said in ended.stderr.decode()
    assert ["LOG"] == [path.name for path in tmp_path.iterdir()]


def test_no_server_is_configured(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ended = console.run("collect", "--config", str(config), "--from", "clickhouse")

    assert 64 == ended.returncode
    assert b"no ClickHouse is configured" in ended.stderr


def test_who_waits_for_the_runs_hears_of_their_begin_and_end(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Red where `[[sinks.pings]]` of `backups` is for the daemon alone."""
    pings = f'\n[[sinks.pings]]\njob = "backups"\nurl = "{receiver.url}/uuid"\n'
    config = write_config(tmp_path, pings)
    began = SystemClock().now() - timedelta(minutes=10)
    options = ("--config", config, "--coordinator", "jak", "--began", began.isoformat())
    collect(*options, "--log", write_plain(tmp_path, *TEXTS[:4]))
    for _ in range(2):
        collect(*options, "--log", write_plain(tmp_path))
    # What ended long ago is no news.
    old = ("--config", config, "--coordinator", "jak", "--began", AT.isoformat())
    collect(*old, "--log", write_plain(tmp_path))

    assert ["/uuid/start", "/uuid/fail"] == [got.path for got in receiver.received]
    assert receiver.received[1].body.startswith(b"1 of 2 backups good, status 1\nbackups, ")


@pytest.mark.heavy
def test_lines_reach_a_server_once_and_come_back_from_it(
    tmp_path: Path, clickhouse: ClickHouseServer
) -> None:
    """Journal to history and ClickHouse, and from there into another history: the same runs."""
    now = SystemClock().now().replace(microsecond=0) - timedelta(hours=1)
    journal, other = tmp_path / "journal", tmp_path / "other.sqlite"
    config = write_config(tmp_path, f'\n[sinks.clickhouse]\nurl = "{clickhouse.url}"\n')
    write_journal(journal, [*entries(now - timedelta(days=30), "b" * 32), *entries(now)[:9]])
    collect("--config", config, "--journal", journal)
    write_journal(journal, entries(now)[9:])
    for _ in range(2):
        collect("--config", config, "--journal", journal)
        collect("--config", config, "--from", "clickhouse", "--history", other)

    # What is a month old is remembered, and told nobody.
    assert "10" == clickhouse.ask("SELECT count() FROM yamon.logs")
    assert "2" == clickhouse.ask("SELECT count() FROM yamon.backups")
    with open_history(tmp_path / "history.sqlite") as history, open_history(other) as again:
        assert 2 == len(history.cycles())
        (copied,) = again.cycles()
        assert history.cycles()[1].cycle.backups == copied.cycle.backups
        assert 10 == len(again.cycle_lines(copied.number))


@pytest.mark.heavy
def test_a_table_without_a_column_for_the_host_is_read_as_the_coordinators(
    tmp_path: Path, clickhouse: ClickHouseServer
) -> None:
    now = SystemClock().now().replace(microsecond=0) - timedelta(hours=1)
    clickhouse.ask("CREATE DATABASE yamon")
    clickhouse.ask(
        "CREATE TABLE yamon.logs (when DateTime, service String, data String) ENGINE = Memory"
    )
    config = write_config(tmp_path, f'\n[sinks.clickhouse]\nurl = "{clickhouse.url}"\n')
    write_journal(tmp_path / "journal", entries(now))
    other = tmp_path / "other.sqlite"
    collect("--config", config, "--journal", tmp_path / "journal")
    collect("--config", config, "--from", "clickhouse", "--history", other)

    with open_history(other) as history:
        (past,) = history.cycles()
        assert ("jak", 10) == (past.cycle.coordinator, len(history.cycle_lines(past.number)))


@pytest.mark.heavy
def test_what_another_shipper_sends_is_not_sent_twice(
    tmp_path: Path, clickhouse: ClickHouseServer
) -> None:
    now = SystemClock().now().replace(microsecond=0) - timedelta(hours=1)
    sink = f'\n[sinks.clickhouse]\nurl = "{clickhouse.url}"\nlogs = false\n'
    config = write_config(tmp_path, sink)
    write_journal(tmp_path / "journal", entries(now))
    collect("--config", config, "--journal", tmp_path / "journal")

    assert "0" == clickhouse.ask("EXISTS TABLE yamon.logs")
    assert "2" == clickhouse.ask("SELECT count() FROM yamon.backups")


@pytest.mark.heavy
@pytest.mark.parametrize("named", ["run backups", "run-backups.service", COMBINED])
def test_query_of_the_dashboard_answers_however_systemd_names_the_unit(
    tmp_path: Path, clickhouse: ClickHouseServer, named: str
) -> None:
    """Debian 12 says `Finished run-backups.service - run backups.`"""
    now = SystemClock().now().replace(microsecond=0) - timedelta(hours=1)
    config = write_config(tmp_path, f'\n[sinks.clickhouse]\nurl = "{clickhouse.url}"\n')
    write_journal(tmp_path / "journal", entries(now, named=named, well=True))
    collect("--config", config, "--journal", tmp_path / "journal")

    end = now + timedelta(seconds=len(TEXTS) + 1)
    assert str(int(end.timestamp())) == clickhouse.ask(LAST_FINISHED)


@pytest.mark.heavy
def test_a_simulated_system_is_read_as_it_speaks(tmp_path: Path) -> None:
    """The production scripts and the real restic print, and every backup is known by its word."""
    ran = console.run(
        "simulate", "--fidelity", "cycle", "--days", "2", "--json", "--report", str(tmp_path)
    )
    simulated = console.report(ran.stdout)
    section = collect("--log", tmp_path / "log.jsonl", "--history", tmp_path / "h")

    assert (0, 2, 6) == (ran.returncode, section["cycles_new"], section["backups_new"])
    with open_history(tmp_path / "h") as history:
        backups = history.backups()
        assert {simulated["timeline"]["restic"]} == {backup.restic for backup in backups}
        assert all(backup.snapshot and backup.processed_bytes for backup in backups)
        assert {"forget", "prune", "offsite"} == {
            stage.name for past in history.cycles() for stage in past.cycle.stages
        }
