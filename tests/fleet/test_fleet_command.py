"""`simulate --fidelity fleet` from the command line: the proof, and what stands in its way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import console
from tests.simulate.lab import kinds, run, timeline
from verifier.core.finding import Verdict


def _without_engine(folder: Path) -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{folder}/docker.sock"}


def _without_package(folder: Path) -> dict[str, str]:
    (folder / "docker.py").write_text('raise ModuleNotFoundError("none", name="docker")')
    return {"PYTHONPATH": str(folder)}


def _without_program(folder: Path) -> dict[str, str]:
    for name in ("restic", "rclone"):
        program = shutil.which(name)
        assert program is not None
        (folder / name).symlink_to(program)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (_without_engine, "no Docker engine answers"),
        (_without_package, "the Python package docker is not installed"),
        (_without_program, "the program `docker` is not on PATH"),
    ],
)
def test_what_lacks_is_one_sentence_and_another_way(
    tmp_path: Path, without: Callable[[Path], dict[str, str]], said: str
) -> None:
    done = console.run(
        "simulate",
        "--days=1",
        "--fidelity=fleet",
        env=console.environment(**without(tmp_path)),
    )
    sentence, remedy = done.stderr.decode().splitlines()

    assert (3, b"") == (done.returncode, done.stdout)
    assert f"restic-verify: Docker: {said}" == sentence
    assert remedy.endswith("or simulate without containers: --fidelity cycle")


@pytest.mark.heavy
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("release", ["0.14.0", "0.18.0", "0.19.1"])
def test_fleet_proves_days_that_are_still_to_come(release: str, restic_release: object) -> None:
    assert callable(restic_release)
    restic_release(release)
    report = run(f"--days 2 --hosts 2 --start 2031-06-01 --fidelity fleet --restic {release}")
    inputs = report.envelope()["inputs"]

    assert Verdict.OK == report.verdict
    assert set() == kinds(report)
    assert 4 == len(timeline(report)["survivors"])
    assert isinstance(inputs, dict)
    assert str(inputs["image"]).startswith("sha256:")
    assert str(inputs["clock"]).startswith("controlled")
