"""What `init` sees of a repository: its snapshots as they are stored, and since when it exists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from verifier.cli.context import Context
from verifier.cli.programs import find_restic, local_host
from verifier.cli.snapshots import read_stored, stored_snapshots
from verifier.config.places import holds_secret, is_anywhere
from verifier.core.errors import UsageError, VerifyError
from verifier.core.snapshot import Snapshot, parse_instant, parse_snapshot
from verifier.restic import commands
from verifier.restic.binary import run as run_restic
from verifier.restic.commands import Access

LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot with what else its file tells.

    Attributes:
        excludes: patterns that were given on the command line.
        user: who ran restic.
        parent: the snapshot that it builds on.
    """

    snapshot: Snapshot
    excludes: tuple[str, ...] = ()
    user: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A repository.

    Attributes:
        source: what was read, for people.
        location: as for `restic -r`; empty where only a list was read, or it holds a password.
        created_at: when its oldest key was made; none where that is not known.
        release: of the restic here; empty where none was asked.
    """

    source: str
    location: str
    stored: tuple[Stored, ...]
    created_at: datetime | None
    release: str


def see(repo: str | None, file: str | None, context: Context) -> Seen:
    """Read a repository's snapshots by restic, or a list of them.

    Raises:
        UsageError: neither is named, or both are.
        CannotVerify: the repository cannot be read.
    """
    if file is not None:
        if repo is not None:
            message = "--snapshots and --repo exclude each other"
            raise UsageError("init", message, "give one of them")
        return Seen(file, "", _stored(read_stored(file)), None, "")
    location = repo or context.environ.get("RESTIC_REPOSITORY")
    if not location:
        remedy = (
            "give --repo LOCATION, --snapshots FILE (output of `restic snapshots --json`), or set "
            "RESTIC_REPOSITORY"
        )
        raise UsageError("init", "there is nothing to begin from", remedy)
    here = local_host(context.environ, inherit=True)
    program, release = find_restic(None, context.environ, here)
    access = Access(location)
    done = run_restic(here, commands.snapshots(program, access), timeout_s=LIMIT_S)
    stored = _stored(stored_snapshots("restic snapshots", done.stdout))
    # A configuration is read from anywhere; and what holds a secret stands in none.
    shown = "" if holds_secret(location) else _from_root(location)
    return Seen(shown or "the repository", shown, stored, _created_at(location, context), release)


def _stored(listed: Sequence[Mapping[str, Any]]) -> tuple[Stored, ...]:
    found = (
        Stored(
            parse_snapshot(one),
            tuple(text for text in one.get("excludes") or () if isinstance(text, str)),
            str(one.get("username") or ""),
            str(one.get("parent") or ""),
        )
        for one in listed
    )
    return tuple(sorted(found, key=lambda s: s.snapshot.taken_at, reverse=True))


def _from_root(location: str) -> str:
    return (
        location if is_anywhere(location) else str(Path(location.removeprefix("local:")).absolute())
    )


def _created_at(location: str, context: Context) -> datetime | None:
    """Return when the oldest key was made: as a rule, that is when the repository was."""
    from verifier.reader.location import open_storage

    found: list[datetime] = []
    try:
        storage = open_storage(location, context.environ)
        for name in storage.list("keys"):
            content = storage.read_whole(name, 1 << 16)
            if isinstance(content, bytes):
                found.append(parse_instant(json.loads(content)["created"]))
    except (VerifyError, ValueError, KeyError, TypeError):
        # Not every kind of store is read here, and then less is known.
        return None
    return min(found, default=None)
