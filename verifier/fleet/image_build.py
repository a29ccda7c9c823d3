"""The file system of a host image, made by mmdebstrap: equal inputs give equal bytes.

What differs from one build to the next by itself (host keys, the machine's identity) is removed:
a machine makes its own when it starts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from verifier.core.errors import ToolMissing
from verifier.core.host import Command, Host
from verifier.fleet.container_engine import WITHOUT

LIMIT_S = 900.0
"""How long a build may take over a slow line."""

PACKAGES = (
    "clickhouse-server",
    "iproute2",
    "libcap2-bin",
    "openssh-client",
    "openssh-server",
    "python3",
    "rclone",
    "sudo",
    "tzdata",
)
_HOOK = (
    'rm -rf "$1"/etc/ssh/ssh_host_* "$1"/var/cache/ldconfig/aux-cache "$1"/var/log/*.log '
    '"$1"/var/log/apt; : >"$1"/etc/machine-id; rm -f "$1"/var/lib/dbus/machine-id'
)
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of.

    Attributes:
        architecture: in Debian's words.
        epoch_s: the date of everything in it, in seconds since 1970.
    """

    architecture: str
    suite: str = "bookworm"
    packages: tuple[str, ...] = PACKAGES
    epoch_s: int = 1_700_000_000

    def digest(self) -> str:
        """Return the SHA-256 of the inputs."""
        inputs = {**asdict(self), "hook": _HOOK, "left_out": _LEFT_OUT}
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    @property
    def tag(self) -> str:
        """The name of the image in an engine."""
        return f"restic-verify/host:{self.digest()[:16]}"


def build_layer(
    recipe: Recipe, mirror: Mapping[str, str], target: Path, host: Host, scratch: Path
) -> None:
    """Build the tar of the file system.

    Args:
        mirror: fields of a deb822 source that carries Debian's archive.
        target: the tar to write.
        host: this machine.
        scratch: an empty folder for the work; the caller removes it.

    Raises:
        ToolMissing: there is no mmdebstrap, or it could not build.
    """
    source = {**mirror, "types": "deb", "suites": recipe.suite, "components": "main"}
    command = Command(
        (
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--format=tar",
            f"--architectures={recipe.architecture}",
            f"--include={','.join(recipe.packages)}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
            f"--customize-hook={_HOOK}",
            recipe.suite,
            str(target),
            "-",
        ),
        env={"SOURCE_DATE_EPOCH": str(recipe.epoch_s), "TMPDIR": str(scratch)},
        stdin="".join(f"{name}: {value}\n" for name, value in source.items()).encode(),
    )
    remedy = f"build {recipe.tag} as docs/fleet.md says, {WITHOUT}"
    try:
        done = host.run(command, timeout_s=LIMIT_S)
    except ToolMissing as error:
        raise ToolMissing(
            "mmdebstrap", "is needed once, to make the image of a host", f"install it, {remedy}"
        ) from error
    if done.status != 0:
        message = f"the image of a host could not be made: {done.last_lines()}"
        raise ToolMissing("mmdebstrap", message, f"see that `apt-get update` works, {remedy}")
