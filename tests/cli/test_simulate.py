"""`simulate` on the command line: what its options mean, and how a slip in one is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.console import environment, report, run
from verifier.cli.main import main

MODEL = ("simulate", "--fidelity", "model")
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "fixtures" / "example" / "verify.toml"

Release = Callable[[str], Path]


def told(capsys: pytest.CaptureFixture[str], *line: str, code: int = 0) -> dict[str, Any]:
    """Run a command with `--json` in this process and return what it prints."""
    assert code == main([*line, "--json"]), capsys.readouterr().err
    return report(capsys.readouterr().out)


def said(capsys: pytest.CaptureFixture[str], *line: str, code: int = 64) -> str:
    """Run a command that fails and return its two lines; it prints one object all the same."""
    assert code == main([*line, "--json"])
    out, err = capsys.readouterr()
    assert code == report(out)["error"]["exit_code"]
    assert "Traceback" not in err
    return err


# The proof.


@pytest.mark.parametrize(
    ("release", "survivors", "note"),
    [
        ("0.14.0", 40, "before 0.16 the very first snapshot of a group is not kept"),
        ("0.18.0", 41, "stays as `oldest yearly snapshot` until 10 calendar years"),
        ("0.19.1", 41, "stays as `oldest yearly snapshot` until 10 calendar years"),
    ],
)
def test_the_oldest_rule_makes_one_snapshot_of_400_days(
    release: str, survivors: int, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    timeline = told(capsys, *MODEL, "--days", "400", "--restic", release)["timeline"]

    assert [survivors] * 3 == [group["survivors"] for group in timeline["groups"]]
    assert note in " ".join(timeline["notes"])


@pytest.mark.heavy
@pytest.mark.parametrize(("release", "survivors"), [("0.14.0", 40), ("0.18.0", 41), ("0.19.1", 41)])
def test_restic_itself_decides_400_days_as_the_model_does(
    release: str,
    survivors: int,
    restic_release: Release,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = str(restic_release(release))
    line = ("--days", "400", "--restic", program)
    real = told(capsys, "simulate", *line)["timeline"]
    model = told(capsys, *MODEL, *line)["timeline"]

    assert [survivors] * 3 == [group["survivors"] for group in real["groups"]]
    assert {"decisions": 1200, "agreed": 1200} == real["agreement"]
    assert model["survivors"] == real["survivors"]
    assert any(str(survivors) in note for note in real["notes"])


@pytest.mark.heavy
def test_every_fidelity_ends_with_the_same_survivors(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--days", "20", "--keep-daily", "5", "--keep-weekly", "2")
    model, decisions, cycle = (
        told(capsys, "simulate", "--fidelity", fidelity, *line)["timeline"]
        for fidelity in ("model", "decisions", "cycle")
    )

    assert 3 * 6 == len(model["survivors"])
    assert model["survivors"] == decisions["survivors"] == cycle["survivors"]


# Days and times.


@pytest.mark.parametrize("days", ["0", "-1", "abc", "999999", "1e3", "4.5", " 4", "\u0664"])
def test_days_are_a_whole_number(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a whole number from 1 to 36525" in said(capsys, *MODEL, "--days", days)


@pytest.mark.parametrize("start", ["0001-01-01", "1969-12-31", "3000-01-01", "9999-12-31"])
def test_a_start_beyond_every_calendar_is_refused(
    start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--start: " in said(capsys, *MODEL, "--days", "5", "--start", start)


def test_the_model_sees_the_future_and_restic_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--days", "5", "--start", "2999-01-01")

    assert "OK" == told(capsys, *MODEL, *line)["verdict"]
    assert "use --fidelity model" in said(capsys, "simulate", *line)


@pytest.mark.parametrize("at", ["25:00", "4", "0400", "04:00:30", "04:00+02:00", ""])
def test_a_time_of_day_is_hours_and_minutes(at: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"--at: {at!r} is no time of day" in said(capsys, *MODEL, "--days", "2", "--at", at)


def test_two_times_a_day_are_two_steps_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--days", "3", "--at", "16:00", "--at", "04:00", "--at", "16:00")
    steps = told(capsys, *MODEL, *line)["timeline"]["steps"]

    assert ["T04:00", "T16:00"] * 3 == [step["time"][10:16] for step in steps]


@pytest.mark.parametrize(
    ("start", "times"),
    [
        # The hour after two does not come on 10 March, and the one after one twice on 3 November.
        ("2024-03-09", ["2024-03-09T02:30:00-08:00", "2024-03-11T02:30:00-07:00"]),
        (
            "2024-11-02",
            [
                "2024-11-02T01:30:00-07:00",
                "2024-11-03T01:30:00-07:00",
                "2024-11-04T01:30:00-08:00",
            ],
        ),
    ],
)
def test_daylight_saving_skips_and_never_doubles(
    start: str, times: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    at = times[0][11:16]
    line = ("--days", "3", "--start", start, "--at", at)
    timeline = told(capsys, *MODEL, *line)["timeline"]

    assert times == [step["time"] for step in timeline["steps"]]


def test_a_timer_that_never_fires_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--days", "1", "--start", "2024-03-10", "--at", "02:30")

    assert "the timer fires on none of the simulated days" in said(capsys, *MODEL, *line)


# The policy.


@pytest.mark.parametrize("fidelity", ["model", "decisions"])
def test_unlimited_is_refused_where_restic_has_no_such_word(
    fidelity: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("simulate", "--fidelity", fidelity, "--days", "3", "--keep-daily", "unlimited")

    if fidelity == "model":
        assert 0 == main([*line, "--restic", "0.16.0"])
        capsys.readouterr()
    assert "restic 0.14.0 knows no `unlimited`" in said(capsys, *line, "--restic", "0.14.0")


def test_unlimited_in_a_configuration_is_refused_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "verify.toml"
    file.write_text(EXAMPLE.read_text().replace("keep-daily = 30", 'keep-daily = "unlimited"'))
    line = (*MODEL, "--days", "3", "--config", str(file), "--restic")

    assert 3 * 3 == len(told(capsys, *line, "0.18.0")["timeline"]["survivors"])
    assert "--keep-daily: restic 0.14.0 knows no" in said(capsys, *line, "0.14.0")


def test_windows_of_a_kind_are_refused_where_restic_has_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = (*MODEL, "--days", "3", "--keep-within-daily", "30d", "--restic")

    assert "has no such option" in said(capsys, *line, "0.12.0")
    assert "OK" == told(capsys, *line, "0.12.1")["verdict"]


def test_a_tag_that_no_snapshot_has_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    # No simulated snapshot has a tag: 0.14 wipes every group, 0.18 refuses to.
    line = (*MODEL, "--days", "3", "--keep-tag", "weekly", "--restic")
    wiped = told(capsys, *line, "0.14.0", code=2)
    refused = told(capsys, *line, "0.18.0", code=1)

    kinds = {finding["kind"] for finding in wiped["findings"]}
    assert {"group-wiped", "newest-removed"} == kinds
    assert {"forget-refused"} == {finding["kind"] for finding in refused["findings"]}


def test_windows_are_decided_by_restic_as_by_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--days", "40", "--start", "2024-02-15", "--keep-within", "30d")
    real = told(capsys, "simulate", *line)["timeline"]

    assert {"decisions": 120, "agreed": 120} == real["agreement"]
    assert told(capsys, *MODEL, *line)["timeline"]["survivors"] == real["survivors"]


# What does not go as scheduled.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--miss", "2024-01-02.."), "'' is no day"),
        (("--miss", "2024-01-03..2024-01-02"), "ends before it begins"),
        (("--miss", "2042-01-02"), "2042-01-02 is none of the simulated days"),
        (("--down", "web1"), "names no host"),
        (("--down", "@2024-01-02"), "there is no host ''"),
        (("--down", "web9@2024-01-02"), "hosts are db1, mail1, web1"),
        (("--down", "web1@2023-01-02"), "2023-01-02 is none of the simulated days"),
        (("--change-paths", "web1@2024-01-02=srv"), "names no absolute paths"),
        (("--change-paths", "web1@=/srv"), "'' is no day"),
        (("--change-paths", "web9@2024-01-02=/srv"), "there is no host 'web9'"),
        (("--change-paths", "web1@2025-01-02=/srv"), "2025-01-02 is none of the simulated days"),
    ],
)
def test_a_slip_in_a_deviation_is_refused(
    line: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # What never takes place would prove that it does no harm.
    assert message in said(capsys, *MODEL, "--days", "5", *line)


def test_deviations_take_place(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("--miss", "2024-01-02", "--down", "web1@2024-01-03..2030-01-01")
    line += ("--change-paths", "db1@2020-01-01=/srv,/srv")
    steps = told(capsys, *MODEL, "--days", "4", *line)["timeline"]["steps"]

    assert [[], ["web1", "db1", "mail1"], ["web1"], ["web1"]] == [s["missed"] for s in steps]
    assert [["/srv"]] == [c["paths"] for c in steps[0]["created"] if c["host"] == "db1"]


def test_many_hosts_are_backed_up_within_the_hour(capsys: pytest.CaptureFixture[str]) -> None:
    steps = told(capsys, *MODEL, "--days", "2", "--hosts", "50")["timeline"]["steps"]

    assert [50, 50] == [len(step["created"]) for step in steps]
    assert {"T04"} == {created["time"][10:13] for created in steps[0]["created"]}


def test_other_hosts_do_not_inherit_what_goes_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "verify.toml"
    text = EXAMPLE.read_text().partition("[simulate]")[0]
    down = '\n[[simulate.down]]\nhost = "web1"\nfrom = 2024-01-02\nto = 2024-01-03\n'
    file.write_text(text + down)

    line = (*MODEL, "--days", "5", "--config", str(file))
    assert "OK" == told(capsys, *line)["verdict"]
    assert "--hosts: the configuration says" in said(capsys, *line, "--hosts", "2")


# The configuration.


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("keep-daily", "keep-dayly", (":19:", "retention.keep-dayly", "'keep-daily'?")),
        ("keep-daily = 30", "keep-daily = [3]", (":19:", "found [3]", "write a number")),
        ("[retention]", "[retention", (":18:", "found `[retention`", "valid TOML")),
        ("America/Los", "America/Las", (":16:", "schedule.timezone", "did you mean")),
    ],
)
def test_a_wrong_configuration_names_line_key_and_remedy(
    old: str,
    new: str,
    lines: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "verify.toml"
    file.write_text(EXAMPLE.read_text().replace(old, new))
    err = said(capsys, *MODEL, "--days", "3", "--config", str(file))

    assert str(file) in err
    assert [] == [part for part in lines if part not in err]


# Programs and places.


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo "restic 0.9.6 compiled with go1.15 on linux/amd64"', "restic 0.9.6 is too old"),
        ("echo hello", "was not understood: hello"),
        ("exit 7", "it cannot be run"),
        ("kill -9 $$", "it cannot be run"),
    ],
)
@pytest.mark.parametrize("fidelity", ["model", "decisions"])
def test_another_program_is_not_taken_for_restic(
    fidelity: str,
    script: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    line = ("simulate", "--fidelity", fidelity, "--days", "2", "--restic", str(program))

    assert message in said(capsys, *line, code=3)


def test_a_file_that_is_no_program_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "restic").write_text("no program")
    for path in (tmp_path, tmp_path / "restic", tmp_path / "absent"):
        line = ("simulate", "--days", "2", "--restic", str(path))
        assert f"{path}: no program that can be run stands there" in said(capsys, *line, code=3)


def _only(folder: Path, *programs: str) -> str:
    for program in programs:
        (folder / program).symlink_to(str(shutil.which(program)))
    return str(folder)


@pytest.mark.parametrize(
    ("fidelity", "there", "absent"),
    [("decisions", (), "restic"), ("cycle", (), "restic"), ("cycle", ("restic",), "rclone")],
)
def test_a_missing_program_is_named_with_its_package(
    fidelity: str,
    there: tuple[str, ...],
    absent: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", _only(tmp_path, "sh", *there))
    err = said(capsys, "simulate", "--fidelity", fidelity, "--days", "2", code=3)

    assert f"{absent}: is not on PATH" in err
    assert f"install the package {absent}" in err


def test_the_model_needs_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "OK" == told(capsys, *MODEL, "--days", "2")["verdict"]


@pytest.mark.heavy
def test_an_empty_environment_is_enough() -> None:
    ended = run("simulate", "--days", "2", "--json", env={})

    assert "OK" == report(ended.stdout)["verdict"]


@pytest.mark.heavy
def test_a_temporary_folder_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    env = environment(TMPDIR=str(tmp_path / "absent"))

    assert "OK" == report(run("simulate", "--days", "2", "--json", env=env).stdout)["verdict"]


@pytest.mark.heavy
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
@pytest.mark.parametrize(
    ("size", "line"),
    [
        ("24k", ("--days", "30")),
        ("300k", ("--days", "30")),
        ("300k", ("--days", "5", "--fidelity", "cycle")),
        ("1300k", ("--days", "20", "--fidelity", "cycle", "--segments", "1")),
        ("12m", ("--days", "20", "--fidelity", "cycle")),
        ("24k", ("--days", "400", "--fidelity", "model", "--report", "{}/report")),
    ],
)
def test_a_full_disk_is_told(size: str, line: tuple[str, ...], full_disk: Any) -> None:
    place = full_disk(size)
    arguments = [argument.format(place) for argument in line]
    ended = run("simulate", *arguments, "--json", env=environment(TMPDIR=str(place)))

    assert 3 == ended.returncode
    assert ["could-not-verify"] == [f["kind"] for f in report(ended.stdout)["findings"]]
    assert b"no space left" in ended.stderr.lower() or b"has no room" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert not list(place.glob("*restic-*"))
