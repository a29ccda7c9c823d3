"""`simulate --fidelity fleet` from the command line: the proof, and what stands in its way."""

from __future__ import annotations

import os

import pytest

from tests.simulate.lab import kinds, run, timeline
from verifier.core.errors import CannotVerify
from verifier.core.finding import Verdict


def test_without_docker_one_sentence_names_another_way() -> None:
    environ = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    with pytest.raises(CannotVerify) as caught:
        run("--days 1 --fidelity fleet", environ)

    assert "no Docker engine answers" == caught.value.message
    assert "--fidelity cycle" in caught.value.remedy


@pytest.mark.heavy
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
