"""Repositories read over SFTP, by the user's own ssh from a real sshd."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reader.conftest import Made
from verifier.core.errors import RepositoryUnreadable
from verifier.core.host import Command
from verifier.fleet.local import LocalHost
from verifier.reader.damage import Flaw
from verifier.reader.location import open_storage
from verifier.reader.repository import open_repository
from verifier.reader.verify import verify

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("ssh_path")]


def connections() -> list[int]:
    """Return the process IDs of every ssh that this process has running."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        children = (task / "children").read_text().split()
        found += [int(pid) for pid in children if "ssh" in Path(f"/proc/{pid}/comm").read_text()]
    return found


def test_a_repository_is_verified_as_if_it_lay_here(sshd, made_of):
    made: Made = made_of("v2")
    here = verify(open_repository(made.root, made.password), read_data=True)

    for location in (sshd.location(made.root), sshd.url(made.root)):
        storage = open_storage(location, {})
        assert here == verify(open_repository(storage, made.password), read_data=True)
        assert snapshots(made, location) == snapshots(made, str(made.root))


def snapshots(made: Made, location: str) -> set[str]:
    """Return what restic, with the same ssh, lists under a location."""
    line = (made.restic.program, "--no-cache", "--no-lock", "-r", location, "snapshots", "--json")
    env = {"RESTIC_PASSWORD": made.password, "PATH": os.environ["PATH"]}
    done = LocalHost().run(Command(line, env=env), timeout_s=60)

    assert done.status == 0, done.stderr.decode(errors="replace")

    return {snapshot["id"] for snapshot in json.loads(done.stdout)}


def test_a_flipped_bit_is_found_from_afar(sshd, tiny_copy):
    pack = next((tiny_copy.root / "data").glob("*/*"))
    content = bytearray(pack.read_bytes())
    content[20] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    storage = open_storage(sshd.location(tiny_copy.root), {})

    assert verify(open_repository(storage, tiny_copy.password), read_data=True) == verify(
        open_repository(tiny_copy.root, tiny_copy.password), read_data=True
    )
    assert verify(open_repository(storage, tiny_copy.password), read_data=True).damages


def test_a_folder_below_the_home_directory_is_found(sshd, tmp_path):
    (tmp_path / "config").write_text("here")
    relative = os.path.relpath(tmp_path, Path.home())
    storage = open_storage(f"sftp:{sshd.name}:{relative}", {})

    assert storage.read("config") == b"here"


def test_a_pack_of_many_requests_is_whole(sshd, tmp_path):
    content = os.urandom(20 << 20)
    (tmp_path / "config").write_bytes(content)
    storage = open_storage(sshd.location(tmp_path), {})

    assert storage.read_whole("config", 32 << 20) == content
    assert storage.read("config", 12_345, 10 << 20) == content[12_345 : 12_345 + (10 << 20)]


def test_a_pipe_in_place_of_a_file_does_not_stop_us(sshd, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    storage = open_storage(sshd.location(tmp_path), {})

    assert storage.read("pipe", 0, 5) == storage.size("pipe") == Flaw("is no regular file")


def test_one_connection_serves_and_a_lost_one_is_made_again(sshd, tmp_path):
    (tmp_path / "config").write_text("here")
    # A spelling of the host that no other test has, so that it has a connection of its own.
    location = f"sftp:{sshd.user}@{sshd.name}:{tmp_path}"
    storage = open_storage(location, {})
    before = set(connections())
    storage.read("config")
    open_storage(location, {}).read("config")
    (ssh,) = set(connections()) - before
    os.kill(ssh, signal.SIGKILL)

    assert storage.read("config") == b"here"
    assert ssh not in connections()


def test_another_process_makes_its_own_connection(sshd, tmp_path):
    (tmp_path / "config").write_text("here")
    storage = open_storage(sshd.location(tmp_path), {})
    storage.read("config")

    for method in ("spawn", "fork"):
        with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
            assert pool.submit(storage.read, "config").result(60) == b"here"
            assert len(pool.submit(connections).result(60)) == 1
    assert storage.read("config") == b"here"


def test_a_refused_login_is_told_at_once(sshd, tmp_path):
    options = tmp_path / "ssh"
    options.write_text(f'#!/bin/sh\nexec {sshd.bin}/ssh -o PubkeyAuthentication=no "$@"\n')
    options.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        storage = open_storage(f"sftp:refused@{sshd.name}:/", {})
        with pytest.raises(RepositoryUnreadable, match="Permission denied") as error:
            storage.size("config")

    assert f"sftp refused@{sshd.name}" in error.value.remedy


def test_nobody_answering_is_told_after_our_patience():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    storage = open_storage(f"sftp://127.0.0.1:{port}//r", {})
    with pytest.raises(RepositoryUnreadable, match="refused"):
        replace(storage, patience_s=0.5).size("config")


def test_a_server_that_speaks_no_sftp_is_told(monkeypatch, tmp_path):
    (tmp_path / "ssh").write_text("#!/bin/sh\necho Welcome to this machine\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    storage = open_storage("sftp:chatty:/r", {})
    before = connections()
    with pytest.raises(RepositoryUnreadable):
        replace(storage, patience_s=0.5).size("config")

    assert before == connections()
