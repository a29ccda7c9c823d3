"""What no table of `verify.toml` is wrong by itself with: what comes twice, or that nobody has."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from verifier.config.install import is_mountable
from verifier.config.locate import Location
from verifier.config.models import LOCAL, Config
from verifier.config.places import holds_secret, is_anywhere, is_target, mask
from verifier.config.problems import Problem

OWN_UNITS = tuple(
    f"restic-verify-{job}" for job in ("monthly", "collect", "alert", "tidy", "dashboard")
)
"""Units that the cycle's cannot be called after."""

_ENVIRONMENT = "/etc/restic-verify/environment"


def contradictions(config: Config, *, written: bool = True) -> Iterator[Problem]:
    """Yield everything of the kind.

    Args:
        written: `repository.location` stands in the file, and not in restic's environment.
    """
    if not config.hosts:
        yield Problem(("hosts",), "no host", "at least one host", "add a [[hosts]] table")
    yield from _named_twice(config)
    yield from _same_machine(config)
    yield from _unknown_hosts(config)
    if config.coordinator.log_service in OWN_UNITS:
        where: Location = ("coordinator", "log-service")
        found = f"{config.coordinator.log_service!r}, which is another unit's name"
        yield Problem(where, found, "a name of its own", 'write it as "run-backups"')
    if config.alerts.source == "clickhouse" and config.sinks.clickhouse is None:
        remedy = "add [sinks.clickhouse], or leave alerts.source away"
        yield Problem(("alerts", "source"), "'clickhouse'", "a source that is configured", remedy)
    yield from _unmountable(config)
    for where, location in _locations(config):
        if holds_secret(location) and (written or where[0] != "repository"):
            yield _secret(where, location)


def misplaced(config: Config) -> Iterator[Problem]:
    """Yield what keeps a configuration from being rendered: its files stand on several machines.

    What is read by everybody there must hold no secret, and a path be one from everywhere.
    """
    if holds_secret(config.repository.location):
        yield _secret(("repository", "location"), config.repository.location)
    by_rclone = config.offsite is not None and config.offsite.method == "rclone-sync"
    for where, location in _locations(config):
        if where == ("offsite", "location"):
            continue
        if not (is_target if by_rclone and where[0] == "offsite" else is_anywhere)(location):
            remedy = f"write it from the root, as /{location.removeprefix('local:').lstrip('./')}"
            yield Problem(where, repr(location), "a full path, or a place far away", remedy)
    yield from _same_machine(config, roots=False)


def _locations(config: Config) -> Iterator[tuple[Location, str]]:
    yield ("repository", "location"), config.repository.location
    for index, host in enumerate(config.hosts):
        if host.repository:
            yield ("hosts", index, "repository"), host.repository
    if config.offsite:
        yield ("offsite", "target"), config.offsite.target
        if config.offsite.location:
            yield ("offsite", "location"), config.offsite.location


def _secret(where: Location, location: str) -> Problem:
    credentials = "RESTIC_REST_USERNAME=… and RESTIC_REST_PASSWORD=…"
    if "rclone" in location or where[-1] == "target":
        credentials += ", or RCLONE_CONFIG_REMOTE_OPTION=…"
    remedy = f"take it out, and give the credentials in {_ENVIRONMENT}, as {credentials}"
    if where[0] == "hosts":
        remedy = "take it out, and name a backup-restic of the host's own that sets "
        remedy += "RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD"
    return Problem(where, repr(mask(location)), "a location without a password", remedy)


def _named_twice(config: Config) -> Iterator[Problem]:
    names = [host.name for host in config.hosts]
    for index, name in enumerate(names):
        if name in names[:index]:
            where: Location = ("hosts", index, "name")
            yield Problem(
                where, f"{name!r} again", "a name of its own", "give every host another name"
            )


def _same_machine(config: Config, *, roots: bool = True) -> Iterator[Problem]:
    """Yield hosts that are one machine: of several `backup-restic` there, it would have one.

    Args:
        roots: trees below roots of their own are hosts enough, as for a drill.
    """
    first: dict[tuple[object, ...], str] = {}
    for index, host in enumerate(config.hosts):
        address = (host.address or host.name).lower()
        machine = (address, 0 if host.is_local else host.port, host.source_root if roots else "")
        if machine in first and first[machine] != host.name:
            found = f"{address!r}, which is {first[machine]} already"
            if address != LOCAL:
                found = f"{address!r} with port {host.port}, which is {first[machine]} already"
            remedy = "give it an address of its own, or put both into one [[hosts]] table"
            where: Location = ("hosts", index, "address" if host.address else "name")
            yield Problem(where, found, "a machine of its own", remedy)
        first.setdefault(machine, host.name)


def _unknown_hosts(config: Config) -> Iterator[Problem]:
    names = [host.name for host in config.hosts]
    mentions: list[tuple[Location, str]] = [
        (("simulate", "down", i), d.host) for i, d in enumerate(config.simulate.down)
    ]
    mentions += [(("simulate", "paths", i), p.host) for i, p in enumerate(config.simulate.paths)]
    mentions += [(("canaries", i), canary.host) for i, canary in enumerate(config.canaries)]
    mentions += [(("applications", i), a.host) for i, a in enumerate(config.applications) if a.host]
    for table, host in mentions:
        if host not in names:
            near = difflib.get_close_matches(host, names, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "add a [[hosts]] table for it"
            expected = f"one of the hosts {', '.join(names)}"
            yield Problem((*table, "host"), repr(host), expected, remedy)


def _unmountable(config: Config) -> Iterator[Problem]:
    """Yield what NFS cannot carry, or a mount unit not name."""
    if config.nfs is None:
        return
    expected, remedy = "a full path that can be mounted", "write one as /mnt/storage/restic"
    location = config.repository.location
    if not is_mountable(location):
        yield Problem(("repository", "location"), repr(location), f"{expected}, for [nfs]", remedy)
    for index, host in enumerate(config.hosts):
        if (
            host.repository
            and host.repository.startswith("/")
            and not is_mountable(host.repository)
        ):
            where: Location = ("hosts", index, "repository")
            yield Problem(where, repr(host.repository), f"{expected}, for [nfs]", remedy)
