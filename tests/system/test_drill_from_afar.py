"""A whole `monthly` of a repository behind SFTP, whose mirror lies in an object store.

Goal: what lies far away is judged as what lies here. Method: a real sshd, which restic and the
reader both go by, and a real S3 server; one side is damaged at a time. Red where a side is not
read, or is mistaken for the other, or where what is far away is not found lost.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.drill.ground import flip, largest
from tests.drill.lab import PASSWORD, Lab
from tests.servers.s3 import S3Server, s3_server
from tests.servers.sshd import Sshd, ssh_path, sshd
from verifier.cli.main import main
from verifier.simulate.forge import cheapen

__all__ = ("s3_server", "ssh_path", "sshd")

pytestmark = pytest.mark.heavy

CONFIG = """
schema = 1
[repository]
location = "{location}"
[coordinator]
name = "jak"
key-file = "/absent"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[history]
file = "{lab.ledger}.history"
[monthly]
scratch = "{lab.scratch}"
ledger = "{lab.ledger}"
workers = 2
[offsite]
method = "rclone-sync"
target = "cloud:ignored"
location = "{copy}"
[[hosts]]
name = "web1"
address = "local"
include = ["{lab.live}"]
"""

FOLDER = "from-afar/restic"
DIRECTORIES = 40
Report = dict[str, Any]
Run = Callable[[], tuple[int, Report]]


@pytest.fixture
def lab(
    restic_program: str,
    tmp_path: Path,
    sshd: Sshd,
    ssh_path: str,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Lab:
    """A host with more directories than are asked for one by one."""
    lab = Lab(tmp_path, restic_program)
    lab.restic("init")
    cheapen(lab.repository, PASSWORD)
    lab.write(
        big=os.urandom(2 << 20), **{f"d{n}__file": os.urandom(900) for n in range(DIRECTORIES)}
    )
    lab.backup()
    environ = {"RESTIC_PASSWORD": PASSWORD, "RESTIC_CACHE_DIR": str(tmp_path / "cache")}
    for name, value in {**environ, **s3_server.environ}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    s3_server.upload(lab.repository, FOLDER)
    places = {"location": sshd.location(lab.repository), "copy": s3_server.location(FOLDER)}
    (tmp_path / "verify.toml").write_text(CONFIG.format(lab=lab, **places))
    return lab


@pytest.fixture
def run(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `monthly`; return its exit code and its report."""

    def call() -> tuple[int, Report]:
        status = main(["monthly", "--json"])
        said = capsys.readouterr()

        assert "Traceback" not in said.err, said.err

        return status, json.loads(said.out)

    return call


def kinds(lab: Lab, report: Report) -> set[tuple[str, str]]:
    """Return kind and subject of what is above OK; of a pack its folder, of a file its name."""
    return {
        (f["kind"], f["subject"].replace(str(lab.live), "").partition("data/")[0])
        for f in report["findings"]
        if f["severity"] != "OK"
    }


def test_both_sides_far_away_are_ok(lab: Lab, run: Run) -> None:
    status, report = run()
    drill = report["drill"]

    assert (0, set()) == (status, kinds(lab, report))
    assert drill["repository"]["packs"] == drill["repository"]["packs_read"] > 0
    assert drill["off_site"]["packs_read"] == drill["repository"]["packs"]
    assert {"identical": 2 * DIRECTORIES + 2} == drill["hosts"][0]["counts"]


def test_what_the_repository_lost_is_named_and_recoverable(lab: Lab, run: Run) -> None:
    flip(largest(lab.repository))
    status, report = run()

    assert 2 == status
    assert ["", "web1:/"] == sorted(
        subject[:6] for kind, subject in kinds(lab, report) if kind == "lost"
    )
    assert 2 == len(kinds(lab, report))
    assert "recoverable" in {f["kind"] for f in report["findings"]}


def test_a_mirror_in_the_middle_of_a_sync_lacks_what_has_not_arrived(
    lab: Lab, run: Run, s3_server: S3Server
) -> None:
    """The index is there before the pack that it lists."""
    halfway = lab.root / "halfway"
    shutil.copytree(lab.repository, halfway)
    largest(halfway).unlink()
    s3_server.upload(halfway, FOLDER)
    status, report = run()

    assert 2 == status
    assert {("copy-lacks", "off-site web1"), ("lost", "off-site ")} == kinds(lab, report)


def test_a_copy_that_nobody_serves_leaves_the_rest_as_it_is(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "revoked")
    status, report = run()
    (finding,) = (f for f in report["findings"] if f["severity"] != "OK")

    assert (3, "could-not-verify", "off-site") == (status, finding["kind"], finding["subject"])
    assert "AWS_SECRET_ACCESS_KEY" in finding["evidence"]["remedy"]
    assert "revoked" not in json.dumps(report)
    assert {"identical": 2 * DIRECTORIES + 2} == report["drill"]["hosts"][0]["counts"]
