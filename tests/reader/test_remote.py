"""What a remote storage says when its file system is whole, refuses, fails, or lies."""

from __future__ import annotations

import errno
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from verifier.core.errors import RepositoryUnreadable
from verifier.reader.damage import Flaw
from verifier.reader.remote import MAX_FAILURES, MAX_UNSERVABLE, Remote, Unservable
from verifier.reader.repository import open_repository
from verifier.reader.verify import verify

REMEDY = "look at the cable"


@dataclass
class Recording:
    """fsspec's own local file system, with a record of every verb that is asked for."""

    asked: set[str] = field(default_factory=set)

    def __getattr__(self, verb: str) -> Any:
        self.asked.add(verb)
        return getattr(LocalFileSystem(), verb)


@dataclass
class Failing:
    """The same, where the first answers are errors."""

    errors: list[Exception]
    only: str = ""

    def __getattr__(self, verb: str) -> Any:
        def answer(*arguments: Any, **options: Any) -> Any:
            if self.errors and self.only in {"", verb}:
                raise self.errors.pop(0)
            return getattr(LocalFileSystem(), verb)(*arguments, **options)

        return answer


@dataclass
class CutShort:
    """The same, where the first transfers end too early."""

    times: int

    def __getattr__(self, verb: str) -> Any:
        return getattr(LocalFileSystem(), verb)

    def cat_file(self, *arguments: Any, **options: Any) -> bytes:
        whole = LocalFileSystem().cat_file(*arguments, **options)
        self.times -= 1
        return whole[:-1] if self.times >= 0 else whole


@pytest.fixture
def remote(tmp_path: Path) -> Callable[..., Remote]:
    (tmp_path / "config").write_bytes(b"0123456789")

    def make(files: Any, patience_s: float = 60, **errors: Any) -> Remote:
        return Remote(files, str(tmp_path), "far away", REMEDY, patience_s=patience_s, **errors)

    return make


def test_only_three_reading_verbs_are_ever_asked(tiny):
    recording = Recording()
    storage = Remote(recording, str(tiny.root), "far away", REMEDY)
    result = verify(open_repository(storage, tiny.password), read_data=True)

    assert result == verify(open_repository(tiny.root, tiny.password), read_data=True)
    assert result.blob_count > 0
    assert not list(storage.list("locks"))
    assert {"ls", "info", "cat_file"} == recording.asked


def test_a_failure_that_passes_is_not_told(remote):
    passing = [ConnectionError("reset"), OSError(errno.EBUSY, "slow down"), TimeoutError()]

    assert remote(Failing(passing)).read("config") == b"0123456789"


def test_a_failure_that_stays_is_an_error_with_a_remedy(remote):
    broken = Failing([ConnectionError("line\nis  cut")] * 100)
    with pytest.raises(RepositoryUnreadable, match=r"far away/config.*line is cut") as error:
        remote(broken, patience_s=0.5).read("config")

    assert REMEDY == error.value.remedy
    assert len(broken.errors) < 99


@pytest.mark.parametrize(
    "refusal",
    [
        PermissionError("forbidden"),
        PermissionError(errno.EACCES, "forbidden"),
        OSError(errno.EINVAL, "no such bucket name"),
    ],
)
@pytest.mark.parametrize("ask", ["size", "list"])
def test_a_refusal_is_told_at_once(remote, refusal, ask):
    broken = Failing([refusal] * 2)
    with pytest.raises(RepositoryUnreadable):
        list(remote(broken).list("keys")) if ask == "list" else remote(broken).size("config")

    assert len(broken.errors) == 1


def test_errors_of_a_library_are_sorted_as_we_were_told(remote):
    passing = Failing([KeyError("may pass")])
    final = Failing([ValueError("will not")] * 2)

    assert remote(passing, transient=(KeyError,)).size("config") == 10
    with pytest.raises(RepositoryUnreadable, match="will not"):
        remote(final, final=(ValueError,)).size("config")
    assert len(final.errors) == 1


def test_a_file_that_vanishes_while_it_is_read_is_a_flaw(remote):
    vanished = Failing([FileNotFoundError()], only="cat_file")

    assert remote(vanished).read_whole("config", 100) == Flaw("is missing")


@pytest.mark.parametrize("error", [Unservable("Failure"), OSError(errno.EREMOTEIO, "Failure")])
def test_what_the_servers_disk_cannot_give_is_a_flaw(remote, error):
    rotten = Failing([error] * 100, only="cat_file")
    storage = remote(rotten, patience_s=0.5)
    found = storage.read("config")
    left = len(rotten.errors)

    assert found == Flaw(f"cannot be read back by the server ({error})")
    assert storage.read("config") == found
    assert len(rotten.errors) == left - 1


def test_a_file_that_failed_over_and_over_is_asked_for_no_more(remote):
    rotten = Failing([Unservable("Failure")] * 1000, only="cat_file")
    storage = remote(rotten, patience_s=0)
    flaws = {storage.read("config") for _ in range(100)}

    assert all(isinstance(flaw, Flaw) for flaw in flaws)
    assert len(rotten.errors) == 1000 - MAX_FAILURES


@pytest.mark.parametrize("error", [Unservable("Failure"), OSError(errno.EREMOTEIO, "Failure")])
def test_a_server_that_fails_for_a_moment_makes_no_damage(remote, error):
    """SFTP has one word for a bad sector and for too many open files."""
    assert remote(Failing([error] * 3, only="cat_file")).read("config") == b"0123456789"


def test_a_server_that_gives_nothing_back_is_an_error_and_no_damage(tmp_path):
    storage = Remote(
        Failing([Unservable("Failure")] * 1000, only="cat_file"),
        str(tmp_path),
        "far away",
        REMEDY,
        patience_s=0,
    )
    for number in range(MAX_UNSERVABLE + 1):
        (tmp_path / str(number)).write_bytes(b"x")
    # As in a process that is handed one pack after the other.
    flaws = [replace(storage).read(str(number)) for number in range(MAX_UNSERVABLE)]

    assert {Flaw("cannot be read back by the server (Failure)")} == set(flaws)
    with pytest.raises(RepositoryUnreadable, match="Failure"):
        storage.read(str(MAX_UNSERVABLE))


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(remote):
    rotten = Failing([Unservable("Failure")] * 100, only="ls")
    with pytest.raises(RepositoryUnreadable, match=r"snapshots.*Failure"):
        list(remote(rotten, patience_s=0.3).list("snapshots"))

    assert list(remote(LocalFileSystem()).list("snapshots")) == []


def test_a_transfer_cut_short_is_not_a_file_cut_short(remote):
    assert remote(CutShort(2)).read("config", 0, 10) == b"0123456789"
    assert remote(CutShort(0)).read("config", 5, 10) == b"56789"
    with pytest.raises(RepositoryUnreadable, match="9 of 10 bytes"):
        remote(CutShort(1000), patience_s=0.3).read("config", 0, 10)


def test_a_range_behind_the_end_is_empty_however_the_server_says_it(remote):
    refusing = Failing([OSError(errno.EINVAL, "InvalidRange")], only="cat_file")

    assert remote(refusing).read("config", 10, 5) == b""
    assert remote(LocalFileSystem()).read("config", 99, 5) == b""


def test_a_range_refused_inside_the_file_is_an_error(remote):
    refusing = Failing([OSError(errno.EINVAL, "InvalidRange")], only="cat_file")
    with pytest.raises(RepositoryUnreadable):
        remote(refusing).read("config", 9, 5)


def test_it_arrives_whole_in_another_process(remote):
    storage = remote(LocalFileSystem())
    there = pickle.loads(pickle.dumps(storage))  # noqa: S301

    assert there == storage
    assert there.read("config") == b"0123456789"
