"""What goes wrong on the machines of a fleet: programs, keys, memory, disks of their own.

Each is done as root on the machine, as who administers it would, or as it would befall it.
"""

from __future__ import annotations

from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Host
from verifier.fleet.containers import Fleet

MEMORY_BYTES = 32 << 20
"""What a machine with too little memory has: enough for a session of ssh, not for a large file."""

LARGE_BYTES = 12 << 20
"""Of a file in one piece, with which restic needs twice that memory; less than what fills a pack,
so that nothing of it is stored when restic dies."""

_RESTIC = "/usr/bin/restic"

# As a package does it: another file takes the place of the old one, and rights went with that.
_UPGRADE = f'cat >"{_RESTIC}.new"; chmod 0755 {_RESTIC}.new; mv {_RESTIC}.new {_RESTIC}'
_PERMIT_RESTIC = "/usr/local/sbin/permit-restic"
_PERMIT = f"[ ! -e {_PERMIT_RESTIC} ] || PATH=/usr/sbin:/usr/bin {_PERMIT_RESTIC}"

_NEW_KEY = """\
rm /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
pkill -HUP -o -x sshd
"""

_LARGE = """\
import hashlib, os, sys
os.umask(0o077)
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
with open(sys.argv[1], "wb") as file:
    file.write(hashlib.shake_128(b"large").digest(int(sys.argv[2])))
"""


def upgrade_restic(host: Host, program: str, *, permitted: bool) -> None:
    """Install a restic as an upgrade of its package does.

    Args:
        permitted: somebody thinks of its capability afterwards.
    """
    command = Command(("/bin/sh", "-ec", _UPGRADE), stdin_file=program)
    _run(host, command, "take another restic")
    if permitted:
        _permit_restic(host)


def _permit_restic(host: Host) -> None:
    """Run the rendered `permit-restic`, where there is one: restic may read every file again."""
    _run(host, Command(("/bin/sh", "-ec", _PERMIT)), "give restic its capability")


def change_host_key(host: Host) -> None:
    """Let the machine's ssh server answer with another key."""
    _run(host, Command(("/bin/sh", "-ec", _NEW_KEY)), "take another host key")


def shorten_memory(fleet: Fleet, name: str, folder: str) -> None:
    """Leave a machine next to no memory, and give it a file that needs some.

    Args:
        folder: that is backed up.
    """
    command = ("/usr/bin/python3", "-c", _LARGE, _large(folder), str(LARGE_BYTES))
    _run(fleet.host(name), Command(command), "hold a large file")
    fleet.limit_memory(name, MEMORY_BYTES)


def restore_memory(fleet: Fleet, name: str, folder: str) -> None:
    """Undo `shorten_memory`."""
    fleet.unlimit_memory(name)
    _run(fleet.host(name), Command(("rm", "-f", _large(folder))), "remove a file")


def _large(folder: str) -> str:
    return f"{folder}/large.dat"


def _run(host: Host, command: Command, what: str) -> bytes:
    done = host.run(command)
    if done.status != 0:
        message = f"the machine does not {what}: {done.last_lines()}"
        raise CannotVerify(host.name, message, "see that it is up on the days of the fault")
    return done.stdout
