from __future__ import annotations

import os

import pytest

from verifier.core.errors import RepositoryUnreadable
from verifier.reader.damage import Flaw
from verifier.reader.storage import Folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config").write_bytes(b"0123456789")
    return Folder(tmp_path)


def test_parts_are_read_from_their_offset(folder):
    assert folder.read("config") == b"0123456789"
    assert folder.read("config", 3, 4) == b"3456"


@pytest.mark.parametrize("offset", [0, 8, 10, 99])
def test_reading_ends_where_the_file_ends(folder, offset):
    assert folder.read("config", offset, 1 << 62) == b"0123456789"[offset:]


def test_missing_file_is_a_flaw(folder):
    assert folder.read("gone") == folder.size("gone") == Flaw("is missing")


def test_pipe_in_place_of_a_file_does_not_stop_us(folder):
    os.mkfifo(folder.root / "pipe")

    assert folder.read("pipe") == folder.size("pipe") == Flaw("is no regular file")


def test_folder_in_place_of_a_file_is_a_flaw(folder):
    (folder.root / "data").mkdir()

    assert folder.read("data") == Flaw("is no regular file")


def test_file_over_the_limit_is_not_read_whole(folder):
    assert folder.read_whole("config", 10) == b"0123456789"
    assert isinstance(folder.read_whole("config", 9), Flaw)


def test_only_files_named_by_an_id_are_listed(folder):
    (folder.root / "data" / "aa").mkdir(parents=True)
    for name in ("aa" * 32, "aa" * 32 + "-tmp-1", "README"):
        (folder.root / "data" / "aa" / name).touch()

    assert list(folder.list("data")) == [f"data/aa/{'aa' * 32}"]
    assert list(folder.list("snapshots")) == []


def test_link_that_leads_nowhere_but_to_itself_is_an_error(folder):
    (folder.root / "loop").symlink_to("loop")
    with pytest.raises(RepositoryUnreadable) as error:
        folder.read("loop")

    assert error.value.subject.endswith("loop")
