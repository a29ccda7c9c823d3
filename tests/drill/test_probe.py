"""The probe on real trees, in this process and piped to other interpreters."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drill.unprivileged import as_nobody
from verifier.core.entry import path_order
from verifier.core.exclude import parse_excludes
from verifier.core.host import Command
from verifier.drill.probe import Walk, program
from verifier.fleet.local import LocalHost


def walk(root: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """Return the records below a folder by their path in it."""
    records = Walk(prefix=str(root), **options).records(["/"])
    return {record["path"]: record for record in records}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of everything that can be told apart."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"content")
    (tmp_path / "a/b/file").chmod(0o6741)
    (tmp_path / "a!").touch()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "twin").hardlink_to(tmp_path / "a/b/file")
    os.mkfifo(tmp_path / "pipe")
    os.setxattr(tmp_path / "a!", "user.k", b"\0v")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff\n")).touch()
    return tmp_path


def test_everything_is_seen_once_in_order_and_no_link_is_followed(tree: Path) -> None:
    records = list(Walk(prefix=str(tree)).records(["/a", "/a/b", "/", "/link/b"]))
    paths = [record["path"] for record in records]

    assert paths == ["/", "/a", "/a/b", "/a/b/file", "/a!", "/link", "/pipe", "/twin", "/\udcff\n"]
    assert paths == sorted(paths, key=path_order)


def test_a_record_holds_what_the_file_system_says(tree: Path) -> None:
    found = walk(tree)
    status = (tree / "twin").stat()

    assert found["/a/b/file"] == found["/twin"] | {"path": "/a/b/file"}
    assert found["/twin"] == {
        "path": "/twin",
        "type": "file",
        "size": 7,
        "mode": 0o6741,
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": [status.st_dev, status.st_ino],
        "sha256": hashlib.sha256(b"content").hexdigest(),
        "attributes": {},
    }
    assert found["/a!"]["attributes"] == {"user.k": "0076"}
    assert (found["/link"]["type"], found["/link"]["linktarget"]) == ("symlink", "a")
    assert found["/pipe"]["type"] == "fifo"


def test_sockets_and_devices_are_named_as_restic_names_them(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket's address is short; its folder's need not be.
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    found = {r["path"]: r for r in Walk().records([str(tree / "socket"), "/dev/null"])}

    assert found[str(tree / "socket")]["type"] == "socket"
    assert (found["/dev/null"]["type"], found["/dev/null"]["device"]) == (
        "chardev",
        Path("/dev/null").stat().st_rdev,
    )


def test_what_is_excluded_is_seen_but_neither_read_nor_entered(tree: Path) -> None:
    patterns = parse_excludes(["b", "twin"]).patterns
    found = walk(tree, excludes=[(p.negated, p.regex) for p in patterns])

    assert "/a/b/file" not in found
    assert found["/a/b"]["entered"] is False
    assert (found["/a/b"]["pattern"], found["/twin"]["pattern"]) == (0, 1)
    assert "sha256" not in found["/twin"]
    assert "/a/b/file" in walk(tree)


def test_what_is_left_out_is_not_seen_at_all(tree: Path) -> None:
    found = walk(tree, leave_out=[str(tree / "a")])

    assert not any(path == "/a" or path.startswith("/a/") for path in found)
    assert "/a!" in found


def test_another_file_system_is_seen_but_not_entered() -> None:
    mounted = {path for path in map(str, Path("/dev").iterdir()) if os.path.ismount(path)}
    own = list(Walk(one_file_system=True).records(["/dev"]))

    assert mounted, "there is no file system mounted below /dev to look at"
    assert {r["path"] for r in own if not r.get("entered", True)} == mounted


def test_a_root_that_is_not_there_is_no_record(tree: Path) -> None:
    assert list(Walk().records([str(tree / "nothing"), str(tree / "a!" / "x")])) == []


def test_a_file_that_keeps_changing_is_called_changing(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.pread

    def write_meanwhile(descriptor: int, count: int, offset: int) -> bytes:
        (tree / "twin").chmod(stat.S_IMODE((tree / "twin").stat().st_mode) ^ 1)
        return read(descriptor, count, offset)

    monkeypatch.setattr("os.pread", write_meanwhile)
    found = walk(tree)["/twin"]

    assert found["error"] == "changing"
    assert "sha256" not in found


def test_a_file_that_changed_once_is_read_again(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, changes = os.pread, iter([b"new"])

    def write_once(descriptor: int, count: int, offset: int) -> bytes:
        for content in changes:
            (tree / "a!").write_bytes(content)
        return read(descriptor, count, offset)

    monkeypatch.setattr("os.pread", write_once)
    (tree / "twin").unlink()
    (tree / "a/b/file").unlink()
    found = walk(tree)["/a!"]

    assert found["sha256"] == hashlib.sha256(b"new").hexdigest()
    assert found["size"] == 3


def test_a_link_put_in_a_files_place_is_not_followed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "secret").write_bytes(b"secret")
    real = os.open

    def swap(path: bytes, flags: int) -> int:
        (tree / "a!").unlink()
        (tree / "a!").symlink_to("secret")
        return real(path, flags)

    monkeypatch.setattr("os.open", swap)
    found = next(iter(Walk().records([str(tree / "a!")])))

    assert found["error"] == "changing"
    assert "sha256" not in found


def test_reading_leaves_no_access_time_behind(tree: Path) -> None:
    os.utime(tree / "a!", ns=(5, 5))
    walk(tree)

    assert (tree / "a!").stat().st_atime_ns == 5


@pytest.fixture
def open_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tree that anybody may reach, with things in it that only its owner may read."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    for name, mode in (("no-r", 0o311), ("no-x", 0o744), ("open", 0o755)):
        (root / name).mkdir()
        (root / name / "file").write_bytes(b"x")
        (root / name / "deep").mkdir()
        (root / name).chmod(mode)
    (root / "secret").write_bytes(b"x")
    (root / "secret").chmod(0o600)
    yield root
    for name in ("no-r", "no-x"):
        (root / name).chmod(0o700)
    shutil.rmtree(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="the twin needs root, who may read everything")
def test_what_may_not_be_read_is_said_to_be_so(open_tree: Path) -> None:
    def look() -> dict[str, Any]:
        return {p: [r.get("error"), r.get("entered")] for p, r in walk(open_tree).items()}

    denied = as_nobody(look)

    assert {path: found for path, found in denied.items() if found[0]} == {
        "/no-r": ["EACCES", False],
        "/no-x/deep": ["EACCES", False],
        "/no-x/file": ["EACCES", False],
        "/secret": ["EACCES", True],
    }
    assert not any(found[0] for found in look().values())


@pytest.mark.skipif(os.geteuid() != 0, reason="the twin needs root, who may read everything")
def test_attributes_that_may_not_be_read_are_not_taken_for_none(open_tree: Path) -> None:
    os.setxattr(open_tree / "secret", "user.k", b"v")

    def look() -> dict[str, Any]:
        records = Walk(prefix=str(open_tree)).records(["/secret"], [])
        return {record["path"]: record["attributes"] for record in records}

    assert {"/secret": None} == as_nobody(look)
    assert {"/secret": {"user.k": "76"}} == look()


def test_a_tree_of_our_own_can_be_unlocked(open_tree: Path) -> None:
    def look() -> list[str]:
        own = open_tree / "own"
        (own / "closed").mkdir(parents=True)
        (own / "closed/file").write_bytes(b"x")
        (own / "closed/file").chmod(0)
        (own / "closed").chmod(0)
        records = walk(own, unlock=lambda path: Path(os.fsdecode(path)).chmod(0o700))
        return [f"{p} {r['mode']:o} {r.get('error', '')}" for p, r in records.items()]

    open_tree.chmod(0o777)

    assert as_nobody(look)[1:] == ["/closed 0 ", "/closed/file 0 "]


def interpreters() -> list[str]:
    """Return this interpreter, and the oldest supported one where it is installed."""
    old = [shutil.which(name) for name in ("python3.8", "python3.9")]
    return [sys.executable, *[path for path in old if path and runs(path)]]


def runs(python: str) -> bool:
    """Say whether it is an interpreter, and not a stand-in for one."""
    return LocalHost().run(Command((python, "--version"))).status == 0


@pytest.mark.parametrize("python", interpreters())
def test_a_piped_probe_sees_what_an_imported_one_sees(tree: Path, python: str) -> None:
    arguments, script = program(roots=["/"], prefix=str(tree))
    done = LocalHost().run(Command((python, *arguments), stdin=script))
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert lines == [*walk(tree).values(), {"end": 9}]


@pytest.mark.parametrize("python", interpreters())
def test_a_probe_that_nobody_listens_to_ends(tmp_path: Path, python: str) -> None:
    """In the middle of one huge file, long before it has anything to write."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    arguments, script = program(roots=["/"], prefix=str(tmp_path))
    pipe = subprocess.PIPE
    with subprocess.Popen((python, *arguments), stdin=pipe, stdout=pipe) as probe:
        assert probe.stdin is not None
        assert probe.stdout is not None
        probe.stdin.write(script)
        probe.stdin.close()
        probe.stdout.close()
        try:
            status = probe.wait(timeout=20)
        finally:
            probe.kill()

    assert 1 == status


def test_roots_may_stand_on_the_command_line(tree: Path) -> None:
    script = Path(sys.modules[Walk.__module__].__file__ or "").read_bytes()
    command = Command((sys.executable, "-", str(tree / "a!")), stdin=script)
    lines = LocalHost().run(command).stdout.splitlines()

    assert [json.loads(line).get("path") for line in lines] == [str(tree / "a!"), None]


def test_the_source_is_python_3_8() -> None:
    source = Path(sys.modules[Walk.__module__].__file__ or "").read_text(encoding="utf-8")
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(source, feature_version=(3, 8)))
        if isinstance(node, ast.Import)
        for alias in node.names
    }

    assert imported < sys.stdlib_module_names
    with pytest.raises(SyntaxError):
        ast.parse("match x:\n    case 1:\n        pass\n", feature_version=(3, 8))
    with pytest.raises(SyntaxError):
        ast.parse("with (a as b, c as d):\n    pass\n", feature_version=(3, 8))


def test_nothing_where_it_starts_passes_for_a_module(tree: Path) -> None:
    (tree / "hashlib.py").write_text("raise SystemExit('hijacked')")
    arguments, script = program(roots=[str(tree / "a!")])
    done = LocalHost().run(Command((sys.executable, *arguments), stdin=script, cwd=str(tree)))

    assert (0, b"") == (done.status, done.stderr)
