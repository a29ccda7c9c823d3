"""The repository's folder on its way to the hosts: the coordinator's export, the hosts' mounts."""

from __future__ import annotations

from verifier.config.models import Config, HostTable
from verifier.cycle.file import SETTINGS, File
from verifier.cycle.template import fill, unit_name
from verifier.cycle.units import UNITS


def exports(config: Config) -> dict[str, File]:
    """Return the coordinator's export; nothing where there is no [nfs]."""
    if config.nfs is None:
        return {}
    names = [host.address or host.name for host in config.hosts if not host.is_local]
    clients = config.nfs.clients or tuple(dict.fromkeys(names))
    if not clients:
        return {}
    text = fill("restic.exports", location=config.repository.location, clients=clients)
    return {"etc/exports.d/restic.exports": File(text, SETTINGS)}


def mounts(config: Config, host: HostTable) -> dict[str, File]:
    """Return the units that mount the repository on a host, when somebody looks there."""
    where = config.mounted(host)
    if config.nfs is None or host.is_local or not where.startswith("/"):
        return {}
    server = config.nfs.server or config.coordinator.name
    if ":" in server and not server.startswith("["):
        server = f"[{server}]"
    values = {
        "coordinator": config.coordinator,
        "server": server,
        "location": config.repository.location,
        "where": where,
    }
    path = f"{UNITS}/{unit_name(where)}"
    return {
        f"{path}.{kind}": File(fill(f"repository.{kind}", **values), SETTINGS)
        for kind in ("mount", "automount")
    }
