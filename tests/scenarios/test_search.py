"""`simulate --explore`, as a user runs it."""

from __future__ import annotations

import os
import shutil
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.console import environment, report
from tests.scenarios.test_command import run
from verifier.cli.main import main


def test_search_draws_what_it_is_not_told(tmp_path: Path) -> None:
    for option in (
        ("--keep-daily", "3"),
        ("--miss", "2024-01-01"),
        ("--start", "2024-01-01"),
        ("--fidelity", "cycle"),
        ("--fidelity", "decisions"),
    ):
        ended = run("simulate", "--explore", "3", *option, cwd=tmp_path)

        assert 64 == ended.returncode
        assert b"does not go with --explore" in ended.stderr


REPLAYED = "6"
"""A seed with which a timeline of restic 0.14.0 is replayed."""

SEARCH = ("simulate", "--explore", "3", "--days", "25", "--hosts", "2", "--json", "--seed")


class EarlyClock:
    """It is a day in the middle of the timelines."""

    def now(self) -> datetime:
        """Return it."""
        return datetime(2020, 11, 10, 12, tzinfo=UTC)


def test_replay_ends_before_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was refused, and the whole search with it, as soon as one timeline ended in the future."""
    monkeypatch.setattr("verifier.cli.finish.SystemClock", EarlyClock)
    monkeypatch.chdir(tmp_path)
    # The seed has one replay, of restic 0.14.0: from 2020-10-28 on 13 days of two cycles each.
    line = ["simulate", "--explore", "3", "--days", "40", "--hosts", "1", "--json", "--seed", "57"]
    code = main(line)
    found = report(capsys.readouterr().out)

    assert 0 == code
    assert (1, 26) == tuple(
        found["measurements"][key] for key in ("timelines_replayed", "decisions_of_restic")
    )


def test_search_that_could_ask_no_restic_is_unknown(tmp_path: Path) -> None:
    ended = run(*SEARCH, REPLAYED, env=environment(PATH="/nonexistent"), cwd=tmp_path)
    found = report(ended.stdout)

    assert (3, ["could-not-verify"]) == (ended.returncode, [f["kind"] for f in found["findings"]])
    assert {"replays without their restic": 1} == found["coverage"]["skipped"]
    assert 3 == found["coverage"]["checked"]


def test_search_in_which_nothing_is_decided_is_unknown(tmp_path: Path) -> None:
    """A day has one snapshot at most, and a forget without a policy's choice is none."""
    ended = run("simulate", "--explore", "2", "--days", "1", "--hosts", "1", "--json", cwd=tmp_path)
    found = report(ended.stdout)
    (finding,) = found["findings"]

    assert 0 == found["measurements"]["decisions"]
    assert (3, "empty", "timelines") == (ended.returncode, finding["kind"], finding["subject"])


NO_RESTIC = "2"
"""A seed with which no timeline is of a release that can be asked."""


def test_search_that_asks_no_restic_at_all_is_unknown(tmp_path: Path) -> None:
    few = ("--days", "25", "--hosts", "1", "--json", "--seed", NO_RESTIC)
    ended = run("simulate", "--explore", "1", *few, cwd=tmp_path)
    found = report(ended.stdout)
    (finding,) = found["findings"]

    assert (0, 0) == tuple(
        found["measurements"][key] for key in ("timelines_replayed", "decisions_of_restic")
    )
    assert (3, "empty", "restic") == (ended.returncode, finding["kind"], finding["subject"])


def test_place_that_takes_no_scenario_is_found_out_before_the_search() -> None:
    """Nobody, root neither, may write there; seen red, for the search ran to its end."""
    ended = run(*SEARCH, REPLAYED, cwd=Path("/proc/self"))

    assert 64 == ended.returncode
    assert b"the scenario of a failure cannot be written into this folder" in ended.stderr


@pytest.mark.heavy
@pytest.mark.long
def test_failure_that_does_not_come_back_is_kept(
    tmp_path: Path,
) -> None:
    """Goal: what was seen once is told, with the whole timeline, though it cannot be shrunk.

    Method: a restic that lies at its first calls alone. Seen red: the search lost its report.
    """
    count = f"n=0; until mkdir {tmp_path}/calls/$n 2>/dev/null; do n=$((n + 1)); done"
    once = f'{count}; [ $n -ge 3 ] || set -- "$@" --keep-last=1000'
    (tmp_path / "calls").mkdir()
    _lie(tmp_path / "bin", f"*--dry-run*) ;; *forget*) {once}")
    lying = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    few = ("--days", "4", "--hosts", "1", "--json", "--seed", "7")
    ended = run("simulate", "--explore", "200", *few, env=lying, cwd=tmp_path)
    (finding,) = report(ended.stdout)["findings"]
    (file,) = tmp_path.glob("explored-*.toml")

    assert (2, "disagreement") == (ended.returncode, finding["kind"])
    assert "It was not shown again, and this is the whole timeline" in finding["detail"]
    assert finding["evidence"]["scenario"] == file.read_text()


@pytest.mark.heavy
def test_one_seed_gives_one_report(tmp_path: Path) -> None:
    figures = [
        report(run(*SEARCH, REPLAYED, cwd=tmp_path).stdout)["measurements"] for _ in range(2)
    ]

    assert figures[0] == figures[1]
    assert figures[0]["decisions_of_restic"] > 0
    assert [] == list(tmp_path.iterdir())


@pytest.mark.heavy
def test_restic_that_decides_otherwise_is_found_shrunk_and_replayed(tmp_path: Path) -> None:
    """Goal: a search that ends in a file, and a command that shows the same again.

    Method: a program that keeps a snapshot more than restic stands before it on PATH. Without it
    the very same search, and the very same file, must be well.
    """
    honest, lying = environment(), environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    _lie(tmp_path / "bin")
    ended = run(*SEARCH, REPLAYED, env=lying, cwd=tmp_path)
    (finding,) = report(ended.stdout)["findings"]
    file = next(tmp_path.glob("explored-*.toml"))
    small = tomllib.loads(file.read_text())

    assert (2, "disagreement") == (ended.returncode, finding["kind"])
    assert f"`restic-verify scenario run {file.name}`" in finding["detail"]
    assert small["simulate"]["days"] <= 10
    assert 1 == len(small["hosts"])

    again = report(run("scenario", "run", file.name, "--json", env=lying, cwd=tmp_path).stdout)
    assert {"unexpected", "unmet"} >= {f["kind"] for f in again["findings"]} > set()
    assert 0 == run("scenario", "run", file.name, env=honest, cwd=tmp_path).returncode
    assert 0 == run(*SEARCH, REPLAYED, env=honest, cwd=tmp_path).returncode


IN_CYCLE = "6"
"""A seed with which the one timeline in 2,000 is of restic 0.14.0, and forgets."""


@pytest.mark.heavy
@pytest.mark.long
def test_cycle_that_goes_otherwise_is_found_where_the_decisions_are_right(tmp_path: Path) -> None:
    """Goal: what only a cycle shows is found, shrunk, and shown again by the file.

    Method: restic tells the truth about what it would forget, and then forgets less. Without it
    the very same file must be well.
    """
    _lie(tmp_path / "bin", '*--dry-run*) ;; *forget*) set -- "$@" --keep-last=1000')
    lying = environment(PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    few = ("--days", "4", "--hosts", "1", "--json", "--seed", IN_CYCLE)
    ended = report(run("simulate", "--explore", "2000", *few, env=lying, cwd=tmp_path).stdout)
    (finding,) = ended["findings"]
    file = next(tmp_path.glob("explored-*.toml"))

    assert (1, "disagreement") == (ended["measurements"]["timelines_in_cycle"], finding["kind"])
    assert "A cycle shows otherwise than the model" in finding["detail"]
    assert 2 == tomllib.loads(file.read_text())["simulate"]["days"]

    again = report(run("scenario", "run", file.name, "--json", env=lying, cwd=tmp_path).stdout)
    assert "unexpected" in {f["kind"] for f in again["findings"]}
    assert 0 == run("scenario", "run", file.name, cwd=tmp_path).returncode


def _lie(folder: Path, case: str = '*forget*) set -- "$@" --keep-last=2') -> None:
    folder.mkdir()
    real = shutil.which("restic")
    program = folder / "restic"
    program.write_text(f'#!/bin/sh\ncase "$*" in {case} ;; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
