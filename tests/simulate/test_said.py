"""The log of a simulated run: the script's own words, dated by the turns in which they fell."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from verifier.config.models import Coordinator
from verifier.core.host import Completed
from verifier.core.snapshot import Snapshot
from verifier.simulate.journal import render_log
from verifier.simulate.timeline import Outcome, Step, turn_name
from verifier.simulate.worlds.said import lines_of
from verifier.simulate.worlds.stages import Ran, parse_stages

AT = datetime(2024, 3, 1, 4, tzinfo=UTC)
JAK = Coordinator.model_validate({"name": "jak"})


def snapshot(host: str, minutes: int) -> Snapshot:
    at = AT + timedelta(minutes=minutes)
    return Snapshot(turn_name(host, at), at, host, ("/etc",))


def log(stdout: str, status: int = 0, stderr: str = "") -> list[tuple[float, str, str]]:
    step = Step(AT, (snapshot("web1", 0), snapshot("db1", 1)), ())
    done = Completed(status, stdout.encode(), stderr.encode(), 1.0)
    lines = lines_of(Ran(step, parse_stages(done.stdout), done), JAK)
    assert all(line.host == "jak" for line in lines)
    return [((line.at - AT).total_seconds() / 60, line.service, line.data) for line in lines]


def test_lines_are_dated_by_the_turn_they_fell_in() -> None:
    said = (
        "Started run backups.",
        "summary of web1",
        "backup host=web1 status=0 duration_s=0",
        "summary of db1",
        "backup host=db1 status=0 duration_s=60",
        "forget status=0 duration_s=0",
        "Finished run backups.",
    )

    minutes = [0, 0, 0, 2, 2, 2, 2]
    own = [(at, "run-backups", line) for at, line in zip(minutes, said, strict=True)]
    assert [*own, (2, "systemd", "Finished run backups.")] == log("\n".join(said) + "\n")


def test_run_that_stops_at_once_ends_when_it_begins() -> None:
    said = "Started run backups.\npassword status=3 reason=key-file-absent\n"

    assert [
        (0, "run-backups", "Started run backups."),
        (0, "run-backups", "password status=3 reason=key-file-absent"),
        (0, "run-backups", "cat: no"),
        (0, "systemd", "Failed to start run backups."),
    ] == log(said, 3, "cat: no\n")


def test_run_that_says_nothing_has_ended_all_the_same() -> None:
    assert [(0, "systemd", "Failed to start run backups.")] == log("", -9)


def test_log_is_rendered_as_clickhouse_takes_it() -> None:
    step = Step(AT, (), ())
    done = Completed(0, b'a "line"\n', b"", 1.0)
    lines = lines_of(Ran(step, (), done), JAK)

    rows = [json.loads(row) for row in render_log(Outcome(step, (), (), log=lines)).splitlines()]

    when = int(AT.timestamp())
    own = {"when": when, "host": "jak", "service": "run-backups", "data": 'a "line"'}
    ended = {**own, "service": "systemd", "data": "Finished run backups."}
    assert [own, ended] == rows
