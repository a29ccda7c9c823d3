"""A signal in the midst of a run: the documented code, one object, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.console import LIMIT_S, commands_naming, environment, report, start, wait_for

STOPS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


def _start(folder: Path, *line: str) -> subprocess.Popen[bytes]:
    return start("simulate", *line, env=environment(TMPDIR=str(folder)))


def _in_the_midst(folder: Path) -> bool:
    # A world of its own with more snapshots than one day makes.
    try:
        return any(len(list(f.iterdir())) > 3 for f in folder.glob("*/tmp*/**/snapshots"))
    except FileNotFoundError:
        # A folder that is looked into may be gone the moment after: restic's own come and go.
        return False


def _assert_gone(folder: Path) -> None:
    assert [] == list(folder.iterdir())
    assert [] == commands_naming(str(folder))


@pytest.mark.parametrize(
    ("number", "code"), [*STOPS[:2], pytest.param(*STOPS[2], marks=pytest.mark.heavy)]
)
def test_interrupted_decisions_end_clean(number: int, code: int, tmp_path: Path) -> None:
    process = _start(tmp_path, "--start", "2015-01-01", "--days", "2000", "--json")
    wait_for(lambda: _in_the_midst(tmp_path), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT_S)

    assert code == process.returncode
    assert code == report(out)["error"]["exit_code"]
    assert ["interrupted"] == [finding["kind"] for finding in report(out)["findings"]]
    assert 2 == len(err.splitlines())
    _assert_gone(tmp_path)


def test_search_that_is_interrupted_while_its_processes_start_ends_clean(tmp_path: Path) -> None:
    """They found their parent gone, and said so in a traceback of their own."""
    process = _start(tmp_path, "--explore", "400", "--json")
    # The server that forks them has a place where it listens.
    wait_for(lambda: any(tmp_path.glob("pymp-*")), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)

    assert 130 == process.returncode
    assert ["interrupted"] == [finding["kind"] for finding in report(out)["findings"]]
    assert 2 == len(err.splitlines())
    _assert_gone(tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize(("number", "code"), STOPS)
def test_interrupted_cycles_end_clean(number: int, code: int, tmp_path: Path) -> None:
    process = _start(tmp_path, "--fidelity", "cycle", "--days", "60", "--json")
    wait_for(lambda: _in_the_midst(tmp_path), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT_S)

    assert code == process.returncode
    assert ["interrupted"] == [finding["kind"] for finding in report(out)["findings"]]
    assert b"Traceback" not in err
    _assert_gone(tmp_path)


def test_an_uninterrupted_run_leaves_nothing_either(tmp_path: Path) -> None:
    process = _start(tmp_path, "--days", "3", "--json")
    out, _ = process.communicate(timeout=LIMIT_S)

    assert (0, "OK") == (process.returncode, report(out)["verdict"])
    _assert_gone(tmp_path)


def test_an_impatient_second_signal_changes_nothing(tmp_path: Path) -> None:
    line = ("--fidelity", "model", "--days", "20000", "--json", "--report", str(tmp_path))
    process = _start(tmp_path, *line)
    wait_for((tmp_path / "journal.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate()

    assert 130 == process.returncode
    assert ["interrupted"] == [finding["kind"] for finding in report(out)["findings"]]
    assert 2 == len(err.splitlines())


def test_half_an_object_is_followed_by_no_other() -> None:
    process = start("simulate", "--fidelity", "model", "--days", "2000", "--json")
    assert process.stdout is not None
    begun = os.read(process.stdout.fileno(), 100)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=LIMIT_S)

    assert 143 == process.returncode
    assert 1 == (begun + out).count(b'"schema"')


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    script = 'trap "" HUP; exec restic-verify simulate --fidelity model --days 2000 --json'
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        ["/bin/sh", "-c", script], env=environment(PATH=path), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    begun = os.read(process.stdout.fileno(), 100)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=LIMIT_S)

    assert (0, "OK") == (process.returncode, report(begun + out)["verdict"])
