"""A cycle is believed only if its stages and its end say the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from verifier.core.finding import Finding
from verifier.core.host import Completed
from verifier.monitor.spoken import Stage
from verifier.simulate.timeline import Step
from verifier.simulate.worlds.stages import Ran, failures, parse_stages

AT = datetime(2024, 1, 1, 4, tzinfo=UTC)
WEB = "backup host=web1 status=0 duration_s=1\n"
FORGET = "forget status=0 duration_s=0\nprune status=0 duration_s=0\n"
WELL = "run status=0 duration_s=2\nFinished run backups.\n"
ILL = "run status=1 duration_s=2\nFailed run backups.\n"


def found(stdout: str, status: int, missed: tuple[str, ...] = ()) -> list[Finding]:
    done = Completed(status, stdout.encode(), b"Fatal: no\n", 2.0)
    return list(failures(Ran(Step(AT, (), missed), parse_stages(done.stdout), done)))


def test_stages_are_read_among_other_output() -> None:
    noise = '{"message_type":"summary"}\n  status=0\nbackup: no status=1 here\n'

    assert (Stage("backup", "web1", 0, 1), Stage("forget", "", 0, 0), Stage("prune", "", 0, 0)) == (
        parse_stages((noise + WEB + noise + FORGET + WELL).encode())
    )


def test_a_cycle_that_went_well_is_no_finding() -> None:
    assert [] == found(WEB + FORGET + WELL, 0)


@pytest.mark.parametrize(
    ("stdout", "status", "subject"),
    [
        (WEB.replace("=0", "=1") + FORGET + ILL, 1, "web1"),
        (WEB + FORGET.replace("forget status=0", "forget status=11") + ILL, 1, "forget"),
        (WEB + FORGET + "offsite status=3 duration_s=1\n" + ILL, 1, "offsite"),
        ("password status=3 reason=key-file-absent\n" + ILL, 3, "run-backups"),
        (WEB + FORGET, 0, "run-backups"),
        (WEB + FORGET, -9, "run-backups"),
        (WEB + ILL, 2, "run-backups"),
        (WEB + FORGET + WELL, 1, "run-backups"),
        (WELL, 0, "run-backups"),
        ("", 127, "run-backups"),
    ],
    ids=[
        "backup",
        "forget",
        "off-site",
        "password",
        "no-end",
        "killed",
        "stopped-half-way",
        "status-of-its-own",
        "no-stage",
        "not-started",
    ],
)
def test_a_failure_is_found(stdout: str, status: int, subject: str) -> None:
    (finding,) = found(stdout, status)

    assert ("step-failed", subject) == (finding.kind, finding.subject)


def test_a_host_that_is_down_fails_without_a_finding() -> None:
    down = WEB.replace("=0", "=255") + FORGET + ILL

    assert [] == found(down, 1, missed=("web1",))
    assert ["web1"] == [finding.subject for finding in found(down, 1, missed=("db1",))]


@pytest.mark.parametrize(
    ("stdout", "status", "ended"),
    [
        (WEB + FORGET + WELL, 0, {"forget", "prune"}),
        (WEB + FORGET.replace("prune status=0", "prune status=1") + ILL, 1, {"forget"}),
        (WEB + "forget status=1 duration_s=0\n" + ILL, 1, set()),
        (WEB, -9, set()),
        ("", 0, {"forget", "prune"}),
    ],
    ids=["both", "forget-alone", "neither", "broken-off", "silent"],
)
def test_what_ran_to_its_end_is_known(stdout: str, status: int, ended: set[str]) -> None:
    done = Completed(status, stdout.encode(), b"", 2.0)
    ran = Ran(Step(AT, (), ()), parse_stages(done.stdout), done)

    assert ended == {name for name in ("forget", "prune") if ran.ended(name)}
