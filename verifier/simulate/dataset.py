"""Generated data that changes from day to day: a pure function of seed, host, path and day.

Any day can be written without the days before it, so that a timeline can begin anywhere. A file
keeps its bytes for some days, then has new ones; some files come and go. Times are set on every
file and folder, because a restore is judged by them and two runs must not differ.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

FILES_PER_FOLDER = 2
FOLDERS = ("", "mail", "mail/new", "www")
_SIZES = (0, 300, 4_000, 20_000)
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class File:
    """One generated file on one day.

    Attributes:
        path: below the include path, `/` between folders.
        changed_day: the day number since 1970 on which it got these bytes.
    """

    path: str
    changed_day: int
    size_bytes: int
    key: bytes

    def content(self) -> bytes:
        """Return its bytes: no two versions share them."""
        return hashlib.shake_128(self.key).digest(self.size_bytes)


class Dataset:
    """The generated data of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._written: dict[Path, tuple[tuple[str, ...], dict[str, File]]] = {}

    def files(self, host: str, path: str, day: date) -> Iterator[File]:
        """Yield the files that exist below an include path on a day."""
        number = day.toordinal() - date(1970, 1, 1).toordinal()
        for index in range(FILES_PER_FOLDER * len(FOLDERS)):
            folder = FOLDERS[index % len(FOLDERS)]
            draw = hashlib.sha256(f"{self._seed}/{host}/{path}/{index}".encode()).digest()
            # From a file that changes daily to one that changes every 60 days.
            period = (1, 2, 7, 30, 60)[draw[0] % 5]
            version = (number + draw[1] % period) // period
            if index % 5 == 4 and version % 4 == 3:
                continue
            key = draw + version.to_bytes(8, "big")
            size = _SIZES[draw[2] % len(_SIZES)] + (key[-1] * 7 if draw[2] % 4 else 0)
            changed = version * period - draw[1] % period
            yield File(f"{folder}/file-{index:02}.dat".lstrip("/"), changed, size, key)

    def write(self, root: Path, host: str, paths: tuple[str, ...], day: date) -> None:
        """Make what lies below `root` the host's data of that day, touching only what differs.

        Other include paths than last time begin anew: what the old ones left could lie below one
        of the new. Include paths may lie inside each other.

        Args:
            root: stands for the host's `/`; each include path is a folder in it.
        """
        wanted = {
            f"{path}/{file.path}".strip("/"): file
            for path in paths
            for file in self.files(host, path, day)
        }
        known_paths, known = self._written.get(root, ((), {}))
        if known_paths != paths:
            shutil.rmtree(root, ignore_errors=True)
            known = {}
            for folder in (f"{path}/{name}" for path in paths for name in FOLDERS):
                (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for name in known.keys() - wanted.keys():
            (root / name).unlink()
        for name, file in wanted.items():
            if known.get(name) != file:
                _write_file(root / name, file)
        for folder, changed_day in _folder_days(paths, wanted).items():
            _stamp(root / folder, changed_day)
        self._written[root] = paths, wanted


def _write_file(target: Path, file: File) -> None:
    # A new inode, as editors and rsync leave one.
    target.unlink(missing_ok=True)
    target.write_bytes(file.content())
    _stamp(target, file.changed_day)


def _folder_days(paths: Sequence[str], files: Mapping[str, File]) -> dict[str, int]:
    """Return every folder below the root with the day on which a file in it changed last."""
    days = {"": 0}
    for folder in (f"{path}/{name}".strip("/") for path in paths for name in FOLDERS):
        for parent in (folder, *map(str, PurePosixPath(folder).parents)):
            days.setdefault("" if parent == "." else parent, 0)
    for name, file in files.items():
        folder = name.rpartition("/")[0]
        days[folder] = max(days[folder], file.changed_day)
    return days


def _stamp(path: Path, day: int) -> None:
    second = day * _DAY_S + 43_200
    os.utime(path, (second, second))
