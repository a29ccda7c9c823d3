"""The files that production installs, from `verify.toml`: scripts, units, settings.

A simulated cycle runs these very files, so what is proven is what is installed.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.config.defaults import PROBE
from verifier.config.models import ROOT, Config, HostTable
from verifier.config.words import split_command
from verifier.core.errors import UsageError
from verifier.cycle.access import rclone_settings, ssh_settings
from verifier.cycle.file import RIGHTS, SCRIPT, SETTINGS, File
from verifier.cycle.shares import exports, mounts
from verifier.cycle.template import fill
from verifier.cycle.units import units


def render(config: Config) -> Mapping[str, File]:
    """Return every file, under the path from the root of the machine that it belongs to.

    The coordinator's stand below `coordinator/`, each host's below `hosts/NAME/`.

    Raises:
        UsageError: the configuration says nowhere where the coordinator has the password from, or
            by a command that is none.
    """
    found = {f"coordinator/{path}": file for path, file in _coordinator(config).items()}
    for host in config.hosts:
        files = _host(config, host).items()
        found |= {f"hosts/{host.name}/{path}": file for path, file in files}
    return found


def _coordinator(config: Config) -> dict[str, File]:
    return {
        "usr/local/bin/run-backups": File(_run_backups(config), SCRIPT),
        **units(config),
        **ssh_settings(config),
        **exports(config),
        **rclone_settings(config),
    }


def _run_backups(config: Config) -> str:
    command = config.repository.password_command
    if config.key_file is None and command is None:
        raise UsageError(
            "coordinator.key-file",
            "nothing says where the coordinator has the password from",
            "set coordinator.key-file, repository.password-file or repository.password-command",
        )
    group_by = f"--group-by={','.join(config.group_by)}"
    return fill(
        "run-backups.sh",
        key_file=config.key_file,
        command=split_command(command) if command and config.key_file is None else (),
        location=config.repository.location,
        restic=config.repository.restic,
        forget_options=(group_by, *config.policy().options()),
        prune=config.retention.prune,
        offsite=config.offsite,
        hosts=config.hosts,
    )


def _host(config: Config, host: HostTable) -> dict[str, File]:
    coordinator = config.coordinator
    backup = fill(
        "backup-restic.sh",
        host=host,
        repository=config.mounted(host),
        restic=config.repository.restic,
    )
    found = {"usr/local/bin/backup-restic": File(backup, SCRIPT)}
    user, group = host.user, host.user
    if host.is_local:
        user, group = coordinator.user, coordinator.group or coordinator.user
    # Nobody but root could run restic, were it given to root's group.
    if host.capability == "file" and user != ROOT:
        permit = fill("permit-restic.sh", group=group, restic=config.repository.restic)
        found["usr/local/sbin/permit-restic"] = File(permit, SCRIPT)
    if host.is_local:
        # What it may read is said in the unit of the cycle.
        return found
    sshd = fill("sshd.conf", host=host)
    found["etc/ssh/sshd_config.d/50-restic.conf"] = File(sshd, SETTINGS)
    probes, permitted = PROBE[-1] in host.become, host.capability == "ambient"
    if probes:
        # The drill's way to read there what restic reads.
        found["usr/local/sbin/permit-probe"] = File(fill("permit-probe.sh", host=host), SCRIPT)
    if permitted and not host.is_roots:
        permit = fill("permit-backup.sh", host=host)
        found["usr/local/sbin/permit-backup"] = File(permit, SCRIPT)
    if (probes or permitted) and not host.is_roots:
        rules = fill("sudoers", host=host, probes=probes)
        found["etc/sudoers.d/restic-verify"] = File(rules, RIGHTS)
    return found | mounts(config, host)
