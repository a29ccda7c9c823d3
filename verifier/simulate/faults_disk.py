"""What goes wrong with a repository's disk: next to no room is left.

The disk exists for one command, in a mount namespace of its own: where that is killed, the kernel
takes the mount away, and nobody else ever sees it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from verifier.core.errors import NotPermitted
from verifier.core.host import Command, Completed, Host
from verifier.simulate.worlds.timing import SHIMS

# Whoever may have a user namespace is root in it, and may mount there.
_OWN_MOUNTS = ("unshare", "--map-root-user", "--mount")


class FullDisk:
    """A host on which a folder's disk can be full while a command runs; a `Host`.

    What the command leaves in the folder is carried back when it has ended.

    Attributes:
        full: whether it is.
    """

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self._folder = folder
        self.full = False

    @property
    def name(self) -> str:
        """The host's name, as in the configuration."""
        return self._host.name

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Run the command to its end; see `Host`."""
        if self.full:
            command = replace(command, argv=_crowded(self._folder, command.argv))
        return self._host.run(command, timeout_s=timeout_s)


def check_mounts(host: Host, folder: Path) -> None:
    """See that a disk can be mounted over this folder.

    Raises:
        NotPermitted: this user may not.
    """
    done = host.run(Command(_crowded(folder, ("true",))))
    if done.status != 0:
        remedy = "let this user have mount namespaces, or leave this fidelity out with --fidelity"
        message = f"a full disk cannot be mounted here: {done.last_lines()}"
        raise NotPermitted("disk-full", message, remedy)


def _crowded(folder: Path, argv: tuple[str, ...]) -> tuple[str, ...]:
    return (*_OWN_MOUNTS, "sh", str(SHIMS / "full-disk.sh"), str(folder), *argv)
