"""A configuration moved into a folder: what a simulated cycle runs instead of production."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from verifier.config.models import Config, HostTable

ROOT = "/proc/self/cwd/data"
"""A host's `/` as its own restic sees it, whichever folder the host lives in: hosts with one path
list then have one path list here too, as `--group-by paths` needs it."""

DOMAIN = ".simulated"
"""Ends every address: `local` is a name like another here, and nothing answers to these."""


def relocate(config: Config, folder: Path, store: str = "") -> Config:
    """Return the configuration with every path and host of it moved into a folder.

    Args:
        store: what rclone calls the place of the off-site copy, where that is no folder.
    """
    repository, key_file = str(folder / "repository"), str(folder / "keys" / "password")
    # Whoever has the password from a command has it from one here, too.
    command = config.key_file is None and config.repository.password_command is not None
    offsite = config.offsite and config.offsite.model_copy(
        update={"target": store or str(folder / "offsite"), "password_file": None}
    )
    return config.model_copy(
        update={
            "repository": config.repository.model_copy(
                update={
                    "location": repository,
                    "restic": "restic",
                    "password_command": f'cat "{key_file}"' if command else None,
                }
            ),
            "coordinator": config.coordinator.model_copy(
                update={"key_file": None if command else key_file}
            ),
            "hosts": tuple(_relocated(host, repository) for host in without_rights(config).hosts),
            "offsite": offsite,
        }
    )


def without_rights(config: Config) -> Config:
    """Return the configuration for machines on which nobody is root, who could give a right."""
    hosts = (host.model_copy(update={"capability": "file"}) for host in config.hosts)
    return config.model_copy(update={"hosts": tuple(hosts)})


def relocate_paths(paths: Iterable[str]) -> tuple[str, ...]:
    """Return include paths as the host's restic is told them."""
    return tuple(f"{ROOT}{path}".rstrip("/") for path in paths)


def relocate_pattern(pattern: str) -> str:
    """Return an exclude as the host's restic is told it."""
    negated, pattern = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    # Below the root and nowhere above it: the folders of the simulation are no part of the host.
    return f"{negated}{ROOT}{pattern if pattern.startswith('/') else f'/**/{pattern}'}"


def restore_path(path: str) -> str:
    """Return an include path as it was before `relocate_paths`."""
    return path.removeprefix(ROOT) or "/"


def _relocated(host: HostTable, repository: str) -> HostTable:
    moved = {
        "address": f"{host.name}{DOMAIN}",
        "repository": repository,
        "include": relocate_paths(host.include),
        "exclude": tuple(map(relocate_pattern, host.exclude)),
        # No program writes it here, and no policy asks for it: a backup goes on without.
        "manifest": None,
    }
    return host.model_copy(update=moved)
