"""A configuration as a fleet can have it: what its machines cannot have is replaced, no more.

Paths stay where they are in production. What is replaced: a repository or copy that is no folder,
the path of restic, a key outside of what is mounted, addresses that a network of ours cannot give,
a manifest that no include names.
"""

from __future__ import annotations

import re
from pathlib import Path

from verifier.config.install import split_remote
from verifier.config.models import Config, HostTable, Offsite
from verifier.simulate.worlds.fleet_store import BUCKET

REPOSITORY, MOUNTED, OFFSITE = "/mnt/storage/restic", "/mnt/jak/restic", "/mnt/offsite"
KEY_FILE = "/mnt/keys/restic/password"
MANIFEST = "restic-manifest/manifest"

# A folder of its own, in memory, would hide what else a machine keeps beside the key.
_MOUNTABLE = re.compile(r"/(mnt|media|run)/[^/]+/.+")
_ALIAS = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9._-]*")


def settle(config: Config) -> Config:
    """Return the configuration that a fleet runs. A host that is the coordinator has its own."""
    key_file, location = config.key_file or "", config.repository.location
    names = {host.name for host in config.hosts}
    coordinator = {
        "key_file": key_file if _MOUNTABLE.fullmatch(key_file) else KEY_FILE,
        "name": config.coordinator.name + ("-coordinator" * (config.coordinator.name in names)),
    }
    repository = {"location": _folder(location, REPOSITORY), "restic": "restic"}
    return config.model_copy(
        update={
            "repository": config.repository.model_copy(update=repository),
            "coordinator": config.coordinator.model_copy(update=coordinator),
            "hosts": tuple(_settled(config, host) for host in config.hosts),
            "offsite": config.offsite
            and config.offsite.model_copy(
                update={"target": _target(config.offsite), "password_file": None}
            ),
        }
    )


def remote_of(offsite: Offsite) -> tuple[str, str]:
    """Return the name of rclone's remote and the path in it; no name where it is a folder."""
    return split_remote(offsite.target)


def copy_folder(config: Config, offsite: Path) -> Path | None:
    """Return where the copy lies; none where a settled configuration has none.

    Args:
        offsite: the folder that is mounted for it.
    """
    if config.offsite is None:
        return None
    remote, path = remote_of(config.offsite)
    return offsite / BUCKET / path.strip("/") if remote else offsite


def free_name(config: Config, wanted: str) -> str:
    """Return a name for one more machine that none in a settled configuration has."""
    hosts = {name for host in config.hosts for name in (host.name, host.address)}
    while wanted in {config.coordinator.name, *hosts}:
        wanted += "-of-fleet"
    return wanted


def manifest_place(host: HostTable) -> str | None:
    """Return where a host keeps its manifest: below an include: it adds no path."""
    folders = [path.rstrip("/") + "/" for path in host.include]
    if host.manifest is None or any(host.manifest.startswith(path) for path in folders):
        return host.manifest
    return f"{folders[0]}{MANIFEST}"


def _settled(config: Config, host: HostTable) -> HostTable:
    alone = [other.address for other in config.hosts].count(host.address) == 1
    known = alone and not host.is_local and _ALIAS.fullmatch(host.address or "")
    moved = {
        "address": host.address if known else host.name,
        "repository": _folder(config.mounted(host), MOUNTED),
        "manifest": manifest_place(host),
    }
    return host.model_copy(update=moved)


def _folder(location: str, otherwise: str) -> str:
    return location if location.startswith("/") else otherwise


def _target(offsite: Offsite) -> str:
    named = offsite.method == "rclone-sync" and split_remote(offsite.target)[0]
    return offsite.target if named or offsite.target.startswith("/") else OFFSITE
