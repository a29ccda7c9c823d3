"""`restic-verify clock` as people type it, and simulations whose clock it controls or cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clock.lab import AT, YEAR, forbid_ptrace
from verifier.cli.main import main
from verifier.clock.page import ClockPage
from verifier.monitor.render.schema import problems

PROGRAM = str(Path(sys.executable).with_name("restic-verify"))
AT_TEXT = "2031-01-01T04:00:00Z"


def clock(*argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "TZ": "UTC"}
    line = (PROGRAM, "clock", *argv)
    return subprocess.run(line, env=env, capture_output=True, text=True, check=False, **more)


# Running a command.


def test_a_command_runs_at_the_time_that_was_asked_for() -> None:
    done = clock("run", "--at", AT_TEXT, "--", "date", "+%F %H:%M")

    assert (0, "2031-01-01 04:00\n", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("words", [(), ("--",)], ids=["plain", "behind-dashes"])
def test_what_follows_the_command_is_the_command_s(words: tuple[str, ...]) -> None:
    done = clock("run", "--at", AT_TEXT, *words, "echo", "--json", "--page", "-h")

    assert (0, "--json --page -h\n") == (done.returncode, done.stdout)


def test_a_time_without_a_zone_is_one_of_tz(page: ClockPage) -> None:
    env = {**os.environ, "TZ": "America/Los_Angeles"}
    line = (PROGRAM, "clock", "run", "--at", "2031-07-01T04:00", "--", "date", "-u", "+%H")
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)

    assert "11\n" == done.stdout


def test_the_exit_status_and_the_signal_are_the_command_s() -> None:
    assert 7 == clock("run", "--at", AT_TEXT, "--", "sh", "-c", "exit 7").returncode
    assert -15 == clock("run", "--at", AT_TEXT, "--", "sh", "-c", "kill $$").returncode


def test_a_script_of_many_programs_is_followed_to_its_end_every_time() -> None:
    """What a process says to the launcher must reach nobody else in it: some of six would hang."""
    script = "for turn in 1 2 3 4 5 6; do date; sh -c true; done"
    for _ in range(6):
        done = clock("run", "--at", AT_TEXT, "--", "sh", "-c", script, timeout=20)

        assert (0, 6) == (done.returncode, done.stdout.count("2031"))


def test_a_page_outlives_its_command_and_a_page_of_its_own_does_not(tmp_path: Path) -> None:
    page, place = tmp_path / "page", tmp_path / "place"
    place.mkdir()
    env = {**os.environ, "TMPDIR": str(place), "TZ": "UTC"}
    for own in (("--page", str(page)), ()):
        line = (PROGRAM, "clock", "run", "--at", AT_TEXT, *own, "--", "date", "+%Y")
        subprocess.run(line, env=env, check=True, stdout=subprocess.DEVNULL)

    assert AT <= ClockPage(page).now() < AT + timedelta(minutes=5)
    assert [] == list(place.iterdir())


def test_the_page_of_a_killed_run_is_swept_by_the_next_and_that_of_a_running_one_is_not(
    tmp_path: Path,
) -> None:
    """Seen red without the sweep, and without the lock."""
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    line = (PROGRAM, "clock", "run", "--at", AT_TEXT, "--", "sh", "-c", "echo; read end")

    def start() -> subprocess.Popen[bytes]:
        begun = subprocess.Popen(line, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert begun.stdout is not None
        assert b"\n" == begun.stdout.readline()
        return begun

    with start() as killed:
        killed.kill()
    (left,) = tmp_path.iterdir()
    with start() as running:
        (held,) = tmp_path.iterdir()
        last = (PROGRAM, "clock", "run", "--at", AT_TEXT, "--", "true")
        subprocess.run(last, env=env, check=True)

        assert left != held
        assert [held] == list(tmp_path.iterdir())
        running.communicate(b"\n")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("run", "--", "date"), "--at: is missing"),
        (("run", "--at", AT_TEXT), "nothing is to be run"),
        (("run", "--at", AT_TEXT, "--", ""), "nothing is to be run"),
        (("run", "--at", "noon", "--", "date"), "'noon' is no time"),
        (("run", "--at", "1900-01-01T00:00:00Z", "--", "date"), "cannot be shown"),
        (("--json", "run", "--at", AT_TEXT, "--", "date"), "has no report"),
        (("set", "--page", "/nowhere/page", "--at", AT_TEXT), "cannot be a clock page"),
        (("set", "--page", "page"), "one of them is wanted"),
        (("set", "--page", "page", "--real", "--at", AT_TEXT), "one of them is wanted"),
        (("set", "--page", "page", "--advance", "soon"), "'soon' is no step"),
        (("show", "--page", "/etc/passwd"), "is no clock page"),
        (("show", "--page", ""), "is no clock page"),
        (("set", "--page", "/tmp", "--real"), "is no clock page"),  # noqa: S108 - a folder
        (("run", "--page", "/tmp", "--", "date"), "is no clock page"),  # noqa: S108 - a folder
        (("set", "--page", "x" * 300, "--real"), "is longer than"),
        (("run", "--page", "x" * 300, "--at", AT_TEXT, "--", "date"), "is longer than"),
        (("show", "--page", "x" * 260), "File name too long"),
        (("run", "--page", "no-such-page", "--", "date"), "there is no clock page"),
        (("show",), "required: --page"),
        ((), "required: run|set|show"),
    ],
)
def test_wrong_usage_runs_nothing_and_says_what_to_do(
    argv: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 64 == main(["clock", *argv])
    err = capsys.readouterr().err
    assert said in err
    assert 2 == len(err.splitlines())


@pytest.mark.parametrize("step", ["999999d", "-999999d"])
def test_step_beyond_what_a_clock_shows_is_refused(
    step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ("clock", "set", "--page", str(tmp_path / "page"))
    assert 0 == main([*page, "--at", AT_TEXT])
    shown = (tmp_path / "page").read_bytes()

    assert 64 == main([*page, f"--advance={step}"])
    assert "cannot be shown by a controlled clock" in capsys.readouterr().err
    assert shown == (tmp_path / "page").read_bytes()


def test_a_missing_program_could_not_be_looked_at() -> None:
    done = clock("run", "--at", AT_TEXT, "--", "no-such-program")

    assert (3, "") == (done.returncode, done.stdout)
    assert "there is no such program" in done.stderr


def test_a_file_that_is_no_program_ends_as_in_a_shell(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no program\n")
    (tmp_path / "data").chmod(0o755)
    done = clock("run", "--at", AT_TEXT, "--", str(tmp_path / "data"))

    assert (126, "") == (done.returncode, done.stdout)
    assert f"restic-verify: {tmp_path}/data: Exec format error\n" == done.stderr


def test_where_tracing_is_not_permitted_the_command_does_not_run(tmp_path: Path) -> None:
    said = tmp_path / "said"
    argv = ("run", "--at", AT_TEXT, "--", "touch", str(said))
    done = clock(*argv, preexec_fn=forbid_ptrace)

    assert 3 == done.returncode
    assert "no process may be traced here" in done.stderr
    assert not said.exists()


# Setting and showing a clock.


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--at", "2040-02-29T00:00:00Z"), AT.replace(year=2040, month=2, day=29, hour=0)),
        (("--advance", "1d"), AT + timedelta(days=1)),
        (("--advance", "1d2h30m"), AT + timedelta(days=1, hours=2, minutes=30)),
        (("--advance=-5m",), AT - timedelta(minutes=5)),
    ],
)
def test_a_clock_is_set_and_reported(
    page: ClockPage, words: tuple[str, ...], expected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["clock", "set", "--page", str(page.path), *words, "--json"])
    envelope = json.loads(capsys.readouterr().out)

    assert expected <= page.now() < expected + timedelta(minutes=5)
    assert () == problems(envelope)
    assert expected.isoformat()[:16] == envelope["measurements"]["shows"][:16]


def test_showing_a_clock_changes_nothing(
    page: ClockPage, capsys: pytest.CaptureFixture[str]
) -> None:
    before = page.words()

    assert 0 == main(["clock", "show", "--page", str(page.path)])
    assert f"{YEAR}-01-01T04:" in capsys.readouterr().out
    assert before == page.words()


# Simulations.


def _simulate(*argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
    line = (PROGRAM, "simulate", "--days", "1", "--hosts", "1", "--fidelity", "cycle", *argv)
    return subprocess.run(line, capture_output=True, text=True, check=False, **more)


@pytest.mark.heavy
@pytest.mark.parametrize("forbid", [None, forbid_ptrace], ids=["controlled", "dated"])
def test_a_cycle_says_whether_its_clock_was_controlled(forbid: Any) -> None:
    done = _simulate("--json", preexec_fn=forbid)
    report = json.loads(done.stdout)
    is_real = forbid is not None

    assert ("OK", 0) == (report["verdict"], done.returncode)
    assert ("real: only snapshots" if is_real else "controlled") in report["inputs"]["clock"]
    assert is_real == ("no process may be traced here" in report["inputs"]["clock"])
    assert is_real == any("The clock is real" in note for note in report["timeline"]["notes"])


@pytest.mark.heavy
@pytest.mark.parametrize("forbid", [None, forbid_ptrace], ids=["controlled", "dated"])
def test_future_days_need_a_controlled_clock(forbid: Any) -> None:
    done = _simulate("--start", "2031-01-01", preexec_fn=forbid)

    assert (64 if forbid else 0) == done.returncode, done.stderr
    assert bool(forbid) == ("the clock is real" in done.stderr)
