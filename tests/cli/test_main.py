"""The front door: which command is meant, and what is refused before any command runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.console import report
from verifier import __version__
from verifier.cli import plan
from verifier.cli.main import COMMANDS, EXIT_CODES, main

MODEL = ("simulate", "--fidelity", "model", "--days", "3")


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--version"])
    assert f"restic-verify {__version__}\n" == capsys.readouterr().out


def test_no_command_is_wrong_usage_and_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    # A timer's `restic-verify $COMMAND` with nothing in COMMAND must not look verified.
    assert 64 == main([])

    out, err = capsys.readouterr()
    assert "" == out
    assert [] == [name for name in COMMANDS if not re.search(rf"\b{name}\b", err)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--days", "3"], "the command comes first"),
        (["--json"], "the command comes first"),
        (["plam"], "did you mean `plan`?"),
        (["simulate", "--days"], "expected one argument"),
        (["simulate", "--day", "3"], "unrecognized arguments: --day"),
        (["simulate", "surplus"], "unrecognized arguments: surplus"),
        (["simulate", "--fidelity", "quick"], "invalid choice: 'quick'"),
        (["simulate", "--config", ""], "--config: was given without a value"),
        (["simulate", "--report", ""], "--report: was given without a value"),
        (["simulate", "--restic", ""], "--restic: was given without a value"),
        (["plan", "--snapshots", ""], "--snapshots: was given without a value"),
    ],
)
def test_wrong_usage_says_what_and_what_to_do(
    line: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 64 == main([*line, "--json"])

    out, err = capsys.readouterr()
    assert said in err
    assert 2 == len(err.splitlines())
    assert ["could-not-verify"] == [f["kind"] for f in report(out)["findings"]]


def test_an_empty_group_by_is_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main([*MODEL, "--group-by", "", "--json"])
    assert 1 == len(report(capsys.readouterr().out)["timeline"]["groups"])


def test_an_error_is_reported_under_the_command_s_name(capsys: pytest.CaptureFixture[str]) -> None:
    for line, kind in ((["plan"], "plan"), (["plam"], "restic-verify"), (["-x"], "restic-verify")):
        main([*line, "--json"])
        assert kind == report(capsys.readouterr().out)["kind"]


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "64", "130", "143"])
def test_help_names_every_exit_code(code: str) -> None:
    assert code in re.findall(r"\d+", EXIT_CODES)


def _fail(*_: object) -> None:
    raise RuntimeError("unforeseen")


def test_a_fault_of_ours_shows_its_traceback_on_request_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plan, "run", _fail)
    assert 3 == main(["plan"])
    quiet = capsys.readouterr().err
    monkeypatch.setenv("RESTIC_VERIFY_DEBUG", "1")
    assert 3 == main(["plan"])

    assert "Traceback" not in quiet
    assert "RuntimeError: unforeseen" in quiet
    assert "Traceback" in capsys.readouterr().err


def test_a_report_folder_tells_of_a_run_that_did_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main([*MODEL, "--report", str(tmp_path)])
    assert "OK" == report((tmp_path / "report.json").read_text())["verdict"]
    assert 64 == main([*MODEL, "--report", str(tmp_path), "--start", "tomorrow"])

    assert "UNKNOWN" == report((tmp_path / "report.json").read_text())["verdict"]
    assert "tomorrow" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("folder", ["file", "file/below", "taken"])
def test_a_report_folder_that_cannot_be_is_told_before_the_work(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "taken" / "report.json").mkdir(parents=True)

    assert 64 == main([*MODEL, "--json", "--report", str(tmp_path / folder)])
    out, err = capsys.readouterr()
    assert "the report cannot be written" in err
    assert "timeline" not in report(out)
