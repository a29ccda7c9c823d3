"""`scenario list|show|run`, as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from tests.cli.console import environment, report
from tests.cli.console import run as run_script
from verifier.cli.main import main
from verifier.cli.scenario_worlds import Laboratory
from verifier.config.scenario import Scenario
from verifier.cycle.coordinator import fire_times
from verifier.simulate.scenario_expect import Seen

ROOT = Path(__file__).parents[2]

HEALTHY = """\
schema = 1

[scenario]
about = "Nothing goes wrong."
fidelity = ["model"]

[[hosts]]
name = "web1"
include = ["/srv"]

[simulate]
start = 2024-03-04
days = 5

[expect]
verdict = "OK"

[[expect.survivors]]
host = "web1"
count = 5
"""


def run(
    *line: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the script with results of its own, beside the folder that it runs in."""
    kept = {"XDG_CACHE_HOME": str(cwd / "cache")} if cwd != ROOT else {}
    return run_script(*line, cwd=cwd, env={**(env or environment()), **kept})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "healthy.toml").write_text(HEALTHY)
    (tmp_path / "scenarios" / "wrong.toml").write_text(HEALTHY.replace("count = 5", "count = 6"))
    return tmp_path


def test_scenarios_of_the_project_are_listed() -> None:
    ended = run("scenario", "list", "--json", cwd=ROOT)
    listed = report(ended.stdout)["scenarios"]

    assert 0 == ended.returncode
    assert [path.stem for path in sorted((ROOT / "scenarios").glob("*.toml"))] == [
        one["name"] for one in listed
    ]


def test_list_for_people_says_what_each_is_about(folder: Path) -> None:
    said = run("scenario", "list", cwd=folder).stdout.decode()

    assert "  healthy   model     Nothing goes wrong.\n" in said


def test_scenario_is_shown_as_its_file_and_what_its_result_is_a_function_of(folder: Path) -> None:
    before = run("scenario", "show", "healthy", cwd=folder).stdout.decode()
    (ran,) = report(run("scenario", "run", "healthy", "--json", cwd=folder).stdout)["scenarios"]
    after = run("scenario", "show", "healthy", cwd=folder).stdout.decode()

    assert before.startswith(HEALTHY)
    assert tomllib.loads(HEALTHY) == tomllib.loads(after)
    assert ("# model: not stored\n" in before, "# model: stored\n" in after) == (True, True)
    for name, value in {"key": ran["key"], "digest": ran["digest"], **ran["inputs"]}.items():
        assert f"#   {name} = {value}\n" in after
    assert {"code", "fidelity", "machine", "python", "scenario", "zone"} == ran["inputs"].keys()


def test_shown_scenario_says_what_its_rung_lacks(folder: Path) -> None:
    file = folder / "scenarios" / "healthy.toml"
    file.write_text(HEALTHY.replace('["model"]', '["decisions"]'))
    env = environment(PATH="/nonexistent")
    (shown,) = report(run("scenario", "show", "healthy", "--json", cwd=folder, env=env).stdout)[
        "scenarios"
    ]

    assert ("", None, False) == (shown["key"], shown["digest"], shown["stored"])
    assert "is not on PATH" in shown["notes"][0]


def test_run_ends_in_a_table(folder: Path) -> None:
    run("scenario", "run", "healthy", cwd=folder)
    file = folder / "scenarios" / "wrong.toml"
    file.write_text(file.read_text().replace('["model"]', '["model", "decisions"]'))
    env = environment(PATH="/nonexistent")
    said = run("scenario", "run", cwd=folder, env=env).stdout.decode()
    rows = [line.split() for line in said.splitlines() if line.startswith("  ")]

    assert said.startswith("CRITICAL: unmet 1, could-not-verify 1; 1 of 3 scenarios as expected")
    assert ["scenario", "fidelity", "result", "took", "from"] == rows[0]
    assert ["healthy", "model", "met"] == rows[1][:3]
    assert ["the", "store"] == rows[1][-2:]
    assert ["wrong", "model", "NOT", "MET"] == rows[2][:4]
    assert ["a", "run"] == rows[2][-2:]
    assert ["wrong", "decisions", "not", "run"] == rows[3][:4]


def test_old_results_are_freed_and_it_is_said_how_many(folder: Path) -> None:
    results = folder / "cache" / "restic-verify" / "results"
    results.mkdir(parents=True)
    for age in range(5):
        (results / f"{age}.json").write_bytes(b"x" * 1_000)
        os.utime(results / f"{age}.json", (1_000_000 - age, 1_000_000 - age))
    ended = run("scenario", "gc", "--keep", "2", "--json", cwd=folder)
    freed = report(ended.stdout)["measurements"]

    assert 0 == ended.returncode
    assert {"results_kept": 2, "results_removed": 3, "freed_bytes": 3_000} == freed
    assert {"0.json", "1.json"} == {path.name for path in results.iterdir()}


def test_nothing_stored_is_nothing_freed(folder: Path) -> None:
    ended = run("scenario", "gc", "--json", cwd=folder)

    assert 0 == ended.returncode
    assert 0 == report(ended.stdout)["measurements"]["freed_bytes"]


def test_scenario_that_is_met_is_ok(folder: Path) -> None:
    ended = run("scenario", "run", "healthy", "--json", "--check", cwd=folder)
    (one,) = report(ended.stdout)["scenarios"]

    assert 0 == ended.returncode
    assert ("healthy", "model", True) == (one["name"], one["fidelity"], one["met"])


def _stored(folder: Path, *options: str) -> list[bool]:
    ended = run("scenario", "run", "healthy", "--json", *options, cwd=folder)
    assert 0 == ended.returncode
    return [one["stored"] for one in report(ended.stdout)["scenarios"]]


def test_what_has_not_changed_is_answered_from_the_store(folder: Path) -> None:
    assert [[False], [True]] == [_stored(folder), _stored(folder)]
    assert [[False], [False]] == [_stored(folder, "--rebuild"), _stored(folder, "--check")]


def test_what_has_changed_is_run_again(folder: Path) -> None:
    file = folder / "scenarios" / "healthy.toml"
    known = _stored(folder)
    file.write_text(f"{HEALTHY}\n# another word\n")

    assert [[False], [False]] == [known, _stored(folder)]


def test_answer_from_the_store_loads_nothing_that_runs_a_scenario(folder: Path) -> None:
    tell = environment(PYTHONPROFILEIMPORTTIME="1")
    line = ("scenario", "run", "healthy")
    told = [run(*line, cwd=folder, env=tell).stderr.decode() for _ in range(2)]
    ran, answered = ({line.rpartition("| ")[2].strip() for line in it.splitlines()} for it in told)
    heavy = {"freezegun", "jinja2", "cryptography", "zstandard", "docker"}

    assert "freezegun" in ran
    assert "verifier.simulate.store" in answered
    assert set() == heavy & answered


def test_entry_that_cannot_be_read_is_no_entry(folder: Path) -> None:
    _stored(folder)
    (entry,) = (folder / "cache/restic-verify/results").iterdir()
    entry.write_text('{"findings": []')

    assert [[False], [True]] == [_stored(folder), _stored(folder)]


def test_entry_that_is_not_as_it_was_written_is_no_entry(folder: Path) -> None:
    _stored(folder)
    (entry,) = (folder / "cache/restic-verify/results").iterdir()
    entry.write_text(entry.read_text().replace("web1", "web2"))

    assert [[False], [True]] == [_stored(folder), _stored(folder)]


def test_result_that_cannot_be_kept_leaves_nothing(folder: Path) -> None:
    _stored(folder)
    (entry,) = (folder / "cache/restic-verify/results").iterdir()
    entry.unlink()
    entry.mkdir()

    assert [False] == _stored(folder)
    assert [entry] == list(entry.parent.iterdir())


def test_what_is_not_met_is_not_kept(folder: Path) -> None:
    run("scenario", "run", "wrong", cwd=folder)

    assert not (folder / "cache").exists()


def test_scenario_that_is_not_met_is_critical(folder: Path) -> None:
    ended = run("scenario", "run", "--json", cwd=folder)
    found = report(ended.stdout)

    assert 2 == ended.returncode
    assert [("unmet", "wrong (model)")] == [(f["kind"], f["subject"]) for f in found["findings"]]
    assert {"checked": 2, "total": 2} == {k: found["coverage"][k] for k in ("checked", "total")}


def test_results_are_written_for_junit(folder: Path) -> None:
    run("scenario", "run", "--junit", "out.xml", cwd=folder)
    suite = ElementTree.parse(folder / "out.xml").getroot()  # noqa: S314 - we wrote it ourselves

    assert ("2", "1", "0") == tuple(suite.attrib[name] for name in ("tests", "failures", "errors"))
    assert ["healthy", "wrong"] == [case.attrib["name"] for case in suite]
    assert ["unmet"] == [failure.attrib["type"] for failure in suite.iter("failure")]


def test_scenario_in_which_no_script_runs_leaves_no_log(folder: Path) -> None:
    ended = run("scenario", "run", "healthy", "--logs", "logs/of/it", cwd=folder)

    assert 0 == ended.returncode
    assert [] == list((folder / "logs" / "of" / "it").iterdir())


def test_folder_of_logs_that_cannot_be_made_ends_it_before_anything_runs(folder: Path) -> None:
    (folder / "file").touch()

    ended = run("scenario", "run", "healthy", "--logs", "file/logs", cwd=folder)

    assert 64 == ended.returncode
    assert b"with --logs" in ended.stderr


@pytest.mark.heavy
def test_log_of_a_cycle_is_kept_dated_in_simulated_time(folder: Path) -> None:
    text = HEALTHY.replace('"model"', '"cycle"').replace("days = 5", "days = 1")
    (folder / "one-day.toml").write_text(text.replace("count = 5", "count = 1"))

    ended = run("scenario", "run", "one-day.toml", "--logs", "logs", cwd=folder)

    assert 0 == ended.returncode, ended.stderr
    rows = (folder / "logs" / "one-day.cycle.jsonl").read_text().splitlines()
    said = [json.loads(row) for row in rows]
    assert {datetime(2024, 3, 4, 4, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()} == {
        row["when"] for row in said if row["data"] == "Started run backups."
    }
    assert 1 == sum(row["data"].startswith("backup host=web1 status=0") for row in said)
    assert ("systemd", "Finished run backups.") == (said[-1]["service"], said[-1]["data"])


def test_folder_of_junit_is_made_before_anything_runs(folder: Path) -> None:
    run("scenario", "run", "healthy", "--junit", "new/out.xml", cwd=folder)
    shutil.rmtree(folder / "cache")
    (folder / "file").touch()
    ended = run("scenario", "run", "healthy", "--junit", "file/out.xml", cwd=folder)

    assert (folder / "new" / "out.xml").is_file()
    assert 64 == ended.returncode
    assert b"with --junit" in ended.stderr


def test_junit_that_is_a_folder_is_said_before_anything_runs(folder: Path) -> None:
    (folder / "out").mkdir()
    ended = run("scenario", "run", "healthy", "--junit", "out", cwd=folder)

    assert 64 == ended.returncode
    assert b"--junit out: is a folder, and one file is written" in ended.stderr
    assert b"name a file in it, as out/scenarios.xml" in ended.stderr
    assert not (folder / "cache").exists()


def test_logs_of_one_name_are_refused_before_one_overwrites_the_other(folder: Path) -> None:
    other = folder / "other" / "healthy.toml"
    other.parent.mkdir()
    other.write_text(HEALTHY)
    both = "scenarios/healthy.toml", "other/healthy.toml"
    ended = run("scenario", "run", *both, "--logs", "logs", cwd=folder)

    assert 64 == ended.returncode
    assert f"{both[0]} and {both[1]} are both called healthy".encode() in ended.stderr
    assert 0 == run("scenario", "run", *both, cwd=folder).returncode


def test_list_is_of_the_fidelity_asked_for(folder: Path) -> None:
    (folder / "scenarios" / "real.toml").write_text(HEALTHY.replace('["model"]', '["decisions"]'))
    ended = run("scenario", "list", "--fidelity", "decisions", "--json", cwd=folder)
    none = run("scenario", "list", "--fidelity", "fleet", "--json", cwd=folder)

    assert ["real"] == [one["name"] for one in report(ended.stdout)["scenarios"]]
    assert (3, []) == (none.returncode, report(none.stdout)["scenarios"])


def test_scenario_of_machines_alone_is_not_told_to_run_without_them(folder: Path) -> None:
    (folder / "scenarios" / "healthy.toml").write_text(HEALTHY.replace('"model"', '"fleet"'))
    env = environment(DOCKER_HOST=f"unix://{folder}/none.sock")
    (finding,) = report(run("scenario", "run", "healthy", "--json", env=env, cwd=folder).stdout)[
        "findings"
    ]

    assert "install and start Docker, as this scenario needs its machines" in finding["detail"]
    assert not (folder / "cache").exists()


@pytest.mark.parametrize(
    "line", [("list", "--junit", "x.xml"), ("show", "--check"), ("run", "--keep", "3")]
)
def test_option_of_another_action_is_refused(folder: Path, line: tuple[str, ...]) -> None:
    ended = run("scenario", *line, cwd=folder)

    assert 64 == ended.returncode
    assert f"{line[1]}: is an option of".encode() in ended.stderr


def test_results_are_not_collected_by_fidelity(folder: Path) -> None:
    ended = run("scenario", "gc", "--fidelity", "model", cwd=folder)

    assert (64, True) == (ended.returncode, b"takes no --fidelity" in ended.stderr)


def test_names_may_follow_options(folder: Path) -> None:
    assert 0 == run("scenario", "run", "--fidelity", "model", "healthy", cwd=folder).returncode


@pytest.mark.parametrize("action", ["run", "show"])
def test_fidelity_that_no_scenario_names_verifies_nothing(folder: Path, action: str) -> None:
    ended = run("scenario", action, "--fidelity", "cycle", "--json", cwd=folder)

    assert 3 == ended.returncode
    assert [("empty", "none of these scenarios names fidelity cycle")] == [
        (finding["kind"], finding["detail"]) for finding in report(ended.stdout)["findings"]
    ]


@pytest.mark.parametrize(
    "asked", [("--fidelity", "model,cycle"), ("--fidelity", "model", "--fidelity", "cycle")]
)
def test_several_rungs_are_asked_for(folder: Path, asked: tuple[str, ...]) -> None:
    file = folder / "scenarios" / "wrong.toml"
    file.write_text(file.read_text().replace('["model"]', '["decisions", "cycle"]'))
    env = environment(PATH="/nonexistent")
    told = report(run("scenario", "run", *asked, "--json", cwd=folder, env=env).stdout)

    assert [("healthy", "model"), ("wrong", "cycle")] == [
        (one["name"], one["fidelity"]) for one in told["scenarios"]
    ]


def test_days_to_come_are_unknown_to_real_restic_and_stop_no_other(folder: Path) -> None:
    file = folder / "scenarios" / "wrong.toml"
    text = HEALTHY.replace('["model"]', '["decisions"]').replace("2024-03-04", "2999-03-04")
    file.write_text(text)
    told = report(run("scenario", "run", "--json", cwd=folder).stdout)

    assert [True, None] == [one["met"] for one in told["scenarios"]]
    assert "its last day is 2999-03-08" in told["findings"][0]["detail"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("run", "helthy"), b"did you mean 'healthy'?"),
        (("run", "nothing"), b"is no scenario"),
        (("run", "empty"), b"holds no scenario"),
        (("run", "--fidelity", "model,flat"), b"'flat' is no fidelity"),
        (("show", "--fidelity", "flat"), b"fidelities are model, decisions, cycle, fleet"),
        (("run", "none.toml"), b"no such file"),
        (("play",), b"invalid choice"),
        ((), b"arguments are required: action"),
        (("gc", "healthy"), b"takes no scenarios"),
        (("gc", "--keep", "few"), b"not a whole number"),
    ],
)
def test_wrong_usage_is_said(folder: Path, line: tuple[str, ...], said: bytes) -> None:
    (folder / "empty").mkdir()
    ended = run("scenario", *line, cwd=folder)

    assert 64 == ended.returncode
    assert said in ended.stderr


def test_only_the_action_is_required(folder: Path) -> None:
    assert b"NAME" not in run("scenario", cwd=folder).stderr


@pytest.mark.parametrize("line", [("list",), ("run", "healthy")])
def test_where_there_is_no_folder_of_scenarios_that_is_said(
    tmp_path: Path, line: tuple[str, ...]
) -> None:
    ended = run("scenario", *line, cwd=tmp_path)

    assert 64 == ended.returncode
    assert b"there is no folder ./scenarios here" in ended.stderr
    assert b"name a file or a folder" in ended.stderr


def test_restic_that_is_not_there_is_unknown_and_stops_no_other(folder: Path) -> None:
    both = HEALTHY.replace('["model"]', '["model", "decisions"]')
    (folder / "scenarios" / "healthy.toml").write_text(both)
    ended = run(
        "scenario", "run", "healthy", "--json", env=environment(PATH="/nonexistent"), cwd=folder
    )
    found = report(ended.stdout)

    assert 3 == ended.returncode
    assert ["could-not-verify"] == [finding["kind"] for finding in found["findings"]]
    assert (1, 2) == (found["coverage"]["checked"], found["coverage"]["total"])


def test_fault_of_ours_in_one_scenario_stops_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: who runs forty scenarios hears of all, and which one met our fault."""
    run_one = Laboratory.run

    def fail(laboratory: Laboratory, scenario: Scenario, fidelity: str) -> Seen:
        if scenario.name == "wrong":
            raise RuntimeError("unforeseen")
        return run_one(laboratory, scenario, fidelity)

    monkeypatch.setattr(Laboratory, "run", fail)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.chdir(folder)
    code = main(["scenario", "run", "--json", "--junit", "out.xml"])
    out, err = capsys.readouterr()
    found = report(out.encode())
    (finding,) = found["findings"]

    assert (3, "internal", "wrong (model)") == (code, finding["kind"], finding["subject"])
    assert "RuntimeError: unforeseen" == finding["detail"]
    assert "" == err
    assert (1, 2) == (found["coverage"]["checked"], found["coverage"]["total"])
    assert {"healthy": True, "wrong": None} == {
        one["name"]: one["met"] for one in found["scenarios"]
    }
    suite = ElementTree.parse(folder / "out.xml").getroot()  # noqa: S314 - we wrote it ourselves
    assert "1" == suite.get("errors")


def test_engine_that_is_not_there_is_unknown_and_stops_no_other(folder: Path) -> None:
    """Goal: who has no Docker is told so once a scenario, and all else still runs."""
    both = HEALTHY.replace('["model"]', '["fleet", "model"]')
    (folder / "scenarios" / "healthy.toml").write_text(both)
    env = environment(DOCKER_HOST=f"unix://{folder}/none.sock")
    ended = run("scenario", "run", "healthy", "--json", env=env, cwd=folder)
    found = report(ended.stdout)
    (finding,) = found["findings"]

    assert (3, "could-not-verify") == (ended.returncode, finding["kind"])
    assert "healthy (fleet)" == finding["subject"]
    assert "Docker: no Docker engine answers (" in finding["detail"]
    assert (1, 2) == (found["coverage"]["checked"], found["coverage"]["total"])


ADDED = """
[[faults.snapshots-added]]
host = "web1"
on = 2024-03-04
first = 2024-01-01T04:00:07Z
count = 2

"""


@pytest.mark.heavy
def test_added_snapshots_may_be_left_at_the_end_of_a_cycle(tmp_path: Path) -> None:
    """The search found it: the cycle ended with an error as soon as one survived."""
    cycle = HEALTHY.replace('["model"]', '["model", "cycle"]').replace("days = 5\n", "days = 2\n")
    with_fault = cycle.replace("[expect]", f"{ADDED}[expect]").replace("count = 5", "count = 4")
    told = '[[expect.findings]]\nkind = "back-dated"\n'
    expected = with_fault.replace('verdict = "OK"\n', f'verdict = "WARNING"\n{told}')
    (tmp_path / "added.toml").write_text(expected)
    ended = run("scenario", "run", "added.toml", "--json", cwd=tmp_path)

    assert [] == report(ended.stdout)["findings"]


def test_schedules_are_expanded_before_threads_run_commands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It freezes the time of the whole process, time limits of other threads included."""
    where: list[threading.Thread] = []

    def noted(times: Sequence[str], zone: ZoneInfo, start: date, days: int) -> tuple[datetime, ...]:
        where.append(threading.current_thread())
        return fire_times(times, zone, start, days)

    monkeypatch.setattr("verifier.simulate.scenario.fire_times", noted)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.chdir(folder)
    other = HEALTHY.replace("2024-03-04", "2019-03-04")
    (folder / "scenarios" / "healthy.toml").write_text(other)
    (folder / "scenarios" / "wrong.toml").write_text(other.replace("days = 5", "days = 7"))

    assert 2 == main(["scenario", "run"])
    assert [threading.main_thread()] * 2 == where
