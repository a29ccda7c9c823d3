"""Every ending: the documented exit code, one JSON object, a line with a remedy, no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verifier.cli import plan
from verifier.cli.main import COMMANDS, main
from verifier.core.errors import Interrupted
from verifier.monitor.render.schema import problems

MODEL = ["simulate", "--fidelity", "model", "--days", "10"]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["nonsense"], 64, "there is no command 'nonsense'"),
        (["simulat"], 64, "did you mean `simulate`?"),
        (["plan"], 64, "no policy was given"),
        (["plan", "--keep-daily", "3", "--snapshots", "no-such-file"], 64, "cannot be read"),
        (["plan", "--keep-daily", "-3", "--snapshots", "-"], 64, "-3 is negative"),
        (["plan", "--keep-within", "2w", "--snapshots", "-"], 64, "write 14d"),
        ([*MODEL, "--bogus"], 64, "unrecognized arguments: --bogus"),
        ([*MODEL, "--days", "0"], 64, "not a whole number"),
        ([*MODEL, "--days", "99999999"], 64, "not a whole number"),
        ([*MODEL, "--start", "tomorrow"], 64, "is no day"),
        ([*MODEL, "--timezone", "America/Los_Angles"], 64, "did you mean America/Los_Angeles?"),
        ([*MODEL, "--keep-daily", "0"], 64, "no rule keeps anything"),
        ([*MODEL, "--restic", "0.9.6"], 64, "older than 0.11.0"),
        ([*MODEL, "--down", "nobody@2024-01-02"], 64, "there is no host 'nobody'"),
        ([*MODEL, "--miss", "2024-01-09..2024-01-02"], 64, "ends before it begins"),
        ([*MODEL, "--change-paths", "web1@2024-01-02"], 64, "names no absolute paths"),
        ([*MODEL, "--config", "no-such.toml"], 64, "no-such.toml"),
        ([*MODEL, "--report", "/proc/nowhere"], 64, "cannot be written"),
        (["simulate", "--start", "2999-01-01"], 64, "use --fidelity model"),
        (["simulate", "--restic", "/no/such/restic"], 3, "no program that can be run"),
        (["simulate", "--restic", "0.17.0"], 3, "the lock names no such release"),
    ],
)
def test_a_mistake_ends_with_code_and_remedy(
    line: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code == main([*line, "--json"])

    out, err = capsys.readouterr()
    envelope = json.loads(out)
    assert () == problems(envelope)
    assert code == envelope["error"]["exit_code"]
    assert said in err
    assert "Traceback" not in err


def test_a_good_run_is_one_object_and_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main([*MODEL, "--json"])

    out, err = capsys.readouterr()
    assert () == problems(json.loads(out))
    assert "" == err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main([*command.split(), "--help"])
    assert "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["daemon", "dashboard"])
def test_what_a_signal_ends_well_lists_no_code_of_an_interruption(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main([command, "--help"])
    codes = capsys.readouterr().out.partition("exit codes:")[2]

    assert "130" not in codes
    assert "SIGINT and SIGTERM" in codes.replace("SIGINT, SIGTERM and", "SIGINT and SIGTERM")
    assert "with 0" in codes


@pytest.mark.parametrize(
    ("action", "code"), [("run", "the command's own"), ("set", "64 wrong"), ("show", "64 wrong")]
)
def test_every_action_of_clock_explains_itself(
    action: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["clock", action, "--help"])
    about, _, codes = capsys.readouterr().out.partition("exit codes:")

    assert code in codes
    assert "clock" in about.partition("\n\n")[2].partition("\n\n")[0]


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["--help"])
    lines = capsys.readouterr().out.splitlines()

    assert list(COMMANDS) == [name for line in lines for name in COMMANDS if _tells(line, name)]


def _tells(line: str, name: str) -> bool:
    return line.split("  ")[1:2] == [name]


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (RuntimeError("unforeseen"), 3, "internal"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(15, "SIGTERM"), 143, "interrupted"),
    ],
)
def test_whatever_is_raised_becomes_a_report(
    error: BaseException,
    code: int,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(plan, "run", fail)

    assert code == main(["plan", "--json"])
    out, err = capsys.readouterr()
    assert [kind] == [finding["kind"] for finding in json.loads(out)["findings"]]
    assert "Traceback" not in err
    assert "restic-verify: restic-verify" not in err


def test_a_line_without_a_command_is_answered_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert 64 == main([])
    assert capsys.readouterr().err.startswith("restic-verify: no command was given\n")


def test_the_program_is_named_once_in_what_is_said_of_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert 64 == main(["plan", "--no-such-option"])
    assert capsys.readouterr().err.startswith("restic-verify plan: unrecognized arguments")


def test_a_report_folder_holds_page_journal_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main([*MODEL, "--report", str(tmp_path / "out")])

    assert "OK" in capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text()
    journal = (tmp_path / "out" / "journal.jsonl").read_text().splitlines()
    assert "<script" not in page
    assert 10 == len(journal)
    assert 10 == len(json.loads(journal[-1])["groups"][0]["keep"])
    assert () == problems(json.loads((tmp_path / "out" / "report.json").read_text()))
