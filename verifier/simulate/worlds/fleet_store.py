"""The S3 store of a fleet's copy: a machine of its own, which rclone serves from a folder of ours.

It checks signatures and whether its clock and the client's agree, as S3 does, and so it lives in
the coordinator's simulated time. What it holds are plain files: the copy can be read from here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.fleet.containers import Fleet
from verifier.fleet.description import Machine, Mount

PORT = 9_000
BUCKET = "copy"

_BUCKETS, _ACCESS, _PROGRAM = "/srv/buckets", "/run/access", "/usr/local/bin/rclone"

# What is changed in the folder from here is seen by the next cycle. With no cache at all, rclone
# keeps itself busy with emptying it.
_SERVE = f"""\
export HOME=/tmp
exec setpriv --reuid="$1" --regid="$1" --clear-groups {_PROGRAM} serve s3 {_BUCKETS} \
--config= --addr=:{PORT} --auth-key="$(cat {_ACCESS}/key)" --dir-cache-time=1s
"""


@dataclass(frozen=True, slots=True)
class StoreSite:
    """Where a store is, and who may come in.

    Attributes:
        name: of its machine.
        buckets: the folder of ours that holds them.
        access: the folder of ours that holds the key it accepts.
        program: an rclone that serves S3.
        key, secret: the coordinator's.
    """

    name: str
    buckets: Path
    access: Path
    program: Path
    key: str
    secret: str

    @classmethod
    def make(cls, name: str, buckets: Path, access: Path, program: Path) -> StoreSite:
        """Make a key and write it where the store looks for it.

        Args:
            access: a new folder.
        """
        site = cls(name, buckets, access, program, secrets.token_hex(8), secrets.token_hex(16))
        access.mkdir()
        _accept(access, site.key, site.secret)
        return site

    def settings(self, remote: str) -> str:
        """Return rclone's configuration of a remote that leads to the bucket."""
        return (
            f"[{remote}]\ntype = alias\nremote = {remote}-s3:{BUCKET}\n\n"
            f"[{remote}-s3]\ntype = s3\nprovider = Other\nendpoint = http://{self.name}:{PORT}\n"
            f"access_key_id = {self.key}\nsecret_access_key = {self.secret}\n"
        )


def store_machine(
    site: StoreSite, uid: int, before: Sequence[str], clock: Sequence[Mount], rights: Sequence[str]
) -> Machine:
    """Return the machine of a store.

    Args:
        uid: whose the files in the buckets are.
        before, clock, rights: what puts it under the coordinator's clock page, where there is one.
    """
    return Machine(
        site.name,
        (*before, "/bin/sh", "-c", _SERVE, "serve", str(uid)),
        "Starting s3 server",
        mounts=(
            Mount(site.buckets, _BUCKETS),
            Mount(site.access, _ACCESS, read_only=True),
            Mount(site.program, _PROGRAM, read_only=True),
            *clock,
        ),
        capabilities=tuple(rights),
        boot=(f"chown -R {uid}:{uid} {_BUCKETS}",),
    )


class Store:
    """A store that runs: what can be done to it. The objects in it stay through all of this."""

    def __init__(self, fleet: Fleet, site: StoreSite) -> None:
        self._fleet = fleet
        self._site = site

    def stop(self) -> None:
        """Make it unreachable: its machine has no power, and its name is nobody's."""
        self._fleet.power_off(self._site.name)

    def refuse(self) -> None:
        """Revoke the coordinator's credentials: from now on it accepts another secret alone."""
        self._accept_only(secrets.token_hex(16))

    def accept(self) -> None:
        """Undo `refuse` and `stop`."""
        self._accept_only(self._site.secret)

    def _accept_only(self, secret: str) -> None:
        _accept(self._site.access, self._site.key, secret)
        if self._fleet.is_up(self._site.name):
            self.stop()
        self._fleet.power_on(self._site.name)


def _accept(access: Path, key: str, secret: str) -> None:
    (access / "key").write_text(f"{key},{secret}")
