"""`restic-verify alert`: one look, tests and silences on the command line, killed at any moment."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import freezegun
import pytest

from tests.cli import console
from tests.monitor.alerting import TEXT, backup, cycle, good_lines, lines, locked_lines
from tests.monitor.envelopes import drilled
from tests.servers.receiver import Receiver, receiver, run_receiver
from verifier.cli.main import main
from verifier.monitor.cycles import parse_log
from verifier.monitor.history.memory import open_history
from verifier.monitor.telemetry import CycleRun, LogLine

__all__ = ["receiver"]

pytestmark = pytest.mark.filterwarnings("ignore:.imghdr.:DeprecationWarning")

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
MONDAY = datetime(2024, 3, 4, 12, tzinfo=UTC)
"""04:00 in Los Angeles, when backups are due."""


class Place:
    """A configuration with a history, and a channel to a JSON endpoint of the test."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.folder, self.receiver = folder, receiver
        self.config, self.history = folder / "verify.toml", folder / "history.sqlite"
        (folder / "url").write_text(f"json://{receiver.url.removeprefix('http://')}/hook\n")
        self.write()

    def write(self, more: str = "") -> None:
        """Write the configuration, with further tables."""
        self.config.write_text(
            f'{TEXT}\n[history]\nfile = "{self.history}"\nspool = "{self.folder}/spool"\n'
            f'[[alerts.channels]]\nname = "people"\nurl = {{ file = "{self.folder}/url" }}\n{more}'
        )

    def hear(self, lines: Sequence[LogLine]) -> None:
        """Record what a run of the coordinator printed."""
        with open_history(self.history) as history:
            for log in parse_log(lines):
                history.record_cycle(log.cycle, log.lines)

    def ran(self, run: CycleRun) -> None:
        """Record a run of the coordinator."""
        with open_history(self.history) as history:
            history.record_cycle(run)

    def look(
        self, at: datetime, capsys: pytest.CaptureFixture[str], *more: str
    ) -> tuple[int, dict[str, Any]]:
        """Look at an instant, in this process; return the exit code and the report."""
        with freezegun.freeze_time(at):
            code = main(["alert", *more, "--json", "--config", str(self.config)])
        return code, console.report(capsys.readouterr().out)

    @property
    def titles(self) -> list[str]:
        """What people were told."""
        return [json.loads(one.body)["title"] for one in self.receiver.received]


@pytest.fixture
def place(tmp_path: Path, receiver: Receiver) -> Place:
    return Place(tmp_path, receiver)


def kinds(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["kind"], one["subject"]) for one in report["findings"]]


def about_backups(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Leave out that nobody looked, which is so wherever a test leaps."""
    return [one for one in kinds(report) if one[0] != "unwatched"]


def test_locked_key_is_two_messages(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The incident opens at 24 h, escalates at 28 h, and is over with the next good run."""
    place.hear(good_lines(MONDAY))
    place.hear(locked_lines(MONDAY + DAY))
    seen = []
    for at in (DAY - MINUTE, DAY + MINUTE, DAY + 3 * HOUR, DAY + 4 * HOUR + MINUTE):
        code, report = place.look(MONDAY + at, capsys)
        seen += [(code, about_backups(report))]
    place.hear(good_lines(MONDAY + 2 * DAY))
    _, report = place.look(MONDAY + 2 * DAY + HOUR, capsys)

    late = [("late", "web1")]
    # Backups take ten minutes, one after the other: the second host's age is less.
    assert (0, []) == seen[0]
    assert (1, late) == seen[1]
    assert (1, [("late", "db1"), *late]) == seen[2]
    assert 2 == seen[3][0]
    assert ("stopped", "web1") in seen[3][1]
    assert [] == about_backups(report)
    web1 = [title for title in place.titles if "web1" in title]
    assert [
        "WARNING: the last good backup of web1 is 1 day old",
        "RESOLVED: 2 backups are good again, after 1 day: db1, web1",
    ] == web1
    first = json.loads(place.receiver.received[0].body)["message"]
    assert "Last error: The password file is not there: is its data set still locked?" in first
    assert "It becomes an alarm at Tue 2024-03-05 08:00 -08:00." in first


def test_one_locked_key_is_two_messages_whatever_the_number_of_hosts(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that opens, one that ends; a reminder of all between them is one more."""
    hosts = ("web1", "db1", "mail1")
    place.write(f'[[hosts]]\nname = "mail1"\ninclude = ["/srv"]\n{PATIENT}')
    place.hear(good_lines(MONDAY, hosts))
    place.look(MONDAY + HOUR, capsys)
    for day in (1, 2):
        place.hear(locked_lines(MONDAY + day * DAY))
    for at in (DAY + HOUR, DAY + 6 * HOUR, 2 * DAY + 5 * HOUR):
        place.look(MONDAY + at, capsys)
    place.hear(good_lines(MONDAY + 3 * DAY, hosts))
    place.look(MONDAY + 3 * DAY + HOUR, capsys)

    assert [
        "WARNING: 3 backups are overdue: db1, mail1, web1",
        "STILL ALARM: 3 backups are overdue: db1, mail1, web1",
        "RESOLVED: 3 backups are good again, after 2 days: db1, mail1, web1",
    ] == place.titles
    opened = json.loads(place.receiver.received[0].body)["message"].splitlines()
    assert 1 == sum(line.startswith("Last error: The password file") for line in opened)
    assert any(line.startswith("mail1: last good Mon 2024-03-04 04:20") for line in opened)


def test_look_tells_what_is_open_and_what_comes_next(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.hear(good_lines(MONDAY))
    place.hear(locked_lines(MONDAY + DAY))
    place.look(MONDAY + HOUR, capsys)
    _, report = place.look(MONDAY + DAY + MINUTE, capsys)
    section = report["alert"]
    (incident,) = section["incidents"]
    subjects = {one["subject"]: one for one in section["subjects"]}

    assert ("backup web1", "warning", 60.0) == (
        incident["subject"],
        incident["level"],
        incident["lasted_s"],
    )
    assert "2024-03-05T08:00:00-08:00" == subjects["backup web1"]["next"]
    assert "2024-03-05T04:10:00-08:00" == subjects["backup db1"]["next"]
    assert "2024-03-04T04:00:00-08:00" == subjects["backup web1"]["good"]
    assert subjects["verification web1"]["good"] is None
    told = [one for one in section["told"] if one["subject"] != "verifier"]
    assert [("opened", "backup web1")] == [(one["kind"], one["subject"]) for one in told]


def test_script_that_prints_none_of_the_lines_is_said_once(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in range(2):
        begun = MONDAY + day * DAY
        place.hear(lines(begun, (0, "Started run backups."), (9, "Finished run backups.")))
        code, report = place.look(begun + 2 * HOUR, capsys)

        assert (3, [("could-not-verify", "jak")]) == (code, about_backups(report))
    place.look(MONDAY + DAY + 3 * HOUR + MINUTE, capsys)

    assert ["WARNING: nothing has been said of any backup for 1 day 1 h"] == [
        title for title in place.titles if "backup" in title
    ]


def test_verification_that_is_too_old_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write("[audit]\nwarn-age = '3000d'\nalarm-age = '3000d'\n")
    report = drilled(corrupted=0)
    at = datetime.fromisoformat(str(report["finished"]))
    with open_history(place.history) as history:
        history.record_report(report)
        host, *_ = {"web1", "db1"} & history.verifications().keys()
    code, first = place.look(at + HOUR, capsys)
    late, second = place.look(at + 36 * DAY, capsys)
    worst, third = place.look(at + 46 * DAY, capsys)

    assert (0, []) == (code, kinds(first))
    assert ("unverified", host) in kinds(second)
    assert (1, 2) == (late, worst)
    assert ("long-unverified", host) in kinds(third)


def test_gap_between_looks_is_one_message(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.ran(cycle(MONDAY, backup("web1", MONDAY), backup("db1", MONDAY)))
    place.look(MONDAY + HOUR, capsys)
    soon, report = place.look(MONDAY + HOUR + 35 * MINUTE, capsys)
    late, gap = place.look(MONDAY + 5 * HOUR, capsys)
    after, none = place.look(MONDAY + 5 * HOUR + 5 * MINUTE, capsys)

    assert (0, [], 0, []) == (soon, kinds(report), after, kinds(none))
    assert (1, [("unwatched", "verifier")]) == (late, kinds(gap))
    assert ["RESOLVED: nobody looked at the alert rules for 3 h 25 min"] == place.titles


def test_second_look_tells_nothing_new(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.hear(good_lines(MONDAY))
    place.look(MONDAY + HOUR, capsys)
    place.look(MONDAY + 26 * HOUR, capsys)
    told = place.titles
    place.look(MONDAY + 26 * HOUR, capsys)

    assert told == place.titles
    assert 1 == sum("2 backups" in title for title in told)


def test_silence_hushes_and_ends(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.hear(good_lines(MONDAY))
    place.look(MONDAY + HOUR, capsys)
    hushed = ("silence", "backup *", "--for", "4h", "--reason", "a new disk")
    _, made = place.look(MONDAY + 24 * HOUR, capsys, *hushed)
    code, quiet = place.look(MONDAY + 26 * HOUR, capsys)

    (silence,) = made["alert"]["silences"]
    assert (1, "backup *", "a new disk") == (
        silence["number"],
        silence["subject"],
        silence["reason"],
    )
    assert "2024-03-05T08:00:00-08:00" == silence["until"]
    # It keeps people from hearing, and makes nothing well.
    assert (1, None) == (code, quiet["alert"]["incidents"][0]["told"])
    assert not any("backup" in title for title in place.titles)
    _, ended = place.look(MONDAY + 27 * HOUR, capsys, "silence", "--end", "1")
    place.look(MONDAY + 27 * HOUR + MINUTE, capsys)
    assert [] == ended["alert"]["silences"]
    assert 1 == sum("2 backups" in title for title in place.titles)


def test_silences_of_the_configuration_are_listed_and_kept(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write(
        '[[alerts.silences]]\nsubject = "backup *"\nfrom = 2024-03-05T00:00:00Z\n'
        'until = 2024-03-09T00:00:00Z\nreason = "moving"\n'
    )
    place.hear(good_lines(MONDAY))
    place.look(MONDAY + HOUR, capsys)
    place.look(MONDAY + 26 * HOUR, capsys)
    _, listed = place.look(MONDAY + 26 * HOUR, capsys, "silence", "--list")

    assert [(None, "moving")] == [
        (one["number"], one["reason"]) for one in listed["alert"]["silences"]
    ]
    assert not any("backup" in title for title in place.titles)


@pytest.mark.parametrize(
    "line",
    [
        ("silence",),
        ("silence", "backup web1"),
        ("silence", "backup web1", "--for", "4h"),
        ("silence", "backup web1", "--for", "4", "--reason", "x"),
        ("silence", "bakup web1", "--for", "4h", "--reason", "x"),
        ("silence", "backup web1", "--for", "4h", "--reason", "x", "--list"),
        ("silence", "--end", "3"),
        ("silence", "--end", "x"),
        ("--for", "4h"),
        ("test", "backup web1"),
        ("sing",),
    ],
)
def test_wrong_line_is_refused_with_a_remedy(
    place: Place, line: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = place.look(MONDAY, capsys, *line)

    assert (64, 64) == (code, report["error"]["exit_code"])
    assert report["error"]["remedy"]
    assert [] == place.titles


def test_source_that_is_not_configured_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write('[alerts]\nsource = "clickhouse"\n')
    code, report = place.look(MONDAY, capsys)

    assert (64, True) == (code, "alerts.source" in report["error"]["message"])


def test_history_that_is_none_is_not_looked_at(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.history.write_text("not a database at all, but long enough to be looked at as one" * 9)
    code, report = place.look(MONDAY, capsys)

    assert (3, "UNKNOWN") == (code, report["verdict"])


def test_trial_goes_through_every_channel(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = place.look(MONDAY, capsys, "test")

    assert (0, [("people", True)]) == (
        code,
        [(one["name"], one["arrived"]) for one in report["alert"]["trials"]],
    )
    assert ["TEST: restic-verify can reach you"] == place.titles
    assert not (place.folder / "spool").exists()


def test_trial_that_does_not_arrive_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = place.folder / "key"
    secret.write_text("k\n")
    place.write(
        f'[sinks]\nwebhook = {{ url = "{place.receiver.url}", secret = {{ file = "{secret}" }} }}\n'
        '[[sinks.pings]]\njob = "alert"\nurl = "http://127.0.0.1:1/x"\n'
    )
    place.receiver.plan = ["accept", "refuse"]
    code, report = place.look(MONDAY, capsys, "test")

    assert (1, [("not-delivered", "people")]) == (code, kinds(report))
    assert [("webhook", True), ("ping-alert", None), ("people", False)] == [
        (one["name"], one["arrived"]) for one in report["alert"]["trials"]
    ]
    assert "503" in report["findings"][0]["detail"]
    assert "test" == json.loads(place.receiver.received[0].body)["body"]["kind"]


def test_trial_of_nothing_is_never_ok(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    text = place.config.read_text()
    place.config.write_text(text[: text.index("[[alerts.channels]]")])
    code, report = place.look(MONDAY, capsys, "test")

    assert (3, [("empty", "alert")]) == (code, kinds(report))
    assert "add [[alerts.channels]] or [sinks]" in report["findings"][0]["detail"]


def test_channel_that_refuses_changes_no_verdict_and_hears_later(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write("[sinks]\nattempts = 1\n")
    place.hear(good_lines(MONDAY))
    place.look(MONDAY + HOUR, capsys)
    place.receiver.mood = "refuse"
    place.look(MONDAY + 2 * HOUR, capsys)
    place.ran(cycle(MONDAY + DAY, backup("web1", MONDAY + DAY), backup("db1", MONDAY + DAY)))
    code, refused = place.look(MONDAY + 25 * HOUR, capsys)
    place.receiver.mood = "accept"
    again, report = place.look(MONDAY + 25 * HOUR + MINUTE, capsys)

    assert (1, 0) == (code, again)
    assert ("not-delivered", "people") in kinds(refused)
    assert "WARNING" == refused["verdict"]
    assert [] == kinds(report)
    assert all("nobody looked" in title for title in place.titles)
    assert 2 == len(place.titles)


def test_look_is_pinged_whatever_it_sees_and_fails_where_it_cannot_see(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_receiver() as pinged:
        ping = f'[[sinks.pings]]\njob = "alert"\nurl = "{pinged.url}/x"\n'
        place.write(ping)
        place.hear(good_lines(MONDAY))
        place.look(MONDAY + HOUR, capsys)
        worst, _ = place.look(MONDAY + 2 * DAY, capsys)
        place.write(
            f'{ping}[alerts]\nsource = "clickhouse"\n'
            '[sinks.clickhouse]\nurl = "http://127.0.0.1:1"\n[sinks]\nattempts = 1\n'
        )
        blind, report = place.look(MONDAY + 2 * DAY + MINUTE, capsys)

    assert (2, 3, "UNKNOWN") == (worst, blind, report["verdict"])
    assert ["/x", "/x", "/x/fail"] == [one.path for one in pinged.received]
    assert b"5 subjects looked at, 2 incidents open" in pinged.received[1].body
    assert b"ClickHouse cannot be asked" in pinged.received[2].body


def test_text_tells_people_what_was_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.hear(good_lines(MONDAY))
    place.hear(locked_lines(MONDAY + DAY))
    place.look(MONDAY + HOUR, capsys)
    with freezegun.freeze_time(MONDAY + DAY + MINUTE):
        main(["alert", "--config", str(place.config)])
    said = capsys.readouterr().out

    assert said.startswith("WARNING: late 1, unwatched 1; 4 subjects, 1 incident open, ")
    assert "WARNING: the last good backup of web1 is 1 day old\n  Last good: Mon 2024-03-04" in said
    assert "Open incidents" in said


_DIES = """\
import os, sys, importlib, freezegun
from verifier.cli.main import main
module, _, name = sys.argv[1].rpartition(".")
owner = importlib.import_module(module.partition(":")[0])
owner = getattr(owner, module.partition(":")[2]) if ":" in module else owner
setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), 9))
with freezegun.freeze_time(sys.argv[2]):
    main([*sys.argv[4:], "--config", sys.argv[3]])
"""
"""A look that dies where the named function would be called."""


@pytest.mark.parametrize(
    "where",
    [
        "verifier.cli.deliver.send_owed",
        "verifier.monitor.outbox:Outbox.keep",
        "verifier.monitor.history.memory:History.sent",
        "verifier.monitor.outbox:Outbox.flush",
        "verifier.monitor.spool:Queue.remove",
    ],
)
def test_look_that_dies_between_two_steps_is_made_up_for(
    place: Place, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the look that is kept to the message that is known to have arrived."""
    place.hear(good_lines(MONDAY))
    place.hear(locked_lines(MONDAY + DAY))
    place.write(PATIENT)
    place.look(MONDAY + HOUR, capsys)
    at = (MONDAY + DAY + 11 * MINUTE).isoformat()
    argv = (sys.executable, "-c", _DIES, where, at, str(place.config), "alert")
    died = subprocess.run(argv, check=False, capture_output=True, timeout=console.LIMIT_S)
    before = len(place.titles)
    for minute in range(2):
        place.look(MONDAY + DAY + (11 + minute) * MINUTE, capsys)

    assert -signal.SIGKILL == died.returncode, died.stderr
    assert (1 if where.endswith("Queue.remove") else 0) == before
    assert ["WARNING: 2 backups are overdue: db1, web1"] == place.titles
    with open_history(place.history) as history:
        assert () == history.owed()


@pytest.mark.parametrize(
    "where", ["verifier.monitor.notices.newest_reports", "verifier.cli.deliver.send_owed"]
)
def test_report_whose_run_dies_is_told_once(
    place: Place, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it is recorded the next one is the first; after, the next sends what is owed."""
    argv = (sys.executable, "-c", _DIES, where, MONDAY.isoformat(), str(place.config), "audit")
    died = subprocess.run(argv, check=False, capture_output=True, timeout=console.LIMIT_S)
    for turn in range(1, 3):
        with freezegun.freeze_time(MONDAY + turn * MINUTE):
            assert 3 == main(["audit", "--config", str(place.config)])
    capsys.readouterr()

    assert -signal.SIGKILL == died.returncode, died.stderr
    assert 1 == len(place.titles)
    assert place.titles[0].startswith("audit UNKNOWN: ")


@pytest.mark.heavy
def test_looks_at_the_same_time_tell_everything_once(place: Place) -> None:
    now = datetime.fromisoformat(
        console.report(console.run("toolchain", "--json").stdout)["started"]
    )
    old = now - 30 * HOUR
    place.ran(cycle(old, backup("web1", old), backup("db1", now - HOUR)))
    running = [console.start("alert", "--config", str(place.config)) for _ in range(3)]
    for process in running:
        process.communicate()

    assert [2, 2, 2] == [process.returncode for process in running]
    assert ["ALARM: the last good backup of web1 is 1 day 6 h old"] == place.titles


PATIENT = "[alerts.verifier]\nwarn-age = '400d'\nalarm-age = '500d'\n"


def restarted(*line: str) -> None:
    ended = console.run(*line, "--json")
    assert ended.returncode in {0, 1, 2}, ended.stderr


@pytest.mark.heavy
@pytest.mark.parametrize("moment", ["before-the-channel", "after-the-channel"])
def test_look_that_is_killed_loses_no_message_and_doubles_none(
    place: Place, moment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 while a sink hangs: the incident is in the history, and people hear of it once.

    The machine's clock is the real one here, so the backup is as old as it has to be.
    """
    now = datetime.fromisoformat(
        console.report(console.run("toolchain", "--json").stdout)["started"]
    )
    old = now - 30 * HOUR
    with open_history(place.history) as history:
        history.record_cycle(cycle(old, backup("web1", old), backup("db1", now - HOUR)))

    with run_receiver() as pinged:
        first = moment == "before-the-channel"
        hanging = place.receiver if first else pinged
        hanging.mood = "hang"
        place.write(
            f'[sinks]\ntimeout = "60s"\nattempts = 1\n[[sinks.pings]]\njob = "alert"\n'
            f'url = "{pinged.url}"\n{PATIENT}'
        )
        process = console.start("alert", "--config", str(place.config))
        waiting = place.folder / "spool" / "people"
        if first:
            console.wait_for(lambda: list(waiting.glob("*.json")), process)
        else:
            console.wait_for(lambda: place.titles, process)
            console.wait_for(lambda: not list(waiting.glob("*.json")), process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hanging.let_go.set()
    place.receiver.mood = "accept"
    place.write(PATIENT)
    for _ in range(2):
        restarted("alert", "--config", str(place.config))

    titles = [
        json.loads(one.body)["title"] for one in place.receiver.received if one.path == "/hook"
    ]
    assert ["ALARM: the last good backup of web1 is 1 day 6 h old"] == titles
    with open_history(place.history) as history:
        assert () == history.owed()
        assert 1 == len(history.incidents())


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (("--list",), 3, "there is no history yet"),
        (("--end", "1"), 64, "there is no silence 1"),
        (("nobody", "--for", "1h", "--reason", "x"), 64, "covers nothing that is watched"),
        (("verifier", "--for", "1x", "--reason", "x"), 64, "no span of time"),
    ],
)
def test_a_silence_that_is_refused_makes_no_history(
    place: Place, capsys: pytest.CaptureFixture[str], line: Sequence[str], code: int, said: str
) -> None:
    ended, report = place.look(MONDAY, capsys, "silence", *line)

    assert code == ended
    assert said in report["error"]["message"]
    assert not place.history.exists()


def test_a_silence_is_remembered_where_nothing_was_before(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = place.look(MONDAY, capsys, "silence", "verifier", "--for", "1h", "--reason", "x")
    listed, report = place.look(MONDAY, capsys, "silence", "--list")

    assert (0, 0) == (made, listed)
    assert ["verifier"] == [one["subject"] for one in report["alert"]["silences"]]
