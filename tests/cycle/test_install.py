"""Files come to their places whole, or not at all; what is right already is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.core.errors import CannotVerify, NoSpace
from verifier.cycle.file import File
from verifier.cycle.install import compare, install

FILES = {
    "etc/run.timer": File("timer\n", 0o644),
    "etc/sudoers.d/rights": File("rights\n", 0o440),
    "bin/run": File("#!/bin/sh\n", 0o755),
}


def put(folder: Path, files: dict[str, File]) -> list[str]:
    """Install files; return the state of each before."""
    changes = compare(files, folder)
    install(files, changes, folder)
    return [change.state for change in changes]


def there(folder: Path) -> dict[str, File]:
    """Return what stands below a folder."""
    return {
        str(path.relative_to(folder)): File(path.read_text(), path.stat().st_mode & 0o7777)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_are_made_with_their_modes_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        states = put(tmp_path / "root", FILES)
    finally:
        os.umask(before)

    assert ["created"] * 3 == states
    assert FILES == there(tmp_path / "root")
    assert {0o755} == {p.stat().st_mode & 0o777 for p in (tmp_path / "root").rglob("*/")}


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    put(tmp_path, FILES)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    other = {**FILES, "bin/run": File("#!/bin/bash\n", 0o755)}

    assert ["unchanged", "unchanged", "changed"] == put(tmp_path, other)
    after = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    assert [tmp_path / "bin/run"] == [path for path in after if after[path] != before[path]]
    assert other == there(tmp_path)


def test_a_mode_alone_is_a_change(tmp_path: Path) -> None:
    put(tmp_path, FILES)
    (tmp_path / "bin/run").chmod(0o4755)
    (change,) = (it for it in compare(FILES, tmp_path) if it.state != "unchanged")

    assert ("bin/run", (), (0o4755, 0o755)) == (change.name, change.diff, change.modes)
    put(tmp_path, FILES)
    assert FILES == there(tmp_path)


@pytest.mark.parametrize("stored", [b"timer", b"", b"timer\n\n", b"\xff\n", b"timer\r\n"])
def test_any_other_bytes_are_a_difference(tmp_path: Path, stored: bytes) -> None:
    put(tmp_path, FILES)
    (tmp_path / "etc/run.timer").write_bytes(stored)
    change = compare(FILES, tmp_path)[0]

    assert "changed" == change.state
    assert [line for line in change.diff[2:] if line[:1] in {"+", "-"}]


def test_bytes_that_look_like_the_text_are_a_difference(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"\xff\n")
    (change,) = compare({"odd": File("\\xff\n", 0o644)}, tmp_path)

    assert ("changed", 1) == (change.state, len(change.diff))


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    put(tmp_path, FILES)
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "bin/run").unlink()
    (tmp_path / "bin/run").symlink_to(tmp_path / "mine")

    assert ["unchanged", "unchanged", "changed"] == put(tmp_path, FILES)
    assert "mine" == (tmp_path / "mine").read_text()
    assert not (tmp_path / "bin/run").is_symlink()


def test_nothing_is_written_where_one_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "bin").write_text("a file where a folder is needed")

    with pytest.raises(CannotVerify) as caught:
        put(tmp_path, FILES)

    assert str(tmp_path / "bin/run") == caught.value.subject
    assert ["bin"] == [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "bin/run").mkdir(parents=True)

    with pytest.raises(CannotVerify, match="is a folder"):
        compare(FILES, tmp_path)


@pytest.mark.heavy
def test_who_is_killed_leaves_old_or_new_files_and_no_half_ones(tmp_path: Path) -> None:
    """A loop that writes two texts in turn is killed at arbitrary moments."""
    texts = ["a" * 400_000 + "\n", "b" * 400_000 + "\n"]
    program = (
        "import sys, itertools; from pathlib import Path\n"
        "from verifier.cycle.file import File\n"
        "from verifier.cycle.install import compare, install\n"
        "for text in itertools.cycle([c * 400_000 + '\\n' for c in 'ab']):\n"
        "    files = {'etc/unit': File(text, 0o644)}\n"
        "    install(files, compare(files, Path(sys.argv[1])), Path(sys.argv[1]))\n"
        "    print(flush=True)\n"
    )
    for round_number in range(8):
        command = [sys.executable, "-c", program, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(3 + round_number):
                process.stdout.readline()
            process.kill()
        assert (tmp_path / "etc/unit").read_text() in texts

    assert ["created"] != put(tmp_path, {"etc/unit": File(texts[0], 0o644)})
    put(tmp_path, {"etc/unit": File(texts[1], 0o644)})
    assert {"etc/unit": File(texts[1], 0o644)} == there(tmp_path)


def test_a_full_disk_is_called_one(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", tmp_path], check=True)
    try:
        (tmp_path / "fill").write_bytes(bytes(4096))
        with pytest.raises(NoSpace, match="No space left") as caught:
            put(tmp_path / "into", FILES)
        left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
        (tmp_path / "fill").unlink()
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert "make room" in caught.value.remedy
    assert ["fill"] == left
