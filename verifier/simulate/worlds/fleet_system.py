"""The system of a configuration as a fleet: a coordinator, its hosts, what they share.

Every machine installs the very files that `render` writes. The configuration is a settled one
(`fleet_settle`).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from verifier.clock.control import under
from verifier.config.models import Config, HostTable
from verifier.cycle.render import render
from verifier.drill.manifest_program import PROGRAM, host_program
from verifier.fleet.description import Installed, Machine, Mount
from verifier.simulate.worlds.fleet_keys import Identity
from verifier.simulate.worlds.fleet_settle import remote_of
from verifier.simulate.worlds.fleet_store import StoreSite, store_machine

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

PERMIT = "/usr/local/sbin/permit-restic"
"""Not where the right comes from who starts restic."""

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
        repository, offsite: the repository, and what holds its copy: a mount of the coordinator's,
            or the buckets of the store.
        clock: holds a folder for each host, with its simulated time.
        restic: the program.
        uid: of every user that the fleet makes: it owns the repository.
        controlled: everything that matters runs under a clock page; otherwise a script that dates
            backups stands before restic.
        store: the store of the copy, where the copy is rclone's remote.
        logs: the name of the log server.
    """

    repository: Path
    offsite: Path
    clock: Path
    restic: Path
    uid: int
    controlled: bool
    store: StoreSite | None = None
    logs: str = "logs"


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
        if remote:
            # The name of a remote, as rclone's own configuration has it in production.
            assert grounds.store is not None, "a remote has its store"
            settings = grounds.store.settings(remote).encode()
            files[f"{home}/.config/rclone/rclone.conf"] = Installed(settings, 0o600)
        else:
            mounts.append(Mount(grounds.offsite, config.offsite.target))
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
    rendered, programs = _rendered(config, f"hosts/{host.name}"), host_programs(config, host)
    files = rendered | {path: Installed(text, 0o755) for path, text in programs.items()}
    files |= {
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
            *((shlex.join(manifest_folder(host)),) if host.manifest else ()),
            # The program that is meant, not the script that dates its backups.
            f"[ ! -e {PERMIT} ] || PATH=/usr/sbin:/usr/bin {PERMIT}",
        ),
    )


def fleet_store_machine(config: Config, grounds: Grounds) -> Machine:
    """Return the store of a fleet whose copy has one: its clock is the coordinator's."""
    assert grounds.store is not None, "asked for where there is one"
    clock = _clock_mounts(config.coordinator.name, grounds)
    before = under(Path(PAGE), (), PYTHON) if grounds.controlled else ()
    rights = CLOCK_CAPABILITIES if grounds.controlled else ()
    return store_machine(grounds.store, grounds.uid, before, clock, rights)


def host_programs(config: Config, host: HostTable) -> dict[str, bytes]:
    """Return what a host's include paths stand in, by full path."""
    files = render(config.model_copy(update={"hosts": (host,)}))
    programs = {HOST_SCRIPT: files[f"hosts/{host.name}{HOST_SCRIPT}"].text}
    manifest = host_program(host)
    if manifest is not None:
        programs[f"/{PROGRAM}"] = manifest
    return {path: text.encode() for path, text in programs.items()}


def manifest_folder(host: HostTable) -> tuple[str, ...]:
    """Return the command that makes the folder of a host's manifest, writable to its user."""
    assert host.manifest is not None, "asked for where there is one"
    return ("install", "-d", "-o", host.user, str(PurePosixPath(host.manifest).parent))


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
