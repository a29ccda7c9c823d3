"""The repository: what opens it, step by step, so that the step that fails is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from verifier.core.checkup import Question, Seen, Subject, broken, fine, flawed, needless
from verifier.core.errors import CannotVerify, NoKeyOpens, UsageError
from verifier.core.host import Command, Host
from verifier.drill.locks import check_locks
from verifier.drill.restore import Source
from verifier.reader.repository import Config, Repository, open_repository
from verifier.reader.storage import Storage
from verifier.restic.binary import Restic

LIMIT_S = 60.0
"""For restic to open it; it goes on trying an unreachable store for a quarter of an hour."""


@dataclass(frozen=True)
class Place:
    """A repository that is asked about.

    Attributes:
        open: the storage at its location.
        password: finds what opens it.
        key_file: where the password is kept; empty where it comes from elsewhere.
        source: the same repository as restic is asked about it.
    """

    name: str
    open: Callable[[], Storage]
    password: Callable[[], str]
    key_file: str
    source: Source
    here: Host

    @cached_property
    def storage(self) -> Storage:
        """Its storage."""
        return self.open()

    @cached_property
    def secret(self) -> str:
        """Its password."""
        return self.password()

    @cached_property
    def repository(self) -> Repository:
        """The repository, opened without restic."""
        return open_repository(self.storage, self.secret)

    def questions(self, now: datetime) -> Subject:
        """Return the questions about it."""
        return Subject(
            self.name,
            (
                Question("password", self._ask_password),
                Question("location", self._ask_location),
                Question("opens", self._ask_open, ("password", "location")),
                Question("restic opens it", self._ask_restic, ("password",)),
                Question("locks", lambda: self._ask_locks(now), ("opens",)),
            ),
        )

    def _ask_password(self) -> Seen:
        try:
            assert self.secret, "an empty one is refused"
        except CannotVerify as error:
            locked = locked_dataset(self.key_file, self.here) if self.key_file else ""
            if locked:
                remedy = f"zfs load-key {locked} && zfs mount {locked}"
                return broken(
                    f"{error.subject} is on the data set {locked}, which is locked", remedy
                )
            return broken(f"{error.subject}: {error.message}", error.remedy)
        return fine(self.key_file or "comes from a command or the environment")

    def _ask_location(self) -> Seen:
        try:
            keys = sum(1 for _ in self.storage.list("keys"))
        except UsageError as error:
            # `monthly` cannot read it either, whatever restic makes of it.
            return broken(error.message, error.remedy)
        except CannotVerify as error:
            return broken(error.message, error.remedy)
        if not keys:
            remedy = "see that its disk is mounted; a new one is made by `restic init`"
            return broken(f"{self.storage.location} holds no repository: it has no key", remedy)
        return fine(f"{self.storage.location}, {keys} key{'s' if keys > 1 else ''}")

    def _ask_open(self) -> Seen:
        try:
            config = self.repository.config
        except NoKeyOpens as error:
            return broken(error.message, error.remedy)
        if not isinstance(config, Config):
            return broken(
                f"its file `config` is damaged: {config.what}", "restore it from the copy"
            )
        return fine(f"format {config.version}, ID {config.id[:8]}")

    def _ask_restic(self) -> Seen:
        source = self.source
        restic = Restic(self.here, source.program, source.access, timeout_s=LIMIT_S)
        try:
            found = restic.repository_id()
        except CannotVerify as error:
            return broken(error.message, error.remedy)
        return fine(f"{source.program} reads ID {found[:8]}")

    def _ask_locks(self, now: datetime) -> Seen:
        found = tuple(check_locks(self.repository, now))
        if found:
            first = found[0]
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            remedy = "see that no restic runs there, then `restic unlock`"
            return flawed(f"{first.subject}: {first.detail.partition(':')[0]}{more}", remedy)
        live = sum(1 for _ in self.storage.list("locks"))
        return fine(f"{live} held by a restic that runs" if live else "none")


def locked_dataset(file: str, here: Host) -> str:
    """Return the ZFS data set that would hold a file and is locked; nothing where none would."""
    columns = "name,mountpoint,keystatus,mounted"
    try:
        command = Command(("zfs", "list", "-H", "-t", "filesystem", "-o", columns))
        done = here.run(command, timeout_s=LIMIT_S)
    except CannotVerify:
        return ""
    return find_locked(file, done.stdout.decode(errors="replace"))


def find_locked(file: str, listing: str) -> str:
    """Find the data set in what `zfs list` prints of name, mount point, key status and mounting."""
    found: list[tuple[int, str]] = []
    for line in listing.splitlines():
        name, mountpoint, key, mounted = (line.split("\t") + [""] * 4)[:4]
        inside = mountpoint.startswith("/") and Path(file).is_relative_to(mountpoint)
        if inside and (key == "unavailable" or (key == "available" and mounted == "no")):
            found.append((len(mountpoint), name))
    return max(found, default=(0, ""))[1]


def no_repository(why: str) -> Subject:
    """Return what is said where no repository is named."""
    return Subject("repository", (Question("location", lambda: needless(why)),))
