"""How a restored git repository is checked without trusting it.

Its own configuration can name programs to run, so git is never pointed at it: an empty repository
of ours lends it a configuration, takes its refs as data, and reads its objects.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from verifier.core.host import Completed

_REF_BYTES = 1 << 12
_PACKED_BYTES = 1 << 26
_SHA256 = re.compile(r"^\s*objectformat\s*=\s*sha256\s*$", re.IGNORECASE | re.MULTILINE)
_REFTABLE = re.compile(r"^\s*refstorage\s*=\s*reftable\s*$", re.IGNORECASE | re.MULTILINE)
_FOLDERS = ("objects", "objects/pack", "objects/info", "refs")
_MEMORY_KIB = 2 << 20
"""A few kilobytes can unpack to a tree of any size, which git would hold whole."""

_SAID_BLOCKS = 64 << 11
"""It writes nothing but what it has to complain about, in blocks of 512 bytes."""

_WINDOWS = "-c core.packedGitWindowSize=64m -c core.packedGitLimit=256m"
_NO_MEMORY = re.compile(r"out of memory|mmap failed|cannot allocate memory", re.IGNORECASE)
_LINT = re.compile(r"(error|warning) in (commit|tree|tag|blob) |warning: |notice: |dangling ")
"""What git finds unusual in an object that is whole: old programs wrote such, and it stays so."""


def is_git(folder: Path) -> bool:
    """Say whether a folder is a git repository, bare or not."""
    return (folder / "objects").is_dir() and (folder / "HEAD").exists()


def fsck(folder: Path, work: Path) -> tuple[str, ...] | str:
    """Prepare to check a repository: return the words to run, or why it cannot be checked.

    Args:
        folder: the restored `.git`, or a bare repository.
        work: a folder of ours, where the lent repository is made anew.
    """
    config = _text(folder / "config")
    reason = _unfit(folder, config)
    if reason:
        return reason
    lent = work / "git"
    shutil.rmtree(lent, ignore_errors=True)
    (lent / "objects").mkdir(parents=True)
    form = "1\n[extensions]\n\tobjectformat = sha256" if _SHA256.search(config) else "0"
    (lent / "config").write_text(f"[core]\n\tbare = true\n\trepositoryformatversion = {form}\n")
    for name in ("HEAD", "packed-refs", "shallow"):
        _copy(folder / name, lent / name, _PACKED_BYTES)
    (lent / "refs").mkdir()
    for path in _files(folder / "refs"):
        target = lent / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, target, _REF_BYTES)
    return (
        "env",
        f"GIT_DIR={lent}",
        f"GIT_OBJECT_DIRECTORY={folder / 'objects'}",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_TERMINAL_PROMPT=0",
        "sh",
        "-c",
        # What it misses is told on standard output, how it is broken on standard error.
        f"ulimit -v {_MEMORY_KIB}; ulimit -f {_SAID_BLOCKS}; "
        f"exec git {_WINDOWS} fsck --full --no-dangling --no-progress >&2",
    )


def out_of_memory(done: Completed) -> bool:
    """Say whether git ended because it may not take more memory."""
    return bool(_NO_MEMORY.search(done.stderr.decode(errors="replace")))


def lint_only(done: Completed) -> bool:
    """Say whether git complains about nothing but the style of objects that are all there."""
    lines = done.stderr.decode(errors="replace").splitlines()
    return bool(lines) and all(_LINT.match(line) for line in lines if line.strip())


def _unfit(folder: Path, config: str) -> str:
    if not is_git(folder):
        return "it is no git repository"
    # A link made on another machine may lead anywhere on this one.
    if any((folder / name).is_symlink() for name in _FOLDERS):
        return "its objects or refs lie elsewhere"
    if (folder / "objects/info/alternates").exists():
        return "it borrows objects from another repository"
    if any((folder / "objects/pack").glob("*.promisor")):
        return "it is a partial clone: what is missing may be fetched"
    if _REFTABLE.search(config):
        return "its refs are kept in a reftable"
    return ""


def _files(folder: Path) -> Iterator[Path]:
    for path, _, names in os.walk(folder):
        yield from (Path(path, name) for name in names)


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as stream:
        return stream.read(1 << 16).decode(errors="replace")


def _copy(source: Path, target: Path, size_max: int) -> None:
    # A symbolic HEAD of very old repositories points at a ref; anything else is not followed.
    if source.is_symlink():
        if source.name == "HEAD":
            target.write_text(f"ref: {os.readlink(source)}\n")  # noqa: PTH115 - as it stands
        return
    if source.is_file() and source.stat().st_size <= size_max:
        shutil.copyfile(source, target)
