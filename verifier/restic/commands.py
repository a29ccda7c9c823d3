"""What to ask restic: arguments to Command, one pure function a verb.

Passwords travel in the environment and never among the arguments, where any user of the machine
could read them. `events` reads what comes back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verifier.core.host import Command
from verifier.core.policy import Policy

_URL_PASSWORD = re.compile(r"://[^/@:]*:([^/@]+)@")
_SECRET_VARIABLE = re.compile(r"KEY|SECRET|PASS|TOKEN|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Access:
    """A repository and what opens it.

    Attributes:
        location: as for `restic -r`.
        password, password_file, password_command: at most one; with none of them restic looks
            into the environment that the host gives it.
        env: more variables: a backend's credentials, `RESTIC_CACHE_DIR`.
        options: global options for every call (`--no-cache`).
    """

    location: str
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    password_command: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [self.password, self.password_file, self.password_command]
        assert given.count(None) >= len(given) - 1, "one password at most"

    def environment(self) -> dict[str, str]:
        """Return the variables; what is not given is empty, so that nothing is inherited."""
        found = dict(self.env)
        found["RESTIC_REPOSITORY"] = "" if self.shown_location else self.location
        found["RESTIC_REPOSITORY_FILE"] = ""
        # Since 0.18.1 it would narrow `forget` down to one host (#5325).
        found["RESTIC_HOST"] = ""
        if self.password or self.password_file or self.password_command:
            found["RESTIC_PASSWORD"] = self.password or ""
            found["RESTIC_PASSWORD_FILE"] = self.password_file or ""
            found["RESTIC_PASSWORD_COMMAND"] = self.password_command or ""
        return found

    @property
    def shown_location(self) -> str:
        """The location where it may stand on a command line; empty where it holds a password."""
        return "" if _URL_PASSWORD.search(self.location) else self.location

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must never be printed."""
        found = [self.password or "", *_URL_PASSWORD.findall(self.location)]
        found += [value for name, value in self.env.items() if _SECRET_VARIABLE.search(name)]
        return tuple(text for text in found if text)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which snapshots: any of the hosts, all of the paths, any of the tag lists (`a,b` is both)."""

    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def options(self) -> tuple[str, ...]:
        """Return the filter as restic's own options."""
        return (
            *(f"--host={host}" for host in self.hosts),
            *(f"--path={path}" for path in self.paths),
            *(f"--tag={tags}" for tags in self.tags),
        )


ALL = Filter()
"""Every snapshot."""


def version(restic: str) -> Command:
    """Ask for the release."""
    return Command((restic, "version"))


def cat_config(restic: str, access: Access, *, lock: bool = False) -> Command:
    """Ask for the repository's ID and format version."""
    return _call(restic, access, "cat", "config", lock=lock)


def snapshots(restic: str, access: Access, wanted: Filter = ALL, *, lock: bool = False) -> Command:
    """Ask for the snapshots."""
    return _call(restic, access, "snapshots", "--json", *wanted.options(), lock=lock)


def ls(restic: str, access: Access, snapshot: str, *, lock: bool = False) -> Command:
    """Ask for every node of a snapshot."""
    return _call(restic, access, "ls", "--json", "--", snapshot, lock=lock)


def stats(
    restic: str, access: Access, mode: str, snapshots: Sequence[str] = (), *, lock: bool = False
) -> Command:
    """Ask for sizes.

    Args:
        mode: restic's own: `restore-size`, `raw-data`, ...
        snapshots: IDs; all of them where none is given.
    """
    return _call(restic, access, "stats", "--json", f"--mode={mode}", "--", *snapshots, lock=lock)


def check(restic: str, access: Access, *, read_data: bool = False, lock: bool = False) -> Command:
    """Ask restic to check the repository's structure, and every byte with `read_data`."""
    data = ("--read-data",) if read_data else ()
    return _call(restic, access, "check", "--json", *data, lock=lock)


def restore(
    restic: str,
    access: Access,
    snapshot: str,
    target: str,
    *,
    include: Sequence[str] = (),
    sparse: bool = False,
    lock: bool = False,
) -> Command:
    """Ask restic to restore a snapshot, or the included paths of it, below the target folder.

    Args:
        include: absolute paths in the snapshot's tree, whatever letters and bytes they hold. A
            directory comes with everything beneath it.
        sparse: leave runs of zeros out of the files (restic 0.15+).
    """
    wanted = (
        *(("--sparse",) if sparse else ()),
        *(f"--include={_literal(path)}" for path in include),
    )
    return _call(
        restic,
        access,
        "restore",
        "--json",
        f"--target={target}",
        *wanted,
        "--",
        snapshot,
        lock=lock,
    )


def forget(
    restic: str,
    access: Access,
    policy: Policy,
    group_by: Sequence[str],
    wanted: Filter = ALL,
    *,
    dry_run: bool,
) -> Command:
    """Ask what a policy keeps; without `dry_run`, remove the rest. A dry run takes no lock."""
    options = (f"--group-by={','.join(group_by)}", *policy.options(), *wanted.options())
    dry = ("--dry-run",) if dry_run else ()
    return _call(restic, access, "forget", "--json", *dry, *options, lock=not dry_run)


def init(restic: str, access: Access) -> Command:
    """Ask restic to make a repository."""
    return _call(restic, access, "init", lock=True)


def backup(
    restic: str,
    access: Access,
    paths: Sequence[str],
    *,
    host: str,
    exclude: Sequence[str] = (),
    tags: Sequence[str] = (),
    taken_at: str = "",
) -> Command:
    """Ask restic to back up.

    Args:
        taken_at: for `--time`, in the zone of the process; now where none is given.
    """
    options = (
        f"--host={host}",
        *(f"--exclude={pattern}" for pattern in exclude),
        *(f"--tag={tag}" for tag in tags),
        *((f"--time={taken_at}",) if taken_at else ()),
    )
    return _call(restic, access, "backup", "-q", "--json", *options, "--", *paths, lock=True)


def prune(restic: str, access: Access, *, max_unused: str = "") -> Command:
    """Ask restic to remove data that no snapshot needs.

    Args:
        max_unused: how much of it may stay, `0` for none; restic's own 5 % where none is given.
    """
    limit = (f"--max-unused={max_unused}",) if max_unused else ()
    return _call(restic, access, "prune", *limit, lock=True)


def unlock(restic: str, access: Access) -> Command:
    """Ask restic to remove stale locks."""
    return _call(restic, access, "unlock", lock=True)


def _call(restic: str, access: Access, verb: str, *arguments: str, lock: bool) -> Command:
    no_lock = () if lock else ("--no-lock",)
    repo = (f"--repo={access.shown_location}",) if access.shown_location else ()
    return Command(
        (restic, *repo, *access.options, *no_lock, verb, *arguments),
        env=access.environment(),
        secrets=access.secrets(),
    )


def _literal(path: str) -> str:
    # An include is a pattern: a name with an asterisk in it would match its neighbours too.
    return re.sub(r"([\\*?\[])", r"\\\1", path)
