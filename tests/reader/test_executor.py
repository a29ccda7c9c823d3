"""Packs read in processes of this machine and by a real cluster, whose workers are killed."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reader.conftest import Made, Restic
from tests.servers.dask import DaskCluster
from verifier.core.errors import CannotVerify, RepositoryUnreadable, ToolMissing, UsageError
from verifier.reader.cluster import open_cluster
from verifier.reader.contents import check_packs
from verifier.reader.executor import open_executor
from verifier.reader.location import open_storage
from verifier.reader.repository import open_repository

PACKS = 24


def process_id(_: object = None) -> int:
    return os.getpid()


def die_once(marker: Path, number: int) -> int:
    """Kill the process that does this, the first time that anything does."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return number
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def die(_: object = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> int:
    """Do to this process what Ctrl-C does to the whole group."""
    os.kill(os.getpid(), signal.SIGINT)
    return os.getpid()


def refuse() -> None:
    raise RepositoryUnreadable("far away", "cannot be read", "look at the cable")


def note(folder: Path, number: int) -> int:
    """Leave a mark in a folder; the first waits until a pipe in it is opened."""
    (folder / f"{number}.done").touch()
    if number == 0:
        (folder / "gate").read_bytes()
    return number


def peak_bytes() -> int:
    """Return how much memory this process had at most."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


@pytest.fixture(scope="module")
def many_packs(
    restic_program: str, empty_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """A repository of more packs than two workers have in hand at one time."""
    root = tmp_path_factory.mktemp("many")
    shutil.copytree(empty_of("2"), root / "repository")
    restic = Restic(restic_program, root / "repository")
    (root / "source").mkdir()
    for number in range(PACKS):
        (root / "source" / "file").write_bytes(random.Random(number).randbytes(100_000))
        restic("backup", "source", cwd=root)
    return Made(root / "repository", root / "source", restic)


def wait_for(event: Path, number: int) -> int:
    """Say so, and open a named pipe: which waits until somebody opens its other end."""
    os.write(1, b"begun\n")
    with event.open("rb"):
        return number


def test_work_is_done_in_other_processes():
    with open_executor("local", 2, os.environ) as executor:
        done = {executor.submit(process_id, number).result(60) for number in range(8)}

    assert os.getpid() not in done
    assert len(done) <= 2


def test_processes_have_the_environment_of_the_moment(monkeypatch):
    """PATH names the ssh that is used: the server that forks them may have been started before."""
    for value in ("first", "second"):
        monkeypatch.setenv("VERIFY_TEST_ENVIRONMENT", value)
        with open_executor("local", 1, os.environ) as pool:
            assert value == pool.submit(os.getenv, "VERIFY_TEST_ENVIRONMENT").result()


@pytest.mark.heavy
def test_a_killed_process_costs_no_result(tmp_path):
    with open_executor("local", 2, os.environ) as executor:
        due = [executor.submit(die_once, tmp_path / "killed", number) for number in range(100)]

        assert list(range(100)) == [future.result(60) for future in due]
    assert (tmp_path / "killed").exists()


def test_cancelled_work_is_neither_done_nor_complained_about(tmp_path, caplog):
    """As when the time is up: what was handed in ahead must not be read all the same."""
    os.mkfifo(tmp_path / "gate")
    with open_executor("local", 1, os.environ) as executor:
        due = [executor.submit(note, tmp_path, number) for number in range(40)]
        cancelled = [future.cancel() for future in due]
        (tmp_path / "gate").write_bytes(b"open")

        assert executor.submit(note, tmp_path, 40).result(60) == 40
    assert all(cancelled)
    assert len(list(tmp_path.glob("*.done"))) < 6
    assert caplog.records == []


@pytest.mark.heavy
def test_work_that_kills_every_process_is_an_error():
    with (
        open_executor("local", 1, os.environ) as executor,
        pytest.raises(CannotVerify, match="again and again") as error,
    ):
        executor.submit(die).result(60)

    assert "memory" in error.value.remedy


def test_an_error_comes_back_whole():
    with (
        open_executor("local", 1, os.environ) as executor,
        pytest.raises(RepositoryUnreadable) as error,
    ):
        executor.submit(refuse).result(60)

    assert (error.value.subject, error.value.remedy) == ("far away", "look at the cable")


def test_ctrl_c_is_for_the_one_that_asked():
    with open_executor("local", 1, os.environ) as executor:
        assert executor.submit(interrupt).result(60) != os.getpid()


CHILD = """
import os
import sys
from pathlib import Path
from tests.reader.test_executor import wait_for
from verifier.reader.executor import open_executor

def main():
    with open_executor("local", 2, os.environ) as executor:
        executor.submit(wait_for, Path(sys.argv[1]), 1).result()

if __name__ == "__main__":
    main()
"""


@pytest.mark.heavy
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_one_that_asked(ending, tmp_path):
    (tmp_path / "child.py").write_text(CHILD)
    os.mkfifo(tmp_path / "never")
    command = (sys.executable, str(tmp_path / "child.py"), str(tmp_path / "never"))
    # Its own folder for what it leaves, by a path that is short enough for a socket in it.
    temporary = Path(tempfile.mkdtemp(prefix="left-"))
    env = {**os.environ, "PYTHONPATH": str(Path.cwd()), "TMPDIR": str(temporary)}
    child = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"begun\n"
    if ending == signal.SIGINT:
        os.killpg(child.pid, ending)
    else:
        child.send_signal(ending)

    # Whoever is left holds the other end of this pipe, and it would not end.
    with child:
        said = child.stdout.read()
    assert (b"KeyboardInterrupt" in said) == (ending == signal.SIGINT)
    assert said.count(b"Traceback") <= 1
    assert [] == list(temporary.iterdir())
    temporary.rmdir()


@pytest.mark.heavy
def test_a_pool_reads_a_repository_from_afar_in_little_memory(made_of, s3_server):
    made = made_of("v2")
    s3_server.upload(made.root, "pool/r")
    storage = open_storage(s3_server.location("pool/r"), s3_server.environ)
    here = open_repository(made.root, made.password)
    with open_executor("local", 2, os.environ) as executor:
        far = open_repository(storage, made.password)
        found = set(check_packs(far, executor, read_data=True))
        peak = executor.submit(peak_bytes).result(60)

    assert found == set(check_packs(here, None, read_data=True))
    assert peak < 150 << 20


@pytest.mark.heavy
def test_a_cluster_loses_a_worker_and_no_result(dask_cluster, many_packs, s3_server):
    s3_server.upload(many_packs.root, "cluster/r")
    storage = open_storage(s3_server.location("cluster/r"), s3_server.environ)
    here = open_repository(many_packs.root, many_packs.password)
    expected = set(check_packs(here, None, read_data=True))
    with open_executor(dask_cluster.spec, 1, os.environ) as executor:
        far = open_repository(storage, many_packs.password)
        # Stopped, so that what it was given is surely not done when it dies.
        dask_cluster.workers[0].send_signal(signal.SIGSTOP)
        checks = check_packs(far, executor, read_data=True)
        found = {next(checks)}
        dask_cluster.workers[0].kill()
        found |= set(checks)

    assert dask_cluster.workers[0].wait(60) == -signal.SIGKILL
    assert len(expected) > PACKS
    assert found == expected


@pytest.mark.heavy
def test_cancelled_work_is_not_done_by_a_cluster(dask_cluster, tmp_path, caplog):
    with open_executor(dask_cluster.spec, 1, os.environ) as executor:
        for worker in dask_cluster.workers:
            worker.send_signal(signal.SIGSTOP)
        due = [executor.submit(note, tmp_path, number) for number in range(1, 40)]
        cancelled = [future.cancel() for future in due]
        for worker in dask_cluster.workers:
            worker.send_signal(signal.SIGCONT)
        assert executor.submit(process_id).result(60) in {w.pid for w in dask_cluster.workers}

    assert all(cancelled)
    assert len(list(tmp_path.glob("*.done"))) < 20
    assert [r for r in caplog.records if r.levelno > logging.WARNING] == []


@pytest.mark.heavy
@pytest.mark.parametrize("lost", ["workers", "scheduler"])
def test_a_cluster_that_is_gone_is_an_error_and_no_wait_for_ever(dask_cluster, lost, caplog):
    """Red where Dask's own patience, which has no end, is ours; or where its tracebacks are."""
    gone = dask_cluster.workers if lost == "workers" else (dask_cluster.scheduler,)
    with open_cluster(dask_cluster.address, patience_s=1) as executor:
        executor.submit(process_id).result(60)
        for process in gone:
            process.kill()
        with pytest.raises(CannotVerify, match="the cluster failed") as error:
            executor.submit(process_id).result(90)

    assert "scheduler and the workers run" in error.value.remedy
    assert caplog.records == []


@pytest.mark.heavy
def test_a_scheduler_that_is_restarted_costs_no_result(dask_cluster):
    with open_executor(dask_cluster.spec, 1, os.environ) as executor:
        executor.submit(process_id).result(60)
        for worker in dask_cluster.workers:
            worker.send_signal(signal.SIGSTOP)
        due = [executor.submit(abs, -number) for number in range(40)]
        with dask_cluster.restarted():
            found = [future.result(90) for future in due]

    assert list(range(40)) == found


@pytest.mark.heavy
def test_a_cluster_is_spoken_to_as_dasks_own_configuration_says(tls_cluster: DaskCluster):
    """Red where a cluster that demands TLS is asked without it."""
    work = "from verifier.reader.executor import open_executor as o\nimport os, sys\n"
    work += "with o(sys.argv[1], 1, os.environ) as e: print(e.submit(os.getpid).result(60))"
    argv = (sys.executable, "-c", work, tls_cluster.spec)
    # Dask reads its configuration once a process.
    said = subprocess.run(argv, env=tls_cluster.env, check=True, capture_output=True, timeout=90)

    assert int(said.stdout) in {worker.pid for worker in tls_cluster.workers}


@pytest.mark.heavy
def test_an_error_comes_back_whole_from_a_cluster(dask_cluster):
    with open_executor(dask_cluster.spec, 1, os.environ) as executor:
        assert executor.submit(process_id).result(60) in {w.pid for w in dask_cluster.workers}
        with pytest.raises(RepositoryUnreadable) as error:
            executor.submit(refuse).result(60)

    assert (error.value.subject, error.value.remedy) == ("far away", "look at the cable")


@pytest.mark.heavy
def test_nobody_answering_as_a_scheduler_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        pytest.raises(CannotVerify, match="no scheduler answers") as error,
        open_executor(f"dask://127.0.0.1:{port}", 1, os.environ),
    ):
        pytest.fail("nobody is there")

    assert "dask scheduler" in error.value.remedy


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolMissing) as error, open_executor("dask://h:1", 1, os.environ):
        pytest.fail("it is not installed")

    assert error.value.remedy == "in a clone of restic-verify: pip install '.[cluster]'"


@pytest.mark.parametrize("spec", ["", "ray://h:1", "dask://", "LOCAL", "tcp://h:1"])
def test_unknown_executors_are_refused(spec):
    with pytest.raises(UsageError) as error, open_executor(spec, 1, os.environ):
        pytest.fail("there is no such executor")

    assert "dask://" in error.value.remedy
