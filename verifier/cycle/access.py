"""How the coordinator reaches what is not on it: its hosts by ssh, the copy's store by rclone."""

from __future__ import annotations

from verifier.config.install import split_remote
from verifier.config.models import Config
from verifier.cycle.file import SETTINGS, File
from verifier.cycle.template import fill

_ENV_AUTH = frozenset({"azureblob", "s3", "swift"})
"""Kinds of store whose credentials rclone takes from the environment when it is told to."""


def ssh_settings(config: Config) -> dict[str, File]:
    """Return the settings of ssh for the hosts; nothing where none is reached by ssh."""
    hosts = [host for host in config.hosts if not host.is_local]
    if not hosts:
        return {}
    text = fill("ssh.conf", user=config.coordinator.user, hosts=hosts)
    return {"etc/ssh/ssh_config.d/50-restic.conf": File(text, SETTINGS)}


def rclone_settings(config: Config) -> dict[str, File]:
    """Return what rclone is told of the copy's remote; nothing where it is told nothing."""
    offsite = config.offsite
    if offsite is None or offsite.remote is None:
        return {}
    remote, (name, _) = offsite.remote, split_remote(offsite.target)
    options = {"env_auth": "true"} if remote.type in _ENV_AUTH else {}
    text = fill(
        "rclone.conf",
        name=name,
        variable=name.upper(),
        remote=remote,
        options={**options, **remote.options},
    )
    return {"etc/restic-verify/rclone.conf": File(text, SETTINGS)}
