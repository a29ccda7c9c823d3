"""The files that production installs, from `verify.toml`: scripts, units, sshd settings.

A simulated cycle runs these very files, so what is proven is what is installed. Every value goes
through the shell's own quoting; nothing of the configuration can become a command.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from verifier.config.models import Config, HostTable
from verifier.core.errors import UsageError

SCRIPT = 0o755
SETTINGS = 0o644
RIGHTS = 0o440

UNITS = "etc/systemd/system"


@dataclass(frozen=True, slots=True)
class File:
    """A file to install: its text and its permission bits."""

    text: str
    mode: int


def render(config: Config) -> Mapping[str, File]:
    """Return every file, under the path from the root of the machine that it belongs to.

    The coordinator's stand below `coordinator/`, each host's below `hosts/NAME/`.

    Raises:
        UsageError: the configuration says nowhere where the coordinator finds the password.
    """
    found = {f"coordinator/{path}": file for path, file in _coordinator(config).items()}
    for host in config.hosts:
        files = _host(config, host).items()
        found |= {f"hosts/{host.name}/{path}": file for path, file in files}
    return found


def _coordinator(config: Config) -> dict[str, File]:
    cycle, drill = f"{UNITS}/{config.coordinator.log_service}", f"{UNITS}/restic-verify-monthly"
    service = _text("run-backups.service", coordinator=config.coordinator, hosts=config.hosts)
    timer = _text(
        "run-backups.timer",
        coordinator=config.coordinator,
        times=config.times,
        timezone=config.schedule.timezone,
    )
    return {
        "usr/local/bin/run-backups": File(_run_backups(config), SCRIPT),
        f"{cycle}.service": File(service, SETTINGS),
        f"{cycle}.timer": File(timer, SETTINGS),
        f"{drill}.service": File(_drill(config, "service"), SETTINGS),
        f"{drill}.timer": File(_drill(config, "timer"), SETTINGS),
    }


def _drill(config: Config, suffix: str) -> str:
    return _text(
        f"restic-verify-monthly.{suffix}",
        coordinator=config.coordinator,
        timezone=config.schedule.timezone,
        ledger=config.monthly.ledger,
    )


def _run_backups(config: Config) -> str:
    if config.key_file is None:
        raise UsageError(
            "coordinator.key-file",
            "nothing says where the coordinator finds the password",
            "set coordinator.key-file, or repository.password-file",
        )
    group_by = f"--group-by={','.join(config.group_by)}"
    return _text(
        "run-backups.sh",
        key_file=config.key_file,
        location=config.repository.location,
        restic=config.repository.restic,
        forget_options=(group_by, *config.policy().options()),
        prune=config.retention.prune,
        offsite=config.offsite,
        hosts=config.hosts,
    )


def _host(config: Config, host: HostTable) -> dict[str, File]:
    backup = _text(
        "backup-restic.sh",
        host=host,
        repository=config.mounted(host),
        restic=config.repository.restic,
    )
    permit = _text("permit-restic.sh", host=host, restic=config.repository.restic)
    found = {
        "usr/local/bin/backup-restic": File(backup, SCRIPT),
        "usr/local/sbin/permit-restic": File(permit, SCRIPT),
    }
    if not host.is_local:
        found |= {
            "etc/ssh/sshd_config.d/50-restic.conf": File(_text("sshd.conf", host=host), SETTINGS),
            # The drill's way to read there what restic reads by a capability of its own.
            "usr/local/sbin/permit-probe": File(_text("permit-probe.sh", host=host), SCRIPT),
            "etc/sudoers.d/restic-verify": File(_text("sudoers", host=host), RIGHTS),
        }
    return found


def _text(template: str, **values: object) -> str:
    return _environment().get_template(f"{template}.j2").render(values)


@cache
def _environment() -> Environment:
    # Shell scripts and units, not HTML: the `sh` filter is the escaping here.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sh"] = shlex.quote
    return environment
