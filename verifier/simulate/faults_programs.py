"""What becomes of a system's programs: some machines have another release of restic one day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from verifier.config.scenario_faults import ResticUpgraded
from verifier.core.errors import ResticFailed
from verifier.core.host import Command, Host


def release_on(name: str, day: date, upgrades: Iterable[ResticUpgraded], release: str) -> str:
    """Return the release of restic that a machine has on a day.

    Args:
        name: the host's, or the coordinator's.
        release: the one that it begins with.
    """
    since = [(u.from_, u.restic) for u in upgrades if name in u.hosts and u.from_ <= day]
    return max(since)[1] if since else release


def install_restic(folder: Path, program: str) -> None:
    """Let the `restic` of a folder on a machine's PATH be this program.

    Args:
        program: by its full path.
    """
    folder.mkdir(exist_ok=True)
    new = folder / "restic.new"
    new.symlink_to(program)
    new.replace(folder / "restic")


def migrate(host: Host, restic: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Migrate a repository of version 1 to version 2, as its owner does it by hand.

    Args:
        restic: the program, and what must stand before it.
        env: names the repository and opens it.

    Raises:
        ResticFailed: it could not be migrated.
    """
    command = Command((*restic, "-q", "migrate", "upgrade_repo_v2"), env=env)
    done = host.run(command)
    if done.status != 0:
        remedy = "run the command by hand to see why"
        raise ResticFailed(str(command), done.status, done.last_lines(), remedy)
