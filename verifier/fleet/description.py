"""What a fleet is to be, as data: machines, the files put into them, what they share.

Knows neither restic nor Docker; `containers` makes it, and whoever describes a fleet fills it in.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

INSTALL = "/run/restic-verify"
"""Where a machine finds what is to be installed in it."""

_INSTALLED = "/var/lib/restic-verify-installed"


@dataclass(frozen=True, slots=True)
class Installed:
    """A file to put into a machine, owned by its root."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine that a machine of the fleet sees; several may share one."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a fleet.

    Attributes:
        name: its host name, and its name on the fleet's network.
        aliases: more names on that network.
        files: full path -> what stands there.
        mounts: folders of ours, in order: a mount may lie in another.
        tmpfs: folders in memory, empty after every start.
        capabilities: what Linux lets it do beyond a container's usual rights, without `CAP_`.
        boot: shell lines that root runs once, after the files are in place.
        serve: what runs as long as the machine does, and the words before it.
        ready: what that prints, on a line, when the machine can be used.
    """

    name: str
    serve: tuple[str, ...]
    ready: str
    aliases: tuple[str, ...] = ()
    files: Mapping[str, Installed] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    boot: tuple[str, ...] = ()


def render_boot(machine: Machine) -> str:
    """Return the script that a machine starts with: installs once, then serves."""
    lines = "\n".join(f"  {line}" for line in machine.boot)
    return f"""\
#!/bin/bash
set -euo pipefail
umask 022
if [[ ! -e {_INSTALLED} ]]; then
  cp -r --preserve=mode,timestamps {INSTALL}/files/. /
{lines}
  touch {_INSTALLED}
fi
exec {shlex.join(machine.serve)}
"""


def write_install(machine: Machine, folder: Path) -> None:
    """Write what a machine installs into a new folder of ours, which it sees as `INSTALL`."""
    folder.mkdir(parents=True)
    (folder / "files").mkdir()
    for path, file in machine.files.items():
        assert path.startswith("/"), "a file stands at a full path"
        target = folder / "files" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(file.content)
        target.chmod(file.mode)
    script = folder / "boot"
    script.write_text(render_boot(machine))
    script.chmod(0o755)
