"""What a host of the fleet holds on a simulated day, and how it gets there.

The generated data lies in a folder of its own below every include path, beside whatever the host
itself keeps there. Root alone may read it: that restic backs it up all the same proves that its
capability works.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath

from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Host
from verifier.simulate.dataset import FOLDERS, Dataset, File

FOLDER = "simulated"
APPLY_TIMEOUT_S = 120.0
_DAY_S = 86_400

# The list of what goes ends with an empty entry; what follows it is the archive.
_APPLY = """\
set -euo pipefail
while IFS= read -r -d '' path && [[ -n $path ]]; do rm -rf -- "$path"; done
exec tar --extract --preserve-permissions --directory=/ --file=-
"""


@dataclass(slots=True)
class Held:
    """What one host holds: include paths and, by full path, the generated files."""

    paths: tuple[str, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)


def data_folder(path: str) -> str:
    """Return the folder of the generated data below an include path."""
    return f"{path.rstrip('/')}/{FOLDER}"


def apply_day(
    host: Host,
    dataset: Dataset,
    held: Held,
    *,
    paths: tuple[str, ...],
    day: date,
    more: Mapping[str, bytes],
) -> None:
    """Make what the host holds its data of that day, sending only what differs.

    Args:
        held: what it holds now; brought up to date.
        more: programs to install beside the data, by full path.

    Raises:
        CannotVerify: the host does not take it.
    """
    folders = {path: data_folder(path) for path in paths}
    wanted = {
        f"{folder}/{file.path}": file
        for path, folder in folders.items()
        for file in dataset.files(host.name, path, day)
    }
    # Other include paths than last time begin anew.
    known = held.files if held.paths == paths else {}
    left = () if held.paths == paths else map(data_folder, held.paths)
    gone = (*left, *(name for name in known if name not in wanted))
    changed = {name: file for name, file in wanted.items() if known.get(name) != file}
    archive = _archive(changed, _folder_days(folders.values(), wanted), more)
    listed = b"".join(f"{name}\0".encode() for name in gone) + b"\0"
    done = host.run(
        Command(("/bin/bash", "-c", _APPLY), stdin=listed + archive), timeout_s=APPLY_TIMEOUT_S
    )
    if done.status != 0:
        message = f"does not take its data of {day}: {done.last_lines()}"
        remedy = "see that every include path of the host can be a folder"
        raise CannotVerify(host.name, message, remedy)
    held.paths, held.files = paths, wanted


def _archive(
    files: Mapping[str, File], folders: Mapping[str, int], more: Mapping[str, bytes]
) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, file in files.items():
            content = file.content()
            member = _member(name, file.changed_day, 0o600)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, program in more.items():
            member = _member(name, 0, 0o755)
            member.size = len(program)
            archive.addfile(member, io.BytesIO(program))
        # Last and from the leaves on: what is written into a folder afterwards changes its time.
        for name, day in sorted(folders.items(), reverse=True):
            member = _member(name, day, 0o700)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
    return stream.getvalue()


def _member(name: str, day: int, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name.lstrip("/"))
    member.mode, member.mtime = mode, day * _DAY_S + _DAY_S // 2
    member.uname = member.gname = "root"
    return member


def _folder_days(roots: Iterable[str], files: Mapping[str, File]) -> dict[str, int]:
    """Return every generated folder with the day on which a file in it changed last."""
    days = {f"{root}/{name}".rstrip("/"): 0 for root in roots for name in FOLDERS}
    for name, file in files.items():
        folder = str(PurePosixPath(name).parent)
        days[folder] = max(days[folder], file.changed_day)
    return days
