"""The program that writes manifests: what it reads, what it keeps, and how it ends."""

from __future__ import annotations

import ast
import email
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.core.entry import path_order
from verifier.drill import manifest_script
from verifier.drill.manifest_script import Manifest, script

SETTLED = str(Path(email.__file__).parent)
"""A folder of files that nobody has written to in the last seconds."""


class Place:
    """A folder of files, and where their manifest is written."""

    def __init__(self, root: Path) -> None:
        self.root = root / "files"
        self.root.mkdir()
        self.output = root / "manifest"

    def write(self, *roots: str, **settings: Any) -> Manifest:
        """Write the manifest of these roots, or of the files."""
        settings = {"previous": str(self.output), **settings}
        manifest = Manifest(roots or (str(self.root),), str(self.output), **settings)
        manifest.write()
        return manifest

    def lines(self) -> list[dict[str, Any]]:
        """Return what the manifest says of files, in order."""
        return [json.loads(line) for line in self.output.read_bytes().splitlines()][1:-1]

    def said(self, name: str) -> dict[str, Any]:
        """Return what it says of one of the files."""
        (found,) = [line for line in self.lines() if line["path"] == str(self.root / name)]
        return found

    def alter(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change what the manifest says of its files, and let it vouch for that."""
        header, *records, _ = map(json.loads, self.output.read_bytes().splitlines())
        for record in records:
            change(record)
        text = b"".join(json.dumps(line).encode() + b"\n" for line in (header, *records))
        end = {"end": len(records), "sha256": hashlib.sha256(text).hexdigest()}
        self.output.write_bytes(text + json.dumps(end).encode() + b"\n")

    def age(self) -> None:
        """Let the files be older than the manifest, and as they are now, by all their times."""

        def change(record: dict[str, Any]) -> None:
            record.pop("recent", None)
            record["ctime_ns"] = Path(record["path"]).stat().st_ctime_ns
            record["since"] = "2020-01-01T00:00:00Z"

        self.alter(change)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with one file."""
    place = Place(tmp_path)
    (place.root / "file").write_bytes(b"content")
    return place


def sha256(content: bytes) -> str:
    """Return a content's hash."""
    return hashlib.sha256(content).hexdigest()


def rot(path: Path) -> None:
    """Change a file's content, and nothing that a program can set."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_every_file_is_listed_with_its_hash(place: Place) -> None:
    names = ["b", "a b", "a/b", "a/\n", "a\x01", "z/latin-\udce9", "empty"]
    for name in names:
        path = place.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"" if name == "empty" else os.fsencode(name) * 300_000)
    (place.root / "link").symlink_to("b")
    os.mkfifo(place.root / "pipe")
    (place.root / "hard").hardlink_to(place.root / "b")

    manifest = place.write()

    expected = {str(place.root / name) for name in (*names, "hard", "file")}
    paths = [line["path"] for line in place.lines()]
    assert sorted(expected, key=path_order) == paths
    assert len(paths) == manifest.files
    for line in place.lines():
        path = Path(line["path"])
        status = path.stat()
        assert sha256(path.read_bytes()) == line["sha256"]
        assert (status.st_size, status.st_mtime_ns) == (line["size"], line["mtime_ns"])
        assert (status.st_ctime_ns, status.st_ino) == (line["ctime_ns"], line["inode"])


def test_unchanged_files_keep_their_line_and_are_not_read(place: Place) -> None:
    first = place.write(SETTLED)
    before = place.lines()
    second = place.write(SETTLED)

    assert (first.files, 0) == (first.read_files, first.kept_files)
    assert (0, 0, second.files) == (second.read_files, second.read_bytes, second.kept_files)
    assert before == place.lines()


def test_file_of_the_last_seconds_is_read_again(place: Place) -> None:
    place.write()
    recent = place.said("file")
    again = place.write()
    place.age()
    later = place.write()

    assert recent["recent"] is True
    assert (1, 1, 0) == (again.read_files, later.kept_files, later.read_files)


@pytest.mark.parametrize("name", ["size", "mtime_ns", "ctime_ns", "inode", "nothing"])
def test_file_that_was_written_is_read_anew(place: Place, name: str) -> None:
    place.write()
    place.age()
    place.alter(lambda record: record.update({name: record.get(name, 0) + 1, "sha256": "old"}))

    manifest = place.write()

    changed = name != "nothing"
    assert (int(changed), int(not changed)) == (manifest.read_files, manifest.kept_files)
    assert (sha256(b"content") if changed else "old") == place.said("file")["sha256"]
    assert changed == (place.said("file")["since"] > "2020-01-01T00:00:00Z")


def test_rotten_file_keeps_the_hash_of_what_was_written(place: Place) -> None:
    place.write()
    rot(place.root / "file")
    place.age()

    unread = place.write()
    kept = place.said("file")

    assert (1, 0) == (unread.kept_files, unread.rotten_count)
    assert (sha256(b"content"), "2020-01-01T00:00:00Z") == (kept["sha256"], kept["since"])


def test_rot_is_found_when_it_is_the_files_turn(place: Place) -> None:
    (place.root / "sound").write_bytes(b"sound")
    place.write()
    rot(place.root / "file")
    place.age()

    manifest = place.write(reread_percent=100)
    found = place.said("file")
    next_night = place.write()

    assert [str(place.root / "file")] == manifest.rotten
    assert (sha256(b"content"), sha256(b"contenu")) == (found["sha256"], found["rotten"])
    assert "rotten" not in place.said("sound")
    assert 1 == next_night.rotten_count
    assert found == place.said("file")


def test_rotten_file_that_is_written_anew_is_sound(place: Place) -> None:
    place.write()
    rot(place.root / "file")
    place.age()
    place.write(reread_percent=100)
    (place.root / "file").write_bytes(b"restored")

    manifest = place.write()

    assert 0 == manifest.rotten_count
    assert sha256(b"restored") == place.said("file")["sha256"]


def test_every_file_has_its_turn(place: Place) -> None:
    files = place.write(SETTLED).files

    read = [place.write(SETTLED, reread_percent=30).read_files for _ in range(4)]

    assert files == sum(read)
    assert all(read)


def test_excluded_files_are_neither_listed_nor_entered(place: Place) -> None:
    for name in ("a.tmp", "keep/b.tmp", "cache/c"):
        (place.root / name).parent.mkdir(exist_ok=True)
        (place.root / name).write_bytes(b"x")

    place.write(excludes=[(False, r"/[^/]*\.tmp(?=/|\Z)"), (True, "b"), (False, "/cache")])

    below = [line["path"].removeprefix(f"{place.root}/") for line in place.lines()]
    assert ["file", "keep/b.tmp"] == below


def test_a_root_below_an_excluded_folder_is_read(place: Place) -> None:
    (place.root / "cache/keep").mkdir(parents=True)
    for name in ("cache/other", "cache/keep/file"):
        (place.root / name).write_bytes(b"x")
    excludes = [(False, r"/cache(?=/|\Z)"), (True, r"/cache/keep(?=/|\Z)")]
    place.write(str(place.root), str(place.root / "cache/keep"), excludes=excludes)

    assert ["cache/keep/file", "file"] == [
        line["path"].removeprefix(f"{place.root}/") for line in place.lines()
    ]


def test_own_files_are_left_out(place: Place) -> None:
    output = place.root / "manifest"
    Manifest([str(place.root)], str(output)).write()
    Manifest([str(place.root)], str(output), previous=str(output)).write()

    assert 1 == len(output.read_bytes().splitlines()) - 2


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="/dev/shm is no file system here")  # noqa: S108
def test_one_file_system_is_not_left(place: Place) -> None:
    place.write("/dev/shm/..", one_file_system=True)  # noqa: S108
    inside = Path("/dev/shm/restic-verify-test")  # noqa: S108
    inside.write_bytes(b"x")

    try:
        place.write("/dev", one_file_system=True)
        outside = [line["path"] for line in place.lines()]
        place.write("/dev/shm", one_file_system=True)  # noqa: S108
    finally:
        inside.unlink()

    assert str(inside) not in outside
    assert str(inside) in [line["path"] for line in place.lines()]


def test_what_cannot_be_read_is_said(place: Place) -> None:
    manifest = place.write("/proc/self/mem", "/nowhere", str(place.root))

    assert ["/nowhere: ENOENT", "/proc/self/mem: EIO"] == manifest.unread
    assert (3, 2, 1) == (manifest.files, manifest.unread_count, manifest.read_files)
    assert {"path": "/nowhere", "error": "ENOENT"} == place.lines()[0]


@pytest.mark.heavy
def test_file_that_is_written_to_has_no_hash(place: Place) -> None:
    with (place.root / "log").open("wb") as log:
        log.truncate(256 << 20)
    begun, stop = threading.Event(), threading.Event()

    def keep_writing() -> None:
        with (place.root / "log").open("ab", buffering=0) as log:
            while not stop.is_set():
                log.write(b"x")
                begun.set()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    begun.wait()
    try:
        manifest = place.write()
    finally:
        stop.set()
        writer.join()

    assert [f"{place.root}/log: EBUSY"] == manifest.unread
    assert "sha256" not in place.said("log")
    assert [] == place.write().unread


def test_another_run_is_not_disturbed(place: Place) -> None:
    place.write()
    before = place.output.read_bytes()
    part = place.output.with_name("manifest.part")
    with part.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"half")
        other.flush()
        with pytest.raises(BlockingIOError):
            place.write()
        left = part.read_bytes()

    assert (before, b"half") == (place.output.read_bytes(), left)
    assert 1 == place.write().files
    assert not part.exists()


def _program(place: Place, *roots: Path) -> Path:
    path = place.output.with_name("restic-manifest")
    wanted = [str(root) for root in roots or (place.root,)]
    path.write_text(script(roots=wanted, output=str(place.output), previous=str(place.output)))
    path.chmod(0o755)
    return path


@pytest.mark.heavy
def test_killed_run_leaves_the_old_manifest_whole(place: Place) -> None:
    place.write()
    before = place.output.read_bytes()
    with (place.root / "vast").open("wb") as vast:
        vast.truncate(1 << 40)
    part = place.output.with_name("manifest.part")
    running = subprocess.Popen([sys.executable, _program(place)], stderr=subprocess.DEVNULL)
    while not part.exists():
        assert running.poll() is None
    running.send_signal(signal.SIGKILL)
    running.wait()

    assert part.exists()
    assert before == place.output.read_bytes()
    (place.root / "vast").unlink()
    assert 1 == place.write().files
    assert not part.exists()


def test_full_disk_leaves_the_old_manifest_whole(place: Place) -> None:
    place.write()
    before = place.output.read_bytes()
    (place.root / "more").write_bytes(b"x")
    limited = f"ulimit -f 0; trap '' XFSZ; exec {sys.executable} {_program(place)}"

    ended = subprocess.run(["bash", "-c", limited], check=False, capture_output=True)

    assert 3 == ended.returncode
    assert b"not written: File too large" in ended.stderr
    assert before == place.output.read_bytes()


@pytest.mark.parametrize("stored", [b"", b"\n", b"{}\n", b"\x00\xff" * 99, b"[]\n[]\n"])
def test_previous_that_is_no_manifest_is_not_used(place: Place, stored: bytes) -> None:
    place.output.write_bytes(stored)

    manifest = place.write()

    assert (1, 1) == (manifest.files, manifest.read_files)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A manifest of files that nobody has written to for long."""
    place = Place(tmp_path_factory.mktemp("settled"))
    place.write(SETTLED)
    return place


@given(at=st.floats(0, 1, exclude_max=True), by=st.integers(1, 255))
def test_damaged_previous_is_as_good_as_none(settled: Place, at: float, by: int) -> None:
    whole = settled.output.read_bytes()
    body = whole[: whole.rindex(b'{"end"')]
    damaged = bytearray(whole)
    damaged[int(at * len(body))] ^= by
    previous = settled.output.with_name("previous")
    previous.write_bytes(damaged)

    manifest = settled.write(SETTLED, previous=str(previous))

    assert 0 == manifest.kept_files
    assert manifest.files == manifest.read_files


@pytest.mark.parametrize("unreadable", ["", "/nowhere/previous", "/dev"])
def test_run_without_a_previous_reads_everything(place: Place, unreadable: str) -> None:
    assert 1 == place.write(previous=unreadable).read_files


def test_program_says_how_it_went(place: Place) -> None:
    program = _program(place)
    well = subprocess.run([program], check=False, capture_output=True)
    rot(place.root / "file")
    place.age()
    place.alter(lambda record: record.update(sha256="old"))
    settings = {"roots": [str(place.root), "/no\nwhere"], "output": str(place.output)}
    program.write_text(script(previous=str(place.output), reread_percent=100, **settings))
    badly = subprocess.run([program], check=False, capture_output=True)
    program.write_text(script(**{**settings, "output": "/nowhere/manifest"}))
    not_at_all = subprocess.run([program], check=False, capture_output=True)

    assert (0, b"") == (well.returncode, well.stdout)
    assert b"manifest: 1 files, 1 read, 0 not readable, 0 rotten\n" == well.stderr
    assert (1, b"") == (badly.returncode, badly.stdout)
    assert f"{place.root}/file: its content changed".encode() in badly.stderr
    assert rb"not read: /no\nwhere: ENOENT" in badly.stderr
    assert (3, b"") == (not_at_all.returncode, not_at_all.stdout)
    assert b"manifest: /nowhere/manifest: not written: No such file" in not_at_all.stderr


def test_program_needs_nothing_but_an_old_python() -> None:
    text = script(roots=["/srv/latin-\udce9"], output='/srv/it\'s \\ "quoted"')
    tree = ast.parse(text, feature_version=(3, 8))

    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else _names(node))
    }

    assert text.isascii()
    assert imported <= sys.stdlib_module_names
    assert "verifier" not in imported


def _names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]


OLDEST = next(
    (
        path
        for version in (8, 9, 10)
        for path in (shutil.which(f"python3.{version}"),)
        if path and subprocess.run([path, "-V"], check=False, capture_output=True).returncode == 0
    ),
    sys.executable,
)


def test_program_runs_under_the_oldest_python_there_is(place: Place) -> None:
    (place.root / "latin-\udce9").write_bytes(b"x")

    ended = subprocess.run([OLDEST, _program(place)], check=False, capture_output=True)

    assert (0, b"manifest: 2 files, 2 read, 0 not readable, 0 rotten\n") == (
        ended.returncode,
        ended.stderr,
    )
    place.age()
    assert 2 == place.write().kept_files


def test_hashes_are_the_ones_that_everybody_can_check(place: Place) -> None:
    place.write()
    ended = subprocess.run(
        ["sha256sum", place.root / "file"], check=True, capture_output=True, text=True
    )

    assert ended.stdout.split()[0] == place.said("file")["sha256"]
    assert 1 == manifest_script.FORMAT
