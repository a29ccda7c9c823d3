"""Locks that no restic refreshes any more, and the documents that only a repository's files hold.

restic writes a lock anew every five minutes and takes one of half an hour for left behind; yet it
goes on refusing an exclusive lock, which forget and prune need, until `restic unlock` removes it
(locks of other hosts are never judged by whether their process lives). Source: restic's design
document, "Locks", and `internal/restic/lock.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from verifier.core.finding import Finding
from verifier.core.snapshot import parse_instant
from verifier.reader.damage import Flaw
from verifier.reader.plain import parse_document
from verifier.reader.repository import Repository
from verifier.reader.seal import unseal
from verifier.reader.storage import file_id

STALE = timedelta(minutes=30)
"""What restic itself takes for left behind."""

MAX_BYTES = 1 << 20
"""One lock or snapshot file; restic writes a few hundred bytes, and the paths that were named."""


def read_document(repository: Repository, name: str) -> dict[str, Any] | Flaw:
    """Read one sealed file of the repository, as `locks/…` or `snapshots/…`."""
    stored = repository.storage.read_whole(name, MAX_BYTES)
    message = stored if isinstance(stored, Flaw) else unseal(stored, repository.keys)
    return message if isinstance(message, Flaw) else parse_document(message)


def check_locks(repository: Repository, now: datetime) -> Iterator[Finding]:
    """Yield a finding for each lock that was left behind, or that nobody can read."""
    for name in repository.storage.list("locks"):
        document = read_document(repository, name)
        if isinstance(document, Flaw):
            # Another restic may have ended, and removed its lock, while we were reading.
            if not isinstance(repository.storage.size(name), Flaw):
                detail = f"cannot be read ({document.what}), so every restic stumbles over it"
                yield Finding("stale-lock", name, f"{detail}: `restic unlock --remove-all`")
            continue
        age = _age(document, now)
        if age is None or age > STALE:
            yield _finding(name, document, age)


def _age(document: dict[str, Any], now: datetime) -> timedelta | None:
    try:
        return now - parse_instant(document["time"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _finding(name: str, document: dict[str, Any], age: timedelta | None) -> Finding:
    holder = f"process {document.get('pid')} of {document.get('hostname')}"
    exclusive = document.get("exclusive") is True
    since = (
        "without a time" if age is None else f"not renewed for {age // timedelta(minutes=1)} min"
    )
    what, stops = ("an exclusive lock", "every backup") if exclusive else ("a lock", "prune")
    detail = (
        f"{what} of {holder}, {since}, stops {stops}: see that no restic runs there, then "
        "`restic unlock`"
    )
    evidence = {key: document.get(key) for key in ("time", "hostname", "username", "pid")}
    return Finding("stale-lock", f"locks/{file_id(name)[:8]}", detail, evidence)
