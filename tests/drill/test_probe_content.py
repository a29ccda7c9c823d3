"""What the probe reads, and how: pieces at the lengths asked for, holes, links, files in motion."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.core.entry import content_digest, path_order
from verifier.drill import probe
from verifier.drill.probe import BLOCK_BYTES, Walk

MIB = 1 << 20


def digest(content: bytes, lengths: Sequence[int]) -> str:
    """Return the content's digest as the recorded side makes it, from blob IDs."""
    blob_ids, at = [], 0
    for length in lengths:
        blob_ids.append(hashlib.sha256(content[at : at + length]).hexdigest())
        at += length
    return content_digest(blob_ids)


def asked(root: Path, *requests: tuple[str, Sequence[int]], **options: Any) -> dict[str, Any]:
    """Return the records below a folder, by path, where these files are asked for."""
    return {r["path"]: r for r in Walk(prefix=str(root), **options).records(["/"], requests)}


def test_a_file_is_hashed_at_the_lengths_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    first = asked(tmp_path, ("/a", [3, 4]))["/a"]
    second = asked(tmp_path, ("/a", [4, 3]))["/a"]

    assert digest(b"content", [3, 4]) == first["content"]
    assert digest(b"content", [4, 3]) == second["content"]
    assert "sha256" not in first


def test_an_empty_file_has_the_digest_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    assert hashlib.sha256().hexdigest() == asked(tmp_path, ("/a", []))["/a"]["content"]


def test_what_nobody_asked_for_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").write_bytes(b"longer than recorded")
    opened: list[bytes] = []
    monkeypatch.setattr("os.open", lambda path, *_: opened.append(path) or 1 / 0)
    found = asked(tmp_path, ("/b", [7]))

    assert [] == opened
    assert [7, 20] == [found[path]["size"] for path in ("/a", "/b")]
    assert not any("content" in record for record in found.values())
    with pytest.raises(ZeroDivisionError):
        asked(tmp_path, ("/a", [7]))


NAMES = st.lists(
    st.text(st.sampled_from("ab!~/\n\x01ÿ\udcff"), min_size=1, max_size=6).map(
        lambda text: "/".join(part for part in text.split("/") if part) or "a"
    ),
    unique=True,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(NAMES, NAMES)
def test_walk_and_requests_meet_at_every_path_that_both_have(
    live: list[str], wanted: list[str]
) -> None:
    """Whatever either side has that the other has not; names with bytes below the slash, too."""
    requests = [(f"/{name}", [1]) for name in sorted(wanted, key=lambda n: path_order(f"/{n}"))]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in live:
            path = root / name
            if not any(p.is_file() for p in (*path.parents, path)) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
        found = asked(root, *requests)
        files = {path for path, record in found.items() if record["type"] == "file"}
        read = {path for path, record in found.items() if "content" in record}

    assert files & {path for path, _ in requests} == read


def test_requests_out_of_order_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()

    for requests in ([("/b", []), ("/a", [])], [("/a", []), ("/a", [])]):
        with pytest.raises(ValueError, match="asked for after"):
            asked(tmp_path, *requests)
    assert "content" in asked(tmp_path, ("/a", []), ("/b", []))["/b"]


@pytest.mark.parametrize("size", [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 9 * MIB + 5])
def test_large_files_are_hashed_by_threads_to_the_same(tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    lengths = [700_001] * (size // 700_001) + [size % 700_001]
    (tmp_path / "a").write_bytes(content[:size])

    assert digest(content[:size], lengths) == asked(tmp_path, ("/a", lengths))["/a"]["content"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=8),
    st.lists(st.integers(1, 60), min_size=1, max_size=12),
)
def test_holes_are_read_as_the_zeros_they_are(
    runs: list[tuple[bool, int]], cuts: list[int]
) -> None:
    """Any pattern of holes and data in pages, cut anywhere."""
    page = 4096
    size = sum(pages for _, pages in runs) * page
    lengths, left = [], size
    for cut in cuts:
        lengths.append(min(left, cut * 3001))
        left -= lengths[-1]
    lengths = [length for length in (*lengths, left) if length]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        with path.open("wb") as stream:
            for data, pages in runs:
                if data:
                    stream.write(b"x" * pages * page)
                else:
                    stream.seek(pages * page, os.SEEK_CUR)
            stream.truncate(size)
        found = asked(path.parent, ("/a", lengths))["/a"]["content"]
        content = path.read_bytes()

    assert digest(content, lengths) == found


def test_a_hole_of_a_tebibyte_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "a").open("wb") as sparse:
        sparse.seek(5 * 8 * MIB)
        sparse.write(b"data")
        sparse.truncate(1 << 40)
    lengths = [8 * MIB] * (1 << 17)
    zeros = hashlib.sha256(bytes(8 * MIB)).hexdigest()
    data = hashlib.sha256(b"data" + bytes(8 * MIB - 4)).hexdigest()
    read, offsets = os.pread, set[int]()

    def note(descriptor: int, count: int, offset: int) -> bytes:
        offsets.add(offset // (8 * MIB))
        return read(descriptor, count, offset)

    monkeypatch.setattr("os.pread", note)
    found = asked(tmp_path, ("/a", lengths))["/a"]["content"]

    assert content_digest([*[zeros] * 5, data, *[zeros] * ((1 << 17) - 6)]) == found
    assert {5} == offsets


def test_a_file_system_that_knows_no_holes_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "a").open("wb") as sparse:
        sparse.truncate(2 * MIB)
        sparse.seek(2 * MIB)
        sparse.write(b"x" * MIB)
    content = (tmp_path / "a").read_bytes()

    def refuse(*_: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("os.lseek", refuse)

    assert digest(content, [MIB] * 3) == asked(tmp_path, ("/a", [MIB] * 3))["/a"]["content"]


def test_a_file_of_two_names_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").hardlink_to(tmp_path / "a")
    read, times = os.pread, [0]

    def count(descriptor: int, wanted: int, offset: int) -> bytes:
        times[0] += 1
        return read(descriptor, wanted, offset)

    monkeypatch.setattr("os.pread", count)
    found = asked(tmp_path, ("/a", [7]), ("/b", [7]), ("/c", [1, 6]))

    assert digest(b"content", [7]) == found["/a"]["content"] == found["/b"]["content"]
    assert digest(b"content", [1, 6]) == found["/c"]["content"]
    assert times == [3]


def test_what_is_kept_of_links_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "LINKS_KEPT", 3)
    for number in range(20):
        (tmp_path / f"a{number:02}").write_bytes(b"%d" % number)
        (tmp_path / f"b{number:02}").hardlink_to(tmp_path / f"a{number:02}")
    walk = Walk(prefix=str(tmp_path))
    found = {r["path"]: r.get("sha256") for r in walk.records(["/"])}

    assert all(found[f"/a{n:02}"] == found[f"/b{n:02}"] for n in range(20))
    assert len(walk._linked) == 3


def test_detail_tells_the_pieces_and_the_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").write_bytes(b"content")
    walk = Walk(prefix=str(tmp_path), detail=True)
    found = {r["path"]: r for r in walk.records(["/a", "/b"], [("/a", [3, 4]), ("/b", [5, 5])])}
    whole = hashlib.sha256(b"content").hexdigest()

    assert [hashlib.sha256(p).hexdigest() for p in (b"con", b"tent")] == found["/a"]["pieces"]
    assert [hashlib.sha256(p).hexdigest() for p in (b"conte", b"nt")] == found["/b"]["pieces"]
    assert (whole, whole) == (found["/a"]["sha256"], found["/b"]["sha256"])
    assert (True, False) == tuple("content" in found[path] for path in ("/a", "/b"))


def test_detail_enters_no_directory(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    walk = Walk(prefix=str(tmp_path), detail=True)

    assert ["/a"] == [record["path"] for record in walk.records(["/a"], [("/a", [1])])]


def test_detail_believes_no_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose holes hold data: the quick look errs, the second one must not."""
    with (tmp_path / "a").open("wb") as sparse:
        sparse.truncate(2 * MIB)
        sparse.write(b"data")
    monkeypatch.setattr(probe, "_data_from", lambda *_: 1 << 62)
    request = [("/a", [2 * MIB])]
    quick, thorough = (
        next(iter(Walk(prefix=str(tmp_path), detail=detail).records(["/a"], request)))["content"]
        for detail in (False, True)
    )
    content = (tmp_path / "a").read_bytes()

    assert digest(bytes(2 * MIB), [2 * MIB]) == quick
    assert digest(content, [2 * MIB]) == thorough


def test_a_file_that_grew_while_it_was_asked_for_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    read = os.pread

    def grow(descriptor: int, count: int, offset: int) -> bytes:
        with path.open("ab") as stream:
            stream.write(b"+")
        return read(descriptor, count, offset)

    monkeypatch.setattr("os.pread", grow)
    found = asked(tmp_path, ("/a", [3]))["/a"]

    assert "content" not in found
    assert ("", path.stat().st_size) == (found.get("error", ""), found["size"])


@pytest.mark.parametrize("back", [True, False])
def test_a_file_that_vanished_is_looked_for_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    """As an editor saves: the old file goes, and a new one may have its name."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    opened, first = os.open, [True]

    def replace(name: bytes, flags: int) -> int:
        if first.pop() if first else False:
            path.unlink()
            try:
                return opened(name, flags)
            finally:
                if back:
                    path.write_bytes(b"new")
        return opened(name, flags)

    monkeypatch.setattr("os.open", replace)
    found = asked(tmp_path, ("/a", [3]))["/a"]

    expected = ("", digest(b"new", [3])) if back else ("vanished", None)
    assert expected == (found.get("error", ""), found.get("content"))


def test_a_bad_block_is_named_by_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(bytes(3 * MIB))
    (tmp_path / "b").write_bytes(b"good")

    def bad(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    read = os.pread
    monkeypatch.setattr("os.pread", lambda fd, n, at: bad() if n > 9 else read(fd, n, at))
    found = asked(tmp_path, ("/a", [MIB] * 3), ("/b", [4]))

    assert ("EIO", False) == (found["/a"].get("error"), "content" in found["/a"])
    assert digest(b"good", [4]) == found["/b"]["content"]


def test_what_is_excluded_can_be_counted(tmp_path: Path) -> None:
    for name in ("cache/a", "cache/deep/b", "cache/own/c", "kept", "x.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "cache/link").symlink_to("/etc")
    (tmp_path / "link.tmp").symlink_to("/etc")
    excludes = [(False, r"\.tmp$"), (False, "^/cache$"), (True, "kept$")]
    found = asked(
        tmp_path,
        excludes=excludes,
        measure_excluded=True,
        leave_out=[str(tmp_path / "cache/own")],
    )
    counted = {
        path: (r["pattern"], r["excluded_files"], r["excluded_bytes"])
        for path, r in found.items()
        if "pattern" in r
    }

    assert {"/cache": (1, 2, 19), "/link.tmp": (0, 0, 0), "/x.tmp": (0, 1, 5)} == counted
    assert {"/", "/cache", "/kept", "/link.tmp", "/x.tmp"} == found.keys()


def test_a_pattern_that_another_takes_back_decides_nothing(tmp_path: Path) -> None:
    for name in ("a1", "a2", "a3"):
        (tmp_path / name).touch()
    excludes = [(False, "a"), (True, "[23]$"), (False, "3$")]
    found = asked(tmp_path, excludes=excludes)

    assert [0, None, 2] == [found[path].get("pattern") for path in ("/a1", "/a2", "/a3")]
