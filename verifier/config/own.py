"""The user's own files in place of generated ones: `[system]`, and a host's `backup-restic`.

They are read as bytes and never changed. A file's path is relative to the TOML file that names it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.config.locate import Location
from verifier.config.problems import Problem, combined, read_text
from verifier.config.table import Table
from verifier.config.values import Text

if TYPE_CHECKING:
    from verifier.config.models import Config

CYCLE = "coordinator/usr/local/bin/run-backups"
"""Where the coordinator's script is installed; as `cycle.render` names files."""

_BACKUP, _PERMIT = "usr/local/bin/backup-restic", "usr/local/sbin/permit-restic"


class System(Table):
    """Files of the user's own that stand in for generated ones.

    Attributes:
        backup_restic, permit_restic: of every host; a host may have a `backup-restic` of its own.
    """

    run_backups: Text | None = None
    backup_restic: Text | None = None
    permit_restic: Text | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a configuration names.

    Attributes:
        where: its key.
        path: as it stands there.
        installed: the files that it replaces; as `cycle.render` names them.
    """

    where: Location
    path: str
    installed: tuple[str, ...]

    def backups(self) -> tuple[str, ...]:
        """Return those of the replaced files that hold a host's paths and excludes."""
        return tuple(name for name in self.installed if name.endswith(f"/{_BACKUP}"))


def named_files(config: Config) -> Iterator[Named]:
    """Yield the files of the user's that a configuration names."""
    system, hosts = config.system, config.hosts
    if system.run_backups:
        yield Named(("system", "run-backups"), system.run_backups, (CYCLE,))
    if system.backup_restic:
        others = [host.name for host in hosts if not host.backup_restic]
        yield _of_hosts(("system", "backup-restic"), system.backup_restic, others, _BACKUP)
    if system.permit_restic:
        names = [host.name for host in hosts]
        yield _of_hosts(("system", "permit-restic"), system.permit_restic, names, _PERMIT)
    for index, host in enumerate(hosts):
        if host.backup_restic:
            where: Location = ("hosts", index, "backup-restic")
            yield _of_hosts(where, host.backup_restic, [host.name], _BACKUP)


def own_misfits(config: Config) -> Iterator[Problem]:
    """Yield what a configuration asks for that the user's own scripts decide."""
    scripts = {name.split("/")[1] for one in named_files(config) for name in one.backups()}
    for index, change in enumerate(config.simulate.paths):
        if change.host in scripts:
            where: Location = ("simulate", "paths", index)
            found = f"other paths for {change.host}"
            remedy = "remove it, or let backup-restic be the generated one"
            yield Problem(where, found, "a host whose script is generated", remedy)
    local = [host.name for host in config.hosts if host.is_local]
    if config.system.run_backups and local:
        found = f"a script that backs up its own machine, {local[0]}"
        remedy = "give the host an address: a simulated host is a machine of its own"
        yield Problem(("system", "run-backups"), found, "hosts that ssh reaches", remedy)


def read_own(config: Config, file: Path) -> dict[str, bytes]:
    """Return the user's files by the names of the generated ones that they replace.

    Args:
        file: that the configuration was read from.

    Raises:
        ConfigError: one of them is not there, may not be read, or may not be executed.
    """
    found: dict[str, bytes] = {}
    named = tuple(named_files(config))
    problems = list(own_misfits(config)) if named else []
    for one in named:
        content = _content(one, file.parent)
        if isinstance(content, Problem):
            problems.append(content)
        else:
            found |= dict.fromkeys(one.installed, content)
    if problems:
        raise combined(str(file), read_text(file), problems)
    return found


def own_hosts(own: Mapping[str, bytes]) -> frozenset[str]:
    """Return the hosts whose path lists and excludes stand in a script of the user's own."""
    parts = (name.split("/", 2) for name in own)
    return frozenset(part[1] for part in parts if part[0] == "hosts" and part[2] == _BACKUP)


def _of_hosts(where: Location, path: str, hosts: list[str], below: str) -> Named:
    return Named(where, path, tuple(f"hosts/{host}/{below}" for host in hosts))


def _content(named: Named, folder: Path) -> bytes | Problem:
    path = folder / named.path
    expected = "a file that may be read and executed"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            remedy = "name the script itself; its path is relative to this file"
            return Problem(named.where, f"{named.path!r}, which is no file", expected, remedy)
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        said = (getattr(error, "strerror", None) or str(error)).lower()
        remedy = f"see that {path} is there and that you may read it"
        return Problem(named.where, f"{named.path!r}: {said}", expected, remedy)
    if not os.access(path, os.X_OK):
        found = f"{named.path!r}, which may not be executed"
        return Problem(named.where, found, expected, f"chmod +x {path}")
    return content
