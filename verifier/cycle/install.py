"""Bring files to where they are installed: see what differs, then write that and nothing else.

Writes are atomic: every file is complete beside its place before the first of them takes it, and
what is as it should be is not touched. A link is replaced by the file, not followed.
"""

from __future__ import annotations

import difflib
import errno
import glob
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from verifier.core.errors import CannotVerify, NoSpace
from verifier.cycle.file import File

State = Literal["created", "changed", "unchanged"]

_BESIDE = ".restic-verify-new"
"""Ends the name of a file that is not in its place yet; nothing reads such names."""


_HIDDEN = ("the bytes differ where the text does not show it",)


@dataclass(frozen=True, slots=True)
class Change:
    """What installing one file comes to.

    Attributes:
        name: below the folder.
        state: `created` where nothing is there, `changed` where its text or its mode differs.
        diff: unified, without line ends; empty where only the mode differs, or nothing does.
        modes: what is there and what is wanted, where they differ.
        private: not everybody may read what is there, so it is nobody's to pass on.
    """

    name: str
    state: State
    diff: tuple[str, ...] = ()
    modes: tuple[int, int] | None = None
    private: bool = False


def compare(files: Mapping[str, File], folder: Path) -> tuple[Change, ...]:
    """Return what it comes to to install files below a folder, in their order.

    Raises:
        CannotVerify: what is there cannot be read, or is a folder.
    """
    return tuple(_compare(name, file, folder / name) for name, file in files.items())


def install(files: Mapping[str, File], changes: Iterable[Change], folder: Path) -> None:
    """Write the files that differ, each with its mode.

    Raises:
        CannotVerify: one cannot be written; then none has been, unless a rename itself failed,
            and no folder is left that was made for them.
    """
    ready: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for change in changes:
            if change.state != "unchanged":
                place = folder / change.name
                with _writing(place):
                    _make_folders(place.parent, made)
                    ready.append((_beside(place, files[change.name]), place))
        while ready:
            new, place = ready[0]
            with _writing(place):
                new.replace(place)
            ready.pop(0)
        made.clear()
    finally:
        for new, _ in ready:
            new.unlink(missing_ok=True)
        for one in reversed(made):
            # One that something is in by now stays.
            with suppress(OSError):
                one.rmdir()


def _compare(name: str, file: File, place: Path) -> Change:
    try:
        about = place.lstat()
        stored = place.read_bytes() if stat.S_ISREG(about.st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return Change(name, "created")
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise CannotVerify(str(place), message, "run it as a user who may read it") from error
    if stat.S_ISDIR(about.st_mode):
        raise CannotVerify(str(place), "is a folder", "move it out of the way")
    mode = stat.S_IMODE(about.st_mode)
    if stored is None:
        return Change(name, "changed", ("what is there is no file; it is replaced",))
    modes = (mode, file.mode) if mode != file.mode else None
    diff = () if stored == file.text.encode() else tuple(_diff(name, stored, file.text)) or _HIDDEN
    state: State = "changed" if modes or diff else "unchanged"
    return Change(name, state, diff, modes, private=not mode & stat.S_IROTH)


def _diff(name: str, stored: bytes, wanted: str) -> Iterator[str]:
    there = stored.decode("utf-8", "backslashreplace").split("\n")
    here = wanted.split("\n")
    if not there[-1] and not here[-1]:
        there, here = there[:-1], here[:-1]
    names = f"{name} (there)", f"{name} (verify.toml)"
    yield from difflib.unified_diff(there, here, *names, lineterm="")


def _make_folders(folder: Path, made: list[Path]) -> None:
    # Whatever the umask: settings of ssh are for others to read.
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        try:
            one.mkdir()
        except FileExistsError:
            if not one.is_dir():
                raise
            # Somebody else was faster, and it is not ours to remove.
            continue
        made.append(one)
        one.chmod(0o755)


def _beside(place: Path, file: File) -> Path:
    for left in place.parent.glob(f".{glob.escape(place.name)}.*{_BESIDE}"):
        # Of a run that was killed.
        left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(_BESIDE, f".{place.name}.", place.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(file.text.encode())
            stream.flush()
            os.fchmod(stream.fileno(), file.mode)
            os.fsync(stream.fileno())
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    return new


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoSpace(str(place), message, "make room there, and run again") from error
        raise CannotVerify(str(place), message, "name a folder that may be written to") from error
