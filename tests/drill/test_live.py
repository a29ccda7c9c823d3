"""The live side of a drill: what is asked of a host, what comes back, and what is not believed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drill.unprivileged import as_nobody
from verifier.core.entry import content_digest
from verifier.core.errors import CannotVerify, ToolMissing
from verifier.drill.live import Excluded, Inspection, ProbeRequest, inspect, observe
from verifier.fleet.local import LocalHost

HERE = LocalHost()
ODD = "/\udcff\n é"


def hashed(*pieces: bytes) -> list[str]:
    """Return the pieces' blob IDs."""
    return [hashlib.sha256(piece).hexdigest() for piece in pieces]


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """A live tree with names of every sort."""
    root = tmp_path / "live"
    (root / "a").mkdir(parents=True)
    (root / "a/file").write_bytes(b"content")
    (root / "other").write_bytes(b"other")
    Path(f"{root}{ODD}").write_bytes(b"odd")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where request and answer are kept for as long as they are needed."""
    path = tmp_path / "scratch"
    path.mkdir()
    return path


def python(folder: Path, script: str) -> str:
    """Return a program that stands in for a host's interpreter; `$PYTHON` is the real one."""
    path = folder.parent / "python"
    path.write_text(f"#!/bin/sh\nPYTHON={sys.executable}\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_files_asked_for_come_with_their_digests(live: Path, folder: Path) -> None:
    files = [("/a/file", [3, 4]), ("/gone", [1]), (ODD, [3])]
    entries = list(observe(HERE, sys.executable, ProbeRequest(["/"], files, str(live)), folder))

    assert ["/", "/a", "/a/file", "/other", ODD] == [entry.path for entry in entries]
    assert [
        None, None, content_digest(hashed(b"con", b"tent")), None, content_digest(hashed(b"odd")),
    ] == [entry.sha256 for entry in entries]  # fmt: skip


def test_every_file_can_be_read_whole(live: Path, folder: Path) -> None:
    request = ProbeRequest(["/"], None, str(live))
    found = {e.path: e.sha256 for e in observe(HERE, sys.executable, request, folder)}

    assert hashed(b"content", b"other") == [found["/a/file"], found["/other"]]


def test_nothing_is_left_behind(live: Path, folder: Path) -> None:
    request = ProbeRequest(["/"], [("/a/file", [7])], str(live))
    entries = observe(HERE, sys.executable, request, folder)

    assert [] == list(folder.iterdir())
    assert "/" == next(entries).path
    with pytest.raises(CannotVerify):
        observe(HERE, python(folder, "exit 1"), request, folder)
    assert [] == list(folder.iterdir())


def test_what_is_excluded_is_told_while_the_entries_go_by(live: Path, folder: Path) -> None:
    request = ProbeRequest(
        ["/"], prefix=str(live), excludes=[(False, "^/a$")], measure_excluded=True
    )
    told: list[Excluded] = []
    paths = [e.path for e in observe(HERE, sys.executable, request, folder, excluded=told.append)]

    assert ["/", "/a", "/other", ODD] == paths
    assert [Excluded("/a", 0, 1, 7)] == told


def test_a_second_look_tells_pieces_and_whole(live: Path, folder: Path) -> None:
    files = [(ODD, [1, 2]), ("/a/file", [5, 5]), ("/gone", [1]), ("/a", [1])]
    found = inspect(HERE, sys.executable, files, folder, prefix=str(live))
    status = (live / "a/file").stat()

    pieces, (whole,) = tuple(hashed(b"conte", b"nt")), hashed(b"content")
    assert {path for path, _ in files} == found.keys()
    assert Inspection(pieces, whole, 7, status.st_ctime_ns) == found["/a/file"]
    assert tuple(hashed(b"o", b"dd")) == found[ODD].pieces
    assert ("vanished", "changing") == (found["/gone"].error, found["/a"].error)
    assert {} == inspect(HERE, "no-such-python", [], folder)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('exec "$PYTHON" "$@" | head -n 2', "not whole"),
        ('exec "$PYTHON" "$@" | head -c 250', "not whole"),
        ('echo "Welcome to web1"; exec "$PYTHON" "$@"', "not whole"),
        ('"$PYTHON" "$@"; echo "Goodbye"', "not whole"),
        ("exit 0", "not whole"),
        ('"$PYTHON" "$@"; echo "half dead" >&2; exit 3', "half dead"),
        ('kill -9 $$', "ended with -9"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_whole_is_not_believed(
    live: Path, folder: Path, script: str, said: str
) -> None:
    request = ProbeRequest(["/"], prefix=str(live))
    healthy = python(folder, 'exec "$PYTHON" "$@"')

    assert 5 == len(list(observe(HERE, healthy, request, folder)))
    with pytest.raises(CannotVerify, match=said):
        observe(HERE, python(folder, script), request, folder)


def test_a_missing_interpreter_is_missing(live: Path, folder: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-python"):
        observe(HERE, "no-such-python", ProbeRequest([str(live)]), folder)


def test_requests_out_of_order_are_no_empty_answer(live: Path, folder: Path) -> None:
    request = ProbeRequest(["/"], [("/other", [5]), ("/a/file", [7])], str(live))

    with pytest.raises(CannotVerify, match="asked for after"):
        observe(HERE, sys.executable, request, folder)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sudo", "sudo: a password is required"),
        ("doas", "doas: Authentication required"),
        ("permit", "permit: not for you"),
    ],
)
def test_words_that_are_refused_are_named_in_the_remedy(
    live: Path, folder: Path, name: str, said: str
) -> None:
    word = Path(python(folder, f'echo "{said}" >&2; exit 1')).rename(folder.parent / name)
    request = ProbeRequest(["/"], prefix=str(live))
    with pytest.raises(CannotVerify, match=said) as caught:
        observe(HERE, sys.executable, request, folder, become=(str(word), "-n"))

    assert f"`{word} -n {sys.executable}`" in caught.value.remedy
    assert (name == "sudo") is ("sudoers" in caught.value.remedy)
    assert "--version" not in caught.value.remedy


def test_an_interpreter_that_fails_under_other_words_is_named_with_them(
    live: Path, folder: Path
) -> None:
    old = python(folder, 'echo "SyntaxError" >&2; exit 1')
    request = ProbeRequest(["/"], prefix=str(live))
    with pytest.raises(CannotVerify, match="SyntaxError") as caught:
        observe(HERE, old, request, folder, become=("env", "A=b"))

    assert f"`env A=b {old} --version` on {HERE.name}" in caught.value.remedy


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that anybody may reach, with a file that only its owner may read."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o777)
    (root / "secret").write_bytes(b"secret")
    (root / "secret").chmod(0o600)
    (root / "scratch").mkdir()
    (root / "scratch").chmod(0o777)
    yield root
    shutil.rmtree(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what others may not read")
def test_rights_are_taken_by_the_words_before_the_interpreter(closed: Path) -> None:
    """`as_nobody` has no rights at all; the setuid copy of `env` stands in for sudo."""
    env = closed / "become"
    shutil.copy("/usr/bin/env", env)
    env.chmod(0o4755)
    if os.statvfs(env).f_flag & os.ST_NOSUID:
        pytest.skip("the temporary folder's file system honours no setuid bit")
    request = ProbeRequest(["/secret"], [("/secret", [6])], str(closed))

    def look(*become: str) -> list[list[str | None]]:
        entries = observe(HERE, "/usr/bin/python3", request, closed / "scratch", become)
        return [[entry.sha256, entry.error] for entry in entries]

    assert [[None, "EACCES"]] == as_nobody(look)
    assert [[content_digest(hashed(b"secret")), ""]] == as_nobody(lambda: look(str(env)))


@pytest.mark.heavy
def test_hundreds_of_thousands_of_paths_are_never_whole_in_memory(folder: Path) -> None:
    """Asked for, walked and answered: what either end holds does not grow with their number."""
    root = folder.parent / "many"
    names = [f"/{n // 1000:03}/{n % 1000:03}" for n in range(200_000)]
    for number in range(200):
        (root / f"{number:03}").mkdir(parents=True)
    for name in names[::4]:
        (root / name[1:]).touch()
    tracemalloc.start()
    wrapper = python(folder, f'ulimit -v {400 << 10}; exec "$PYTHON" "$@"')
    request = ProbeRequest(["/"], ((name, []) for name in names), str(root))
    found = sum(e.sha256 is not None for e in observe(HERE, wrapper, request, folder))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 50_000 == found
    assert peak < 8 << 20


@pytest.mark.heavy
def test_a_hundred_thousand_roots_are_no_argument_list(live: Path, folder: Path) -> None:
    roots = [f"/nothing/{number}" for number in range(100_000)]
    request = ProbeRequest([*roots, "/other"], prefix=str(live))

    assert ["/other"] == [e.path for e in observe(HERE, sys.executable, request, folder)]
