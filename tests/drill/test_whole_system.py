"""`monthly` end to end: several hosts, a copy in an object store, faults in each, one report.

Goal: what the timer's job says is so, from `verify.toml` to the exit code. Method: real restic,
real S3; a fault is made in one place at a time, and the kinds above OK are compared as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.drill.ground import flip, largest
from tests.drill.lab import PASSWORD, Lab
from tests.servers.s3 import S3Server, s3_server
from verifier.cli.main import main
from verifier.core.host import Command

__all__ = ("s3_server",)

CONFIG = """
schema = 1
[repository]
location = "{lab.repository}"
[coordinator]
name = "jak"
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
workers = 1
[offsite]
method = "{method}"
target = "{target}"
{location}
[[hosts]]
name = "web1"
address = "local"
include = ["{lab.live}/web1"]
[[hosts]]
name = "db1"
address = "local"
source-root = "{lab.root}/slash"
include = ["{lab.live}/db1"]
[[canaries]]
host = "db1"
path = "{lab.live}/db1/canary"
sha256 = "{canary}"
"""

CANARY = b"a canary sings the same song for ever"
Report = dict[str, Any]


@pytest.fixture
def hosts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Two hosts with a snapshot each."""
    lab.write(web1__page=os.urandom(50_000), db1__rows=os.urandom(60_000), db1__canary=CANARY)
    for name in ("web1", "db1"):
        lab.backup(f"{lab.live}/{name}", host=name)
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(lab.root / "cache"))
    monkeypatch.chdir(lab.root)
    return lab


def configure(lab: Lab, method: str, target: str, location: str = "") -> None:
    """Write `verify.toml`."""
    values = {
        "lab": lab,
        "method": method,
        "target": target,
        "location": f'location = "{location}"' if location else "",
        "canary": hashlib.sha256(CANARY).hexdigest(),
    }
    slash = lab.root / "slash"
    if not slash.exists():
        # Hosts of one machine have roots of their own.
        slash.symlink_to("/")
    (lab.root / "verify.toml").write_text(CONFIG.format(**values))


@pytest.fixture
def mirror(hosts: Lab) -> Path:
    """A mirror of the repository in a folder, and the configuration that names it."""
    folder = hosts.root / "mirror"
    shutil.copytree(hosts.repository, folder)
    configure(hosts, "rclone-sync", str(folder))
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, Report]]:
    """Run the command; return its exit code and its report."""

    def call() -> tuple[int, Report]:
        status = main(["monthly", "--json"])
        return status, json.loads(capsys.readouterr().out)

    return call


def above_ok(report: Report) -> set[tuple[str, str]]:
    """Return kind and subject of what is above OK; of a pack its folder."""
    return {
        (f["kind"], f["subject"].partition("data/")[0] or "data")
        for f in report["findings"]
        if f["severity"] != "OK"
    }


def test_all_parts_of_a_healthy_system_are_ok(mirror: Path, run: Callable[..., Any]) -> None:
    status, report = run()
    drill = report["drill"]

    assert (0, set()) == (status, above_ok(report))
    assert ["web1", "db1"] == [host["host"] for host in drill["hosts"]]
    assert ["web1", "db1"] == [one["host"] for one in drill["rehearsals"]]
    assert drill["off_site"]["packs_read"] == drill["off_site"]["packs"] == 4
    assert {"web1", "db1"} == {host["host"] for host in report["audit"]["hosts"]}
    assert report["coverage"]["checked"] == report["coverage"]["total"]


def test_what_the_repository_lost_and_the_copy_holds_is_recoverable(
    hosts: Lab, mirror: Path, run: Callable[..., Any]
) -> None:
    flip(largest(hosts.repository))
    status, report = run()
    rows = f"db1:{hosts.live}/db1/rows"

    assert 2 == status
    assert {("lost", "data"), ("lost", rows)} == above_ok(report)
    assert "recoverable" in {f["kind"] for f in report["findings"]}
    flip(largest(mirror))
    status, report = run()
    assert {("lost", "data"), ("lost", rows), ("lost", "off-site ")} == above_ok(report)
    assert "recoverable" not in {f["kind"] for f in report["findings"]}


def test_one_altered_pack_in_the_copy_is_named_and_the_repository_is_not(
    mirror: Path, run: Callable[..., Any]
) -> None:
    flip(largest(mirror))
    status, report = run()

    assert (2, {("lost", "off-site ")}) == (status, above_ok(report))


@pytest.mark.parametrize("file", ["config", "index"])
def test_a_file_that_the_copy_lacks_or_has_otherwise_is_told_once(
    mirror: Path, run: Callable[..., Any], file: str
) -> None:
    if file == "config":
        (mirror / "config").unlink()
    else:
        flip(min((mirror / "index").iterdir()))
    found = [
        (f["kind"], f["subject"].partition("/")[0])
        for f in run()[1]["findings"]
        if f["subject"].startswith(f"off-site {file}")
    ]

    assert [("copy-lacks" if file == "config" else "copy-differs", f"off-site {file}")] == found


def test_a_canary_that_was_changed_is_told_though_backup_and_live_file_agree(
    hosts: Lab, mirror: Path, run: Callable[..., Any]
) -> None:
    hosts.write(db1__canary=b"encrypted")
    hosts.backup(f"{hosts.live}/db1", host="db1")
    shutil.rmtree(mirror)
    shutil.copytree(hosts.repository, mirror)
    status, report = run()

    assert (2, {("canary-changed", f"db1:{hosts.live}/db1/canary")}) == (status, above_ok(report))


@pytest.mark.heavy
def test_a_mirror_in_an_object_store_is_drilled_like_one_in_a_folder(
    hosts: Lab, run: Callable[..., Any], s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Red where S3 is not read, or where one altered or absent pack there is not seen."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    folder = "whole-mirror/restic"
    configure(hosts, "rclone-sync", "cloud:ignored", s3_server.location(folder))
    healthy = hosts.root / "mirrored"
    shutil.copytree(hosts.repository, healthy)
    s3_server.upload(healthy, folder)
    status, report = run()

    assert (0, set()) == (status, above_ok(report))
    assert 4 == report["drill"]["off_site"]["packs_read"]
    flip(largest(healthy))
    s3_server.upload(healthy, folder)
    status, report = run()
    assert (2, {("lost", "off-site ")}) == (status, above_ok(report))
    largest(healthy).unlink()
    s3_server.upload(healthy, folder)
    status, report = run()
    assert 2 == status
    assert ("copy-lacks", "off-site db1") in above_ok(report)


@pytest.mark.heavy
def test_a_copy_by_restic_in_an_object_store_is_held_against_its_repository(
    hosts: Lab, run: Callable[..., Any], s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Red where a copy's own IDs, keys or password matter, or where a lack is not seen."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    location = s3_server.location("whole-copy/restic")
    password = hosts.root / "copy-password"
    password.write_text("another password")
    extra = f'{location}"\npassword-file = "{password}"\nmax-lag = "1s'
    configure(hosts, "restic-copy", location, extra)
    source = {
        "RESTIC_FROM_PASSWORD": PASSWORD,
        "RESTIC_FROM_REPOSITORY": str(hosts.repository),
    }

    def restic(*arguments: str, env: Mapping[str, str]) -> None:
        there = {"RESTIC_PASSWORD_FILE": str(password), "RESTIC_REPOSITORY": location}
        words = (hosts.program, "--no-cache", "-q", *arguments)
        done = hosts.here.run(Command(words, env={**s3_server.environ, **there, **env}))
        assert 0 == done.status, done.stderr.decode()

    restic("init", env={})
    restic("copy", "--host", "web1", env=source)
    _, report = run()

    assert {("copy-lacks", "off-site db1")} == above_ok(report)
    restic("copy", env=source)
    status, report = run()
    assert (0, set()) == (status, above_ok(report))
    assert "restic-copy" == report["drill"]["off_site"]["method"]
