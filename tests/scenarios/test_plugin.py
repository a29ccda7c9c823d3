"""The pytest plug-in, as anybody's CI runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

from tests.scenarios.test_command import HEALTHY
from verifier.cli.pytest_plugin import RUNGS
from verifier.config.scenario import Fidelity

WRONG = HEALTHY.replace("count = 5", "count = 6")
KILLED = (
    HEALTHY.replace('["model"]', '["cycle"]').replace("days = 5", "days = 2")
    + '\n[[faults.killed]]\non = 2024-03-05\nwhat = "forget"\n'
)
DESTROYED = HEALTHY.replace('["model"]', '["cycle"]').replace(
    "[[hosts]]", '[system]\nrun-backups = "./destroy.sh"\n\n[[hosts]]'
)
ELSEWHERE = HEALTHY.replace('["model"]', '["model", "decisions"]')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "healthy.toml").write_text(HEALTHY)
    return tmp_path


def run(folder: Path, *line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder that knows nothing of this project."""
    kept = {"XDG_CACHE_HOME": str(folder / "cache"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", folder, *line],
        cwd=folder,
        env={**os.environ, **kept, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def counted(ended: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return how many tests ended how, by pytest's last line."""
    last = ended.stdout.strip().splitlines()[-1]
    return {
        word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", last.split(" in ")[0])
    }


def test_rungs_are_those_of_scenarios() -> None:
    assert get_args(Fidelity) == RUNGS


def test_installed_plugin_collects_an_item_a_rung_and_leaves_other_files_alone(
    folder: Path,
) -> None:
    (folder / "both.toml").write_text(ELSEWHERE)
    (folder / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    (folder / "other.toml").write_text("[scenario]\nplayers = 2\n")
    (folder / "broken.toml").write_text("= nothing\n")
    ended = run(folder, "--collect-only", "-q")

    assert ["both.toml::model", "both.toml::decisions", "healthy.toml::model"] == [
        line for line in ended.stdout.splitlines() if "::" in line
    ]
    assert 0 == ended.returncode


@pytest.mark.heavy
def test_rungs_are_chosen(folder: Path) -> None:
    (folder / "healthy.toml").write_text(ELSEWHERE)
    ended = run(folder, "--collect-only", "-q", "--restic-verify-fidelity", "decisions")

    assert ["healthy.toml::decisions"] == [
        line for line in ended.stdout.splitlines() if "::" in line
    ]


def test_scenario_that_is_not_met_fails_with_what_was_seen_and_how_to_see_it_again(
    folder: Path,
) -> None:
    (folder / "wrong.toml").write_text(WRONG)
    ended = run(folder)

    assert {"failed": 1, "passed": 1} == counted(ended)
    assert "wrong (model) is not as the file expects" in ended.stdout
    assert "  unmet: expects count 6 of web1, and it is 5" in ended.stdout
    assert (
        "run it again: restic-verify scenario run wrong.toml --fidelity model --rebuild"
        in ended.stdout
    )
    assert "Traceback" not in ended.stdout
    assert "verifier/cli" not in ended.stdout


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('verdict = "OK"', 'verdict = "FINE"', "healthy.toml:16: expect.verdict"),
        ("[expect]", "[expect", "valid TOML"),
        ("[expect]", "[expected]", "did you mean 'expect'?"),
    ],
)
def test_file_that_is_wrong_is_an_error_and_does_not_vanish(
    folder: Path, old: str, new: str, said: str
) -> None:
    (folder / "healthy.toml").write_text(HEALTHY.replace(old, new))
    ended = run(folder)

    assert 2 == ended.returncode
    assert said in ended.stdout


@pytest.mark.heavy
def test_what_cannot_be_run_here_is_skipped_with_its_reason(folder: Path) -> None:
    (folder / "healthy.toml").write_text(ELSEWHERE)
    lenient = run(folder, "-rs", PATH="/nonexistent")
    strict = run(folder, "--restic-verify-strict", PATH="/nonexistent")

    assert ({"passed": 1, "skipped": 1}, 0) == (counted(lenient), lenient.returncode)
    assert "restic: is not on PATH" in lenient.stdout
    assert ({"passed": 1, "failed": 1}, 1) == (counted(strict), strict.returncode)
    assert "healthy (decisions) could not be run here" in strict.stdout


@pytest.mark.heavy
def test_run_that_broke_off_fails_and_is_not_skipped(folder: Path) -> None:
    """Goal: a fault that never happened proves nothing, and no green suite may hide it."""
    for name, text in (("nothing", KILLED), ("destroyed", DESTROYED)):
        (folder / f"{name}.toml").write_text(text)
    (folder / "destroy.sh").write_text("#!/bin/sh\nrm -r /mnt/storage/restic/[kc]*\n")
    (folder / "destroy.sh").chmod(0o755)
    (folder / "healthy.toml").unlink()
    ended = run(folder)

    assert ({"failed": 2}, 1) == (counted(ended), ended.returncode)
    assert "nothing (cycle) did not run to its end" in ended.stdout
    assert "`restic forget` ended before the moment meant" in ended.stdout
    assert "showed lost for repository: nothing of it can be read" in ended.stdout
    assert "ended with CRITICAL" in ended.stdout


@pytest.mark.heavy
def test_fault_of_ours_fails_and_is_not_skipped(folder: Path) -> None:
    (folder / "conftest.py").write_text(
        "from verifier.cli.scenario_worlds import Laboratory\n\n\n"
        "def fail(*_):\n    raise RuntimeError('unforeseen')\n\n\nLaboratory.run = fail\n"
    )
    ended = run(folder)

    assert ({"failed": 1}, 1) == (counted(ended), ended.returncode)
    assert "internal: RuntimeError: unforeseen" in ended.stdout


@pytest.mark.heavy
def test_results_go_to_junit_and_come_from_the_store(folder: Path) -> None:
    def stored() -> tuple[str, str]:
        assert 0 == run(folder, "--junit-xml", "out.xml").returncode
        case = ElementTree.parse(folder / "out.xml").getroot().find(".//testcase")  # noqa: S314
        assert case is not None
        found = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        return found["stored"], found["digest"]

    first, second = stored(), stored()

    assert ("False", "True") == (first[0], second[0])
    assert first[1] == second[1]


@pytest.mark.heavy
def test_workers_share_the_work(folder: Path) -> None:
    (folder / "wrong.toml").write_text(WRONG)
    ended = run(folder, "-n", "2")

    assert {"failed": 1, "passed": 1} == counted(ended)


@pytest.mark.heavy
def test_nothing_of_ours_is_imported_before_a_scenario_is_met(folder: Path) -> None:
    (folder / "healthy.toml").unlink()
    (folder / "test_theirs.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        "    ours = {name for name in sys.modules if name.startswith('verifier')}\n"
        "    assert ours == {'verifier', 'verifier.cli', 'verifier.cli.pytest_plugin'}\n"
    )
    ended = run(folder)

    assert {"passed": 1} == counted(ended), ended.stdout
