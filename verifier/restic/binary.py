"""The restic program on a host: asks, and turns its failures into ours.

`Restic` can only read and restore: pointed at a production repository it has no way to change it.
`Writer` has the verbs that change one, for repositories that a simulation made itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from verifier.core.decision import Decision
from verifier.core.errors import (
    CannotVerify,
    NoRepository,
    NoSpace,
    RepositoryLocked,
    ResticFailed,
    ToolMissing,
    WrongPassword,
)
from verifier.core.host import Command, Completed, Host
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.restic import commands, events
from verifier.restic.commands import ALL, Access, Filter

T = TypeVar("T")

OLDEST = (0, 11, 0)
"""The first release whose answers are understood."""

_NOT_FOUND = 127
_PARTIAL = 3

_FAILURES: tuple[tuple[type[ResticFailed], int, tuple[str, ...], str], ...] = (
    (
        RepositoryLocked,
        11,
        ("repository is already locked",),
        "wait for the other restic to end; if none runs, remove its lock with `restic unlock`",
    ),
    (
        WrongPassword,
        12,
        ("wrong password or no key found",),
        "see that the password file or command belongs to this repository",
    ),
    (
        NoRepository,
        10,
        ("Is there a repository at the following location", "repository does not exist"),
        "see that the location is right and its disk is mounted",
    ),
)
"""Error, its exit status since 0.17, restic's words before, remedy."""

_NO_SPACE = ("no space left on device", "disk quota exceeded")
_DENIED = ("permission denied", "operation not permitted")

_EMPTY, _UNRESOLVED = "an empty password is not", "Resolving password failed"
"""Without one restic asks the terminal, which here is none."""

_PASSWORD_FILE = re.compile(rf"{_UNRESOLVED}: (?:Fatal: (.+) does not|\w+: (?:open|read) (.+):) ")
"""Names the file that was to give the password, also where the host's own environment names it."""


def run(host: Host, command: Command, *, timeout_s: float | None = None) -> Completed:
    """Run restic; any status but 0 raises.

    Raises:
        NoRepository, RepositoryLocked, WrongPassword, ResticFailed, NoSpace, ToolMissing:
            as `failure` tells them apart.
        CannotVerify: as `Host.run` raises it.
    """
    done = host.run(command, timeout_s=timeout_s)
    if done.status:
        raise failure(command, done)
    return done


def failure(command: Command, done: Completed) -> CannotVerify:
    """Say why restic failed: by its exit status, or by its words where it is too old for one."""
    said = tuple(events.messages(done.stderr))
    # Masked last: a password of `wrong` would hide the words that are looked for.
    text = _masked(command, " / ".join(said[-3:])) or "nothing on its standard error"
    everything = "\n".join(said)
    if any(words in everything for words in _NO_SPACE):
        return NoSpace(
            "restic", f"`{command}` ended with {done.status}: {text}", "free some space there"
        )
    if done.status == _NOT_FOUND:
        return _missing(command.argv[0], text)
    lacking = _password_remedy(command, everything)
    denied = any(words in everything for words in _DENIED) and not lacking
    for kind, status, words, remedy in _FAILURES:
        # Older releases ask for the repository's place even where they may not look at it.
        spoken = any(w in everything for w in words) and not (denied and kind is NoRepository)
        if done.status == status or spoken:
            return kind(str(command), done.status, text, remedy)
    remedy = lacking or "run the command by hand to see more"
    if denied:
        remedy = "let this user read the repository"
    return ResticFailed(str(command), done.status, text, remedy)


def _password_remedy(command: Command, said: str) -> str:
    """Return what to do about a password that could not be had; empty where that is not so."""
    empty = _EMPTY in said
    if not empty and _UNRESOLVED not in said:
        return ""
    file = command.env.get("RESTIC_PASSWORD_FILE")
    if not file and (named := _PASSWORD_FILE.search(said)):
        file = named[1] or named[2]
    if file:
        return (
            f"write the password into {file}, which holds none"
            if empty
            else f"see that {file} is there and that this user may read it (is its data set still "
            "locked?)"
        )
    if command.env.get("RESTIC_PASSWORD_COMMAND"):
        return "run the password command by hand; it must print the password and end with status 0"
    return "set RESTIC_PASSWORD_FILE, or RESTIC_PASSWORD_COMMAND if that prints the password"


class Restic:
    """Asks restic about a repository, and restores from it. Changes nothing in it.

    Args:
        path: the program's name on the host's PATH, or its path.
        lock: take restic's own shared lock, so that a prune waits. It is a file in the
            repository; without it nothing at all is written there.
        timeout_s: how long any one call may take; no limit where none is given.
    """

    def __init__(
        self,
        host: Host,
        path: str,
        access: Access,
        *,
        lock: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        self._host = host
        self._path = path
        self._access = access
        self._lock = lock
        self._timeout_s = timeout_s

    def version(self) -> str:
        """Return the release, as `0.18.0`.

        Raises:
            ToolMissing: there is no restic, or one too old.
        """
        return version(self._host, self._path)

    def repository_id(self) -> str:
        """Return the repository's ID."""
        call = commands.cat_config(self._path, self._access, lock=self._lock)
        return events.parse_repository_id(self._run(call).stdout)

    def snapshots(self, wanted: Filter = ALL) -> tuple[Snapshot, ...]:
        """Return the snapshots, oldest first."""
        call = commands.snapshots(self._path, self._access, wanted, lock=self._lock)
        return events.parse_snapshots(self._run(call).stdout)

    def plan_forget(
        self, policy: Policy, group_by: Sequence[str], wanted: Filter = ALL
    ) -> Decision:
        """Return what `forget` would do now. Never takes a lock."""
        call = commands.forget(self._path, self._access, policy, group_by, wanted, dry_run=True)
        return _decision(self._host, call, self._timeout_s)

    def ls(self, snapshot: str) -> tuple[events.Listed, ...]:
        """Return every node of a snapshot, in restic's order."""
        call = commands.ls(self._path, self._access, snapshot, lock=self._lock)
        return tuple(events.parse_ls(self._run(call).stdout))

    def stats(self, mode: str, snapshots: Sequence[str] = ()) -> events.Stats:
        """Return sizes of the snapshots, or of all; `mode` is restic's own."""
        call = commands.stats(self._path, self._access, mode, snapshots, lock=self._lock)
        return events.parse_stats(self._run(call).stdout)

    def check(self, *, read_data: bool = False) -> events.Checked:
        """Return what restic finds wrong with the repository. Damage is no exception."""
        call = commands.check(self._path, self._access, read_data=read_data, lock=self._lock)
        done = self._host.run(call, timeout_s=self._timeout_s)
        found = events.parse_check(done.status, done.stdout, done.stderr)
        looked = any("error" in line and "repository" in line for line in found.errors)
        return _value_or_raise(call, done, found, looked=looked)

    def restore(
        self, snapshot: str, target: str, *, include: Sequence[str] = ()
    ) -> events.Restored:
        """Restore a snapshot, or the included paths, below the target; return what failed.

        A file that cannot be restored is no exception; no snapshot of that ID is.
        """
        call = commands.restore(
            self._path, self._access, snapshot, target, include=include, lock=self._lock
        )
        done = self._host.run(call, timeout_s=self._timeout_s)
        found = events.parse_restore(done.status, done.stderr)
        looked = any("There were" in line for line in found.errors)
        return _value_or_raise(call, done, found, looked=looked)

    def _run(self, command: Command) -> Completed:
        return run(self._host, command, timeout_s=self._timeout_s)


class Writer:
    """Makes and changes a repository. For those that the verifier itself made."""

    def __init__(
        self, host: Host, path: str, access: Access, *, timeout_s: float | None = None
    ) -> None:
        self._host = host
        self._path = path
        self._access = access
        self._timeout_s = timeout_s

    def init(self) -> None:
        """Make the repository."""
        self._run(commands.init(self._path, self._access))

    def backup(
        self,
        paths: Sequence[str],
        *,
        host: str,
        exclude: Sequence[str] = (),
        tags: Sequence[str] = (),
        taken_at: str = "",
    ) -> events.Backup:
        """Back up; a source that cannot be read makes the backup incomplete, not an exception."""
        call = commands.backup(
            self._path,
            self._access,
            paths,
            host=host,
            exclude=exclude,
            tags=tags,
            taken_at=taken_at,
        )
        done = self._host.run(call, timeout_s=self._timeout_s)
        if done.status not in {0, _PARTIAL}:
            raise failure(call, done)
        return events.parse_backup(done.status, done.stdout, done.stderr)

    def forget(self, policy: Policy, group_by: Sequence[str], wanted: Filter = ALL) -> Decision:
        """Forget by the policy and return what was done; a refusal is a Decision too."""
        call = commands.forget(self._path, self._access, policy, group_by, wanted, dry_run=False)
        return _decision(self._host, call, self._timeout_s)

    def prune(self, *, max_unused: str = "") -> None:
        """Remove data that no snapshot needs; `max_unused` as restic's own option."""
        self._run(commands.prune(self._path, self._access, max_unused=max_unused))

    def unlock(self) -> None:
        """Remove stale locks."""
        self._run(commands.unlock(self._path, self._access))

    def _run(self, command: Command) -> None:
        run(self._host, command, timeout_s=self._timeout_s)


def version(host: Host, path: str) -> str:
    """Return the release of the program at `path` on a host, as `0.18.0`.

    Raises:
        ToolMissing: there is no restic, or one too old.
    """
    call = commands.version(path)
    done = host.run(call)
    if done.status:
        raise _missing(path, " / ".join(events.messages(done.stderr)))
    found = events.parse_version(done.stdout)
    if tuple(map(int, found.split("."))) < OLDEST:
        raise ToolMissing(
            path,
            f"restic {found} is too old: its answers are not understood",
            "install the package `restic`, 0.11 or newer",
        )
    return found


def _decision(host: Host, command: Command, timeout_s: float | None) -> Decision:
    done = host.run(command, timeout_s=timeout_s)
    refused = events.parse_refusal(done.stderr) if done.status else ""
    if refused:
        return Decision((), refused)
    if done.status:
        raise failure(command, done)
    return events.parse_forget(done.stdout)


def _value_or_raise(command: Command, done: Completed, value: T, *, looked: bool) -> T:
    if done.status == 0:
        return value
    error = failure(command, done)
    if looked and type(error) is ResticFailed:
        return value
    raise error


def _masked(command: Command, text: str) -> str:
    for secret in command.secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _missing(path: str, said: str) -> ToolMissing:
    about = f"it cannot be run: {said}" if said else "it cannot be run"
    return ToolMissing(path, about, "install the package `restic`, or name the program's full path")
