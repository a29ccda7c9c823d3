"""The worlds agree, and each check on them has been seen red.

Real restic throughout. A stand-in that misbehaves is a script around the real program; its healthy
twin is the program itself.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.simulate.lab import kinds, program, run, survivors, timeline
from verifier.core.finding import Verdict
from verifier.simulate import dataset
from verifier.simulate.dataset import Dataset

RESTIC = shutil.which("restic") or "restic is missing"
CYCLE = "--fidelity cycle --days 8 --segments 1"


def test_model_keeps_40_or_41() -> None:
    assert {40} == {
        g["survivors"] for g in timeline(run("--fidelity model --restic 0.14.0"))["groups"]
    }
    for release in ("0.16.0", "0.18.0", "0.19.1"):
        section = timeline(run(f"--fidelity model --restic {release}"))

        assert {41} == {g["survivors"] for g in section["groups"]}
        assert "oldest yearly snapshot" in section["notes"][0]


def test_decisions_agree_with_the_model() -> None:
    model = run("--fidelity model --days 60 --restic " + RESTIC)
    decisions = run("--days 60 --segments 3")

    assert survivors(model) == survivors(decisions)
    assert {"decisions": 180, "agreed": 180} == timeline(decisions)["agreement"]
    assert Verdict.OK is decisions.verdict


def test_a_forget_that_decides_otherwise_is_a_disagreement(tmp_path: Path) -> None:
    """Seen red: the program is asked for one daily less than the policy says."""
    wrong = program(tmp_path, "restic", f'exec {RESTIC} "${{@/--keep-daily=30/--keep-daily=29}}"')
    report = run(f"--days 40 --restic {wrong}")

    assert "disagreement" in kinds(report)
    assert Verdict.CRITICAL is report.verdict
    assert timeline(report)["agreement"]["agreed"] < timeline(report)["agreement"]["decisions"]


def test_missed_days_and_hosts_leave_their_gaps() -> None:
    report = run("--fidelity model --days 40 --miss 2024-01-10..2024-01-12 --down db1@2024-02-01")
    steps = {step["time"][:10]: step for step in timeline(report)["steps"]}

    assert ["web1", "db1", "mail1"] == steps["2024-01-11"]["missed"]
    assert [] == steps["2024-01-11"]["created"]
    assert ["db1"] == steps["2024-02-01"]["missed"]
    assert ["web1", "mail1"] == [s["host"] for s in steps["2024-02-01"]["created"]]
    assert [] == steps["2024-02-02"]["missed"]


def test_a_changed_path_list_begins_a_group() -> None:
    report = run("--fidelity model --days 40 --change-paths db1@2024-01-20=/srv")
    groups = {(g["host"], tuple(g["paths"])): g["survivors"] for g in timeline(report)["groups"]}

    assert 19 == groups["db1", ("/etc", "/var/backups/postgresql")]
    assert 21 == groups["db1", ("/srv",)]
    assert any("began a new group" in note for note in timeline(report)["notes"])


def test_several_runs_a_day_keep_the_last() -> None:
    report = run("--fidelity model --days 40 --at 04:00 --at 16:00 --keep-daily 7")

    assert 240 == timeline(report)["created"]
    assert {"16"} == {time[11:13] for _, time in survivors(report)}


@pytest.mark.heavy
def test_the_cycle_agrees_with_the_model() -> None:
    policy = "--days 24 --keep-daily 5 --keep-weekly 2"
    model = run(f"--fidelity model {policy} --restic {RESTIC}")
    cycle = run(f"--fidelity cycle {policy} --segments 2 --down db1@2024-01-09")
    healthy = [s for s in survivors(cycle) if s[0] != "db1"]

    assert Verdict.OK is cycle.verdict, cycle.findings
    assert [s for s in survivors(model) if s[0] != "db1"] == healthy
    assert "repository-sound" in {i["name"] for i in timeline(cycle)["invariants"] if i["checked"]}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("step-failed", 'case "$1" in backup) exit 1;; esac'),
        ("step-failed", 'case "$1" in forget) echo "Fatal: no" >&2; exit 1;; esac'),
        (
            "disagreement",
            'case "$1" in forget) set -- "${@/--keep-daily=30/--keep-daily=2}";; esac',
        ),
        ("unreachable-data", 'case "$1" in prune) exit 0;; esac'),
        (None, ":"),
    ],
    ids=["backup-fails", "forget-fails", "forget-takes-more", "prune-does-nothing", "healthy"],
)
def test_a_misbehaving_restic_is_found_out(tmp_path: Path, kind: str | None, script: str) -> None:
    policy = "--keep-daily 3" if kind == "unreachable-data" else "--keep-daily 30"
    wrong = program(tmp_path, "restic", f'{script}\nexec {RESTIC} "$@"')
    report = run(f"{CYCLE} {policy} --restic {wrong}")

    assert (kind in kinds(report)) if kind else (() == report.findings)


@pytest.mark.heavy
def test_an_offsite_copy_that_lags_is_found_out(tmp_path: Path) -> None:
    program(tmp_path, "rclone", "exit 0")
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    assert "off-site" in {finding.subject for finding in run(CYCLE, environ).findings}
    assert () == run(CYCLE).findings


@pytest.mark.heavy
def test_a_segment_with_other_data_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen red: each segment draws from its own seed, so no seam fits; then it runs again."""
    seeds = iter(range(1, 100))
    monkeypatch.setattr(dataset, "Dataset", lambda _: Dataset(next(seeds)))
    report = run("--fidelity cycle --days 6 --segments 2")

    assert ["segments"] == [f.subject for f in report.findings if f.kind == "disagreement"]
    assert {"decisions": 18, "agreed": 18} == timeline(report)["agreement"]
