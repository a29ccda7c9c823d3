"""Every storage answers alike: a local folder, a remote file system, SFTP, S3."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.servers.s3 import S3Server
from verifier.core.errors import RepositoryUnreadable
from verifier.reader.damage import Flaw
from verifier.reader.location import open_storage
from verifier.reader.remote import Remote
from verifier.reader.storage import Folder, Storage

FAR = [pytest.param(name, marks=pytest.mark.heavy) for name in ("sftp", "s3")]
IDS = [f"{first}{'0' * 62}" for first in ("0a", "aa", "ab", "ff")]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config").write_bytes(b"0123456789")
    return Folder(tmp_path)


@pytest.fixture(scope="session")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, an empty file, four packs, a temporary file, a stray one, and no snapshot."""
    root = tmp_path_factory.mktemp("alike")
    for name in IDS:
        pack = root / "data" / name[:2] / name
        pack.parent.mkdir(parents=True, exist_ok=True)
        pack.write_bytes(name[:2].encode() * int(name[1], 16))
    (root / "data" / "aa" / f"{IDS[1]}-tmp-1").touch()
    (root / "data" / "README").touch()
    (root / "config").write_bytes(b"0123456789")
    (root / "empty").touch()
    return root


@pytest.fixture(scope="session")
def alike_s3(alike: Path, s3_server: S3Server) -> Storage:
    s3_server.upload(alike, "alike/below/it")
    return open_storage(s3_server.location("alike/below/it"), s3_server.environ)


@pytest.fixture(params=["folder", "fsspec", *FAR])
def storage(request: pytest.FixtureRequest, alike: Path) -> Storage:
    """The same files everywhere."""
    if request.param == "sftp":
        request.getfixturevalue("ssh_path")
        return open_storage(request.getfixturevalue("sshd").location(alike), {})
    if request.param == "s3":
        found: Storage = request.getfixturevalue("alike_s3")
        return found
    if request.param == "fsspec":
        return Remote(LocalFileSystem(), str(alike), str(alike), "")
    return Folder(alike)


def test_parts_are_read_from_their_offset(storage):
    assert storage.read("config") == b"0123456789"
    assert storage.read("config", 3, 4) == b"3456"
    assert storage.read("config", 3) == b"3456789"
    assert storage.read("config", 3, 0) == b""


@pytest.mark.parametrize("offset", [0, 8, 10, 99])
def test_reading_ends_where_the_file_ends(storage, offset):
    assert storage.read("config", offset, 1 << 40) == b"0123456789"[offset:]


def test_an_empty_file_is_read(storage):
    assert storage.read("empty") == storage.read("empty", 0, 5) == b""
    assert storage.size("empty") == 0
    assert storage.read_whole("empty", 10) == b""


def test_missing_file_is_a_flaw(storage):
    missing = Flaw("is missing")

    assert storage.read("gone") == storage.size("gone") == storage.read("gone", 0, 5) == missing
    assert storage.read_whole("data/aa/gone", 5) == missing
    assert storage.read("config/below", 0, 5) == missing


def test_folder_in_place_of_a_file_is_a_flaw(storage):
    assert storage.read("data") == storage.size("data") == Flaw("is no regular file")


def test_file_over_the_limit_is_not_read_whole(storage):
    assert storage.read_whole("config", 10) == b"0123456789"
    assert isinstance(storage.read_whole("config", 9), Flaw)


def test_only_files_named_by_an_id_are_listed(storage):
    assert list(storage.list("data")) == [f"data/{name[:2]}/{name}" for name in IDS]
    assert list(storage.list("snapshots")) == []


def test_listed_sizes_are_the_files_own(storage):
    found = dict(storage.sizes("data"))

    assert list(found) == list(storage.list("data"))
    assert found == {name: storage.size(name) for name in found}
    assert list(storage.sizes("index")) == []


def test_pipe_in_place_of_a_file_does_not_stop_us(folder):
    os.mkfifo(folder.root / "pipe")

    assert folder.read("pipe") == folder.size("pipe") == Flaw("is no regular file")


def test_what_is_no_file_has_no_size(folder):
    pipe = folder.root / "keys" / IDS[0]
    pipe.parent.mkdir()
    os.mkfifo(pipe)

    assert list(folder.list("keys")) == [f"keys/{IDS[0]}"]
    assert list(folder.sizes("keys")) == []


def test_link_that_leads_nowhere_but_to_itself_is_an_error(folder):
    (folder.root / "loop").symlink_to("loop")
    with pytest.raises(RepositoryUnreadable) as error:
        folder.read("loop")

    assert error.value.subject.endswith("loop")
