"""`restic-verify audit`, run as a user runs it: on a list, on a repository, and on nonsense."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.console import environment, report, run
from verifier.core.host import Command
from verifier.fleet.local import LocalHost
from verifier.simulate.forge import cheapen

PASSWORD = "audited"
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
AT = ("--now", NOW.isoformat())
SYSTEMS_OWN = Path("/etc/restic-verify/verify.toml")

CONFIG = """\
schema = 1
[repository]
location = "{location}"
password-file = "{password}"
[coordinator]
name = "jak"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[history]
file = "{history}"
[audit]
warn-age = "24h"
alarm-age = "28h"
[[hosts]]
name = "web1"
include = ["{include}"]
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """What `restic snapshots --json` prints of a month of nightly backups, one night lacking."""
    nights = [NOW - timedelta(days=day, hours=8) for day in range(30) if day != 7]
    snapshots = [
        {"id": f"{n:064x}", "time": at.isoformat(), "hostname": "web1", "paths": ["/srv"]}
        for n, at in enumerate(nights)
    ]
    (tmp_path / "snapshots.json").write_text(json.dumps(snapshots))
    return tmp_path / "snapshots.json"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real repository with one backup, made now."""
    program = shutil.which("restic")
    if program is None:
        pytest.fail("restic is not on PATH: these tests ask the real program, install it first")
    root = tmp_path_factory.mktemp("audit")
    (root / "live").mkdir()
    (root / "live" / "file").write_text("content")
    for line in (("init",), ("backup", "-q", "--host=web1", str(root / "live"))):
        argv = (program, "--no-cache", "-r", str(root / "repository"), *line)
        done = LocalHost().run(Command(argv, env={"RESTIC_PASSWORD": PASSWORD}))

        assert done.status == 0, done.stderr

        if line == ("init",):
            cheapen(root / "repository", PASSWORD)
    (root / "password").write_text(PASSWORD)
    config = CONFIG.format(
        location=root / "repository",
        password=root / "password",
        include=root / "live",
        history=root / "history.sqlite",
    )
    (root / "verify.toml").write_text(config)
    return root


def test_gap_of_a_list_is_a_warning(listed: Path) -> None:
    done = run("audit", "--snapshots", str(listed), "--keep-daily", "30", *AT, "--json")
    found = report(done.stdout)

    assert 1 == done.returncode
    assert ["gap"] == [f["kind"] for f in found["findings"] if f["severity"] != "OK"]
    assert [{"rule": "daily", "words": "2024-02-23 (1 day)"}] == found["audit"]["groups"][0]["gaps"]
    assert {"content not read": 29} == found["coverage"]["skipped"]


def test_list_without_a_policy_has_ages_alone(listed: Path) -> None:
    done = run("audit", "--snapshots", "-", *AT, stdin=listed.read_bytes())

    assert 0 == done.returncode
    assert done.stdout.startswith(b"OK: 29 snapshots of 1 host in 1 group, 0 gaps\n")


def test_old_list_has_stopped(listed: Path) -> None:
    line = ("audit", "--snapshots", str(listed), "--now", "2024-03-09T00:00:00Z", "--json")

    assert ["stopped"] == [f["kind"] for f in report(run(*line).stdout)["findings"]]


def test_empty_list_is_not_passed(tmp_path: Path) -> None:
    done = run("audit", "--snapshots", "-", "--json", stdin=b"[]")

    assert (3, ["empty"]) == (
        done.returncode,
        [finding["kind"] for finding in report(done.stdout)["findings"]],
    )


def test_healthy_repository_is_passed_by_its_configuration(repository: Path) -> None:
    done = run("audit", "--config", str(repository / "verify.toml"), "--json")
    found = report(done.stdout)

    assert (0, []) == (done.returncode, found["findings"])
    assert [("web1", True)] == [(h["host"], h["expected"]) for h in found["audit"]["hosts"]]
    assert re.fullmatch(r"[0-9a-f]{64}", found["inputs"]["repository_id"])


@pytest.mark.skipif(SYSTEMS_OWN.exists(), reason="this machine has a configuration of its own")
def test_repository_opens_with_restics_environment(repository: Path) -> None:
    env = environment(RESTIC_REPOSITORY=str(repository / "repository"), RESTIC_PASSWORD=PASSWORD)

    assert 0 == run("audit", env=env, cwd=repository / "live").returncode


def test_host_that_is_not_configured_is_wrong_usage(repository: Path) -> None:
    done = run("audit", "--config", str(repository / "verify.toml"), "--host", "db1")

    assert 64 == done.returncode
    assert b"hosts are web1" in done.stderr


def test_host_without_a_snapshot_is_empty(repository: Path) -> None:
    env = environment(RESTIC_PASSWORD=PASSWORD)
    line = ("audit", "--repo", str(repository / "repository"), "--host", "db1", "--json")
    done = run(*line, env=env)

    assert (3, {("empty", "db1")}) == (
        done.returncode,
        {(f["kind"], f["subject"]) for f in report(done.stdout)["findings"]} - {("empty", "audit")},
    )


def test_wrong_password_could_not_verify(repository: Path) -> None:
    env = environment(RESTIC_PASSWORD="wrong")
    done = run("audit", "--repo", str(repository / "repository"), "--json", env=env)

    assert (3, ["could-not-verify"]) == (
        done.returncode,
        [finding["kind"] for finding in report(done.stdout)["findings"]],
    )


@pytest.mark.parametrize(
    "line",
    [
        (),
        ("--repo", "/r", "--snapshots", "-"),
        ("--snapshots", "/no/such/file"),
        ("--snapshots", "-", "--now", "yesterday"),
        ("--snapshots", "-", "--rules", "0.1"),
        ("--snapshots", "-", "--timezone", "Moon/Base"),
        ("--snapshots", "-", "--keep-daily", "many"),
        ("--repo", "rest:http://host/"),
    ],
    ids=" ".join,
)
def test_nonsense_is_wrong_usage(line: tuple[str, ...], tmp_path: Path) -> None:
    env = environment(RESTIC_REPOSITORY=None, RESTIC_PASSWORD=PASSWORD)
    done = run("audit", *line, env=env, cwd=tmp_path, stdin=b"[]")

    assert 64 == done.returncode
    assert done.stderr.startswith(b"restic-verify: ")


def test_page_and_report_are_written(listed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    line = ("audit", "--snapshots", str(listed), "--keep-daily=30", *AT, "--report", str(folder))

    assert 1 == run(*line).returncode
    assert "2024-02-23" in (folder / "index.html").read_text()
    assert "audit" in report((folder / "report.json").read_text())
