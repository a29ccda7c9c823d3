"""A whole `monthly` whose packs are read by a cluster, from an object store; workers die meanwhile.

Goal: a cluster gives the report that one machine gives, and a dead worker costs nothing of it.
Method: a real scheduler and two workers, a real S3 server; one worker is stopped, so that what it
was given is surely not done, and killed once it has been given something. Red where a result is
lost or counted twice, where the work is not done on the cluster at all, or where a lost cluster
is waited for, or takes what was seen with it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from tests.drill.lab import PASSWORD, Lab
from tests.servers.dask import DaskCluster, dask_cluster
from tests.servers.s3 import S3Server, s3_server
from verifier.cli.main import main
from verifier.simulate.forge import cheapen

__all__ = ("dask_cluster", "s3_server")

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
[offsite]
method = "rclone-sync"
target = "{lab.repository}"
[[hosts]]
name = "web1"
address = "local"
include = ["{lab.live}"]
"""

BACKUPS = 12
Report = dict[str, Any]
Run = Callable[[], tuple[int, Report]]


@pytest.fixture
def lab(
    restic_program: str, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Lab:
    """A host with many packs; the repository lies in an object store, its mirror in a folder."""
    lab = Lab(tmp_path, restic_program)
    lab.restic("init")
    cheapen(lab.repository, PASSWORD)
    for number in range(BACKUPS):
        lab.write(**{f"file{number}": os.urandom(200_000)})
        lab.backup()
    environ = {"RESTIC_PASSWORD": PASSWORD, "RESTIC_CACHE_DIR": str(tmp_path / "cache")}
    for name, value in {**environ, **s3_server.environ}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    s3_server.upload(lab.repository, folder(lab))
    text = CONFIG.format(lab=lab, location=s3_server.location(folder(lab)))
    (tmp_path / "verify.toml").write_text(text)
    return lab


def folder(lab: Lab) -> str:
    """Return the bucket and folder of a laboratory's repository."""
    return f"cluster-{lab.root.name.replace('_', '-')}/restic"


@pytest.fixture
def run(dask_cluster: DaskCluster, lab: Lab, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `monthly` on the cluster; return its exit code and its report."""

    def call() -> tuple[int, Report]:
        status = main(["monthly", "--json", "--executor", dask_cluster.spec])
        said = capsys.readouterr()

        assert "Traceback" not in said.err, said.err

        return status, json.loads(said.out)

    return call


def kinds(report: Report) -> set[tuple[str, str]]:
    """Return kind and subject of what is above OK; of a pack its folder."""
    return {
        (f["kind"], f["subject"].partition("data/")[0] or "data")
        for f in report["findings"]
        if f["severity"] != "OK"
    }


@contextmanager
def killed_when_busy(cluster: DaskCluster, *doomed: int) -> Iterator[None]:
    """Stop some workers, and kill each as soon as it was given something to do."""
    with Client(cluster.address, set_as_default=False) as client:
        workers = client.scheduler_info()["workers"]
        places = {workers[at]["name"]: at for at in workers}
        victims = [(places[("one", "two")[at]], cluster.workers[at]) for at in doomed]

        def kill() -> None:
            for place, process in victims:
                while not client.processing().get(place):
                    if process.poll() is not None:
                        return
                process.kill()

        for _, process in victims:
            process.send_signal(signal.SIGSTOP)
        thread = threading.Thread(target=kill)
        thread.start()
        yield
        thread.join(60)
    assert [-signal.SIGKILL] * len(victims) == [process.wait(60) for _, process in victims]


def test_a_worker_that_is_killed_costs_nothing(
    dask_cluster: DaskCluster, lab: Lab, run: Run
) -> None:
    with killed_when_busy(dask_cluster, 0):
        status, report = run()
    found = report["drill"]["repository"]

    assert (0, set()) == (status, kinds(report))
    assert 2 * BACKUPS <= found["packs"] == found["packs_read"]
    assert report["coverage"]["checked"] == report["coverage"]["total"]
    assert report["drill"]["off_site"]["packs_read"] == found["packs"]


def test_a_bad_pack_is_found_all_the_same(
    dask_cluster: DaskCluster, lab: Lab, run: Run, s3_server: S3Server
) -> None:
    """The mirror is the twin: what the store has lost is whole there."""
    pack = max((p for p in lab.repository.glob("data/*/*")), key=lambda p: p.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[200] ^= 1
    altered = lab.root / "altered"
    subprocess.run(("cp", "-a", str(lab.repository), str(altered)), check=True)
    bad = altered / pack.relative_to(lab.repository)
    bad.chmod(0o600)
    bad.write_bytes(content)
    s3_server.upload(altered, folder(lab))
    with killed_when_busy(dask_cluster, 1):
        status, report = run()
    (lost,) = {s for kind, s in kinds(report) if kind == "lost" and s != "data"}

    assert 2 == status
    assert lost.startswith(f"web1:{lab.live}/file")
    assert "recoverable" in {f["kind"] for f in report["findings"]}


# What a host answered is dropped with the run, and Python says so of the file that it lay in.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cluster_that_dies_is_unknown_and_the_next_run_goes_on(
    dask_cluster: DaskCluster, lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hurried, killed_when_busy(dask_cluster, 0, 1):
        hurried.setattr("verifier.reader.cluster.PATIENCE_S", 1.0)
        status, report = run()
    gc.collect()

    assert (3, "UNKNOWN") == (status, report["verdict"])
    assert f"dask://{dask_cluster.address}" in str(report["findings"])
    with dask_cluster.restarted():
        status, report = run()
    assert (0, set()) == (status, kinds(report))
    assert report["coverage"]["checked"] == report["coverage"]["total"]
