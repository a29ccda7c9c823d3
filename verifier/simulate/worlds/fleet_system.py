"""The system of a configuration as a fleet: a coordinator, its hosts, what they share.

Every machine installs the very files that `render` writes. The configuration is a settled one
(`fleet_settle`).
"""

from __future__ import annotations

import shlex
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath

from verifier.clock.control import under
from verifier.config.models import Config, HostTable
from verifier.cycle.render import render
from verifier.fleet.description import Installed, Machine, Mount
from verifier.simulate.worlds.fleet_keys import Identity
from verifier.simulate.worlds.fleet_settle import OFFSITE, remote_of

SIMULATED = "/run/simulated"
"""Where a machine finds its clock page, or a host the time and the zone of its next backup."""

PAGE = f"{SIMULATED}/page"
PYTHON = "/usr/bin/python3"
PACKAGE = Path(__file__).parents[2]
"""Every machine sees it at the same path: the clock's launcher is in it."""

HOST_SCRIPT = "/usr/local/bin/backup-restic"
CYCLE_SCRIPT = "/usr/local/bin/run-backups"
SSH_SETTINGS = "KexAlgorithms curve25519-sha256\nGSSAPIAuthentication no\n"
"""Half of a connection's cost is the exchange of keys that quantum computers cannot break."""

HOST_CAPABILITIES, CLOCK_CAPABILITIES = ("DAC_READ_SEARCH",), ("SYS_PTRACE",)

_RESTIC = f"""\
#!/bin/sh
# Stands before restic on a host of a simulated fleet: dates a backup with the simulated time. That
# is a civil time, which comes twice when summer time ends: the zone file says which one is meant.
if [ "$1" = backup ]; then
  shift
  read -r at <{SIMULATED}/time
  set -- backup --time="$at" "$@"
  TZ={SIMULATED}/zone
  export TZ
fi
exec /usr/bin/restic "$@"
"""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the machines of one fleet share, as folders of this machine.

    Attributes:
        repository, offsite: the repository, and what holds its copy.
        clock: holds a folder for each host, with its simulated time.
        restic: the program.
        uid: of every user that the fleet makes: it owns the repository.
        controlled: everything that matters runs under a clock page; otherwise a script that dates
            backups stands before restic.
    """

    repository: Path
    offsite: Path
    clock: Path
    restic: Path
    uid: int
    controlled: bool


def coordinator_machine(
    config: Config, grounds: Grounds, identity: Identity, host_keys: Mapping[str, Identity]
) -> Machine:
    """Return the coordinator of a settled configuration: no server, only what its timer runs."""
    user, home = config.coordinator.user, home_of(config.coordinator.user)
    known = "".join(
        f"{_known_name(host)} {host_keys[host.name].public.decode()}\n" for host in config.hosts
    )
    files = _rendered(config, "coordinator") | {
        f"{home}/.ssh/id_ed25519": Installed(identity.private, 0o600),
        "/etc/ssh/ssh_known_hosts": Installed(known.encode()),
        "/etc/ssh/ssh_config.d/50-fleet.conf": Installed(SSH_SETTINGS.encode()),
        "/usr/bin/restic": Installed(grounds.restic.read_bytes(), 0o755),
    }
    mounts = [Mount(grounds.repository, config.repository.location)]
    if config.offsite:
        remote, _ = remote_of(config.offsite)
        mounts.append(Mount(grounds.offsite, OFFSITE if remote else config.offsite.target))
        if remote:
            # The name of a remote, as rclone's own configuration has it in production.
            alias = f"[{remote}]\ntype = alias\nremote = {OFFSITE}\n"
            files[f"{home}/.config/rclone/rclone.conf"] = Installed(alias.encode(), 0o600)
    assert config.key_file is not None, "settled"
    owned = " ".join(shlex.quote(mount.target) for mount in mounts)
    return Machine(
        config.coordinator.name,
        ("/bin/bash", "-c", "echo ready; exec sleep infinity"),
        "ready",
        files=files,
        mounts=(*mounts, *_clock_mounts(config.coordinator.name, grounds)),
        capabilities=CLOCK_CAPABILITIES if grounds.controlled else (),
        tmpfs=(str(PurePosixPath(config.key_file).parent),),
        boot=(*_boot(config, user, grounds.uid), f"chown -R {shlex.quote(user)}: {owned}"),
    )


def host_machine(
    config: Config, host: HostTable, grounds: Grounds, identity: Identity, own: Identity
) -> Machine:
    """Return a host of a settled configuration: sshd on its port, restic with its capability.

    Args:
        identity: the coordinator's.
        own: its host key.
    """
    home = home_of(host.user)
    files = _rendered(config, f"hosts/{host.name}") | {
        f"{home}/.ssh/authorized_keys": Installed(identity.public + b"\n", 0o600),
        "/etc/ssh/ssh_host_ed25519_key": Installed(own.private, 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": Installed(own.public + b"\n"),
        "/usr/bin/restic": Installed(grounds.restic.read_bytes(), 0o755),
    }
    if not grounds.controlled:
        files["/usr/local/bin/restic"] = Installed(_RESTIC.encode(), 0o755)
    assert host.address is not None, "settled"
    sshd = ("/usr/sbin/sshd", "-D", "-e")
    return Machine(
        host.name,
        under(Path(PAGE), sshd, PYTHON) if grounds.controlled else sshd,
        "listening on 0.0.0.0 port",
        aliases=(host.address,),
        files=files,
        mounts=(
            Mount(grounds.repository, config.mounted(host)),
            *_clock_mounts(host.name, grounds),
        ),
        capabilities=(*HOST_CAPABILITIES, *(CLOCK_CAPABILITIES if grounds.controlled else ())),
        boot=(
            "mkdir -p /run/sshd",
            *_boot(config, host.user, grounds.uid),
            # The program that is meant, not the script that dates its backups.
            "PATH=/usr/sbin:/usr/bin /usr/local/sbin/permit-restic",
        ),
    )


def host_script(config: Config, host: HostTable) -> bytes:
    """Return the host's script where its include paths are these."""
    files = render(config.model_copy(update={"hosts": (host,)}))
    return files[f"hosts/{host.name}{HOST_SCRIPT}"].text.encode()


def zone_file(offset: timedelta) -> bytes:
    """Return a time zone of one fixed offset, in the format of tzfile(5)."""
    counts = struct.pack(">4s16x6l", b"TZif", 0, 0, 0, 0, 1, 4)
    return counts + struct.pack(">lbb", offset // timedelta(seconds=1), 0, 0) + b"SIM\0"


def home_of(user: str) -> str:
    """Return a user's home."""
    return "/root" if user == "root" else f"/home/{user}"


def clock_mounts(folder: Path) -> tuple[Mount, ...]:
    """Return what a machine needs to run anything under the page in a folder of ours."""
    package = Mount(PACKAGE, str(PACKAGE), read_only=True)
    return Mount(folder, SIMULATED, read_only=True), package


def _clock_mounts(name: str, grounds: Grounds) -> tuple[Mount, ...]:
    mounts = clock_mounts(grounds.clock / name)
    return mounts if grounds.controlled else mounts[:1]


def _boot(config: Config, user: str, uid: int) -> tuple[str, ...]:
    name, home = shlex.quote(user), shlex.quote(home_of(user))
    zone = shlex.quote(f"/usr/share/zoneinfo/{config.schedule.timezone}")
    return (
        f"ln -sf {zone} /etc/localtime",
        f"id -u {name} >/dev/null 2>&1 || useradd --uid {uid} --no-create-home --home-dir {home} "
        # Without a password, but not locked: sshd lets nobody in whose account is.
        f"--shell /bin/bash --password '*' {name}",
        f"chmod 0700 {home} {home}/.ssh && chown -R {name}: {home}",
    )


def _rendered(config: Config, part: str) -> dict[str, Installed]:
    found = {
        name.removeprefix(part): file
        for name, file in render(config).items()
        if name.startswith(f"{part}/")
    }
    return {path: Installed(file.text.encode(), file.mode) for path, file in found.items()}


def _known_name(host: HostTable) -> str:
    return f"{host.address}" if host.port == 22 else f"[{host.address}]:{host.port}"
