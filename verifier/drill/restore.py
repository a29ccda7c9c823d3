"""What a rehearsal asks of the real restic: its release, and files of a snapshot back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.core.host import Completed, Host
from verifier.core.snapshot import Snapshot
from verifier.restic import commands
from verifier.restic.binary import Restic, failure
from verifier.restic.commands import Access

_METADATA = re.compile(r"(l?chown|l?chmod|utimes|mknod|mkfifo|xattr|l?setxattr)", re.I)
_IGNORED = re.compile(r"ignoring error for (?P<item>.*?): (?P<message>.*)")

_BATCH_PATHS = 250
"""In one call: restic tries each of them on every name in the directories that it enters."""

_BATCH_BYTES = 1 << 18
"""Of paths in one call: a command line holds 2 MiB here, and escaping may double them."""


@dataclass(frozen=True, slots=True)
class Source:
    """A repository, and the restic that reads it. Nothing but a lock is ever written there.

    Attributes:
        program: restic's name on the host's PATH, or its path.
    """

    host: Host
    program: str
    access: Access

    def version(self) -> str:
        """Return restic's release."""
        return Restic(self.host, self.program, self.access).version()

    def restore(
        self,
        snapshot: Snapshot,
        target: Path,
        *,
        include: Iterable[Sequence[str]],
        sparse: bool = False,
    ) -> Mapping[str, str]:
        """Restore paths of a snapshot; return path in its tree -> why its content could not be.

        A shared lock is held meanwhile, so that a prune waits.

        Args:
            include: groups of paths in its tree, none of them split among calls: links of one file
                stay links only if they are restored together.
            sparse: make holes of zeros (restic 0.15+).

        Raises:
            NoSpace: the target's disk is full.
            ResticFailed: it could not be tried.
        """
        found: dict[str, str] = {}
        for paths in _batches(include):
            call = commands.restore(
                self.program,
                self.access,
                snapshot.id,
                str(target),
                include=paths,
                sparse=sparse,
                lock=True,
            )
            done = self.host.run(call)
            content, metadata = parse_failures(done)
            if _is_full(done) or (done.status != 0 and not content and not metadata):
                raise failure(call, done)
            found |= content
        return found


def parse_failures(done: Completed) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what a restore could not do: tree path -> message for content, and the rest.

    What fails for metadata alone is left to the comparison, which sees what is missing.
    """
    content: dict[str, str] = {}
    metadata: list[str] = []
    for item, message in _failures(done):
        if _METADATA.match(message):
            metadata.append(f"{item}: {message}")
        else:
            content.setdefault(item, message)
    return content, tuple(metadata)


def _batches(groups: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Yield as many groups at once as fit one call; never none, which would mean everything."""
    batch: list[str] = []
    size_bytes = 0
    for group in groups:
        length = sum(len(path.encode(errors="surrogateescape")) for path in group)
        full = len(batch) + len(group) > _BATCH_PATHS or size_bytes + length > _BATCH_BYTES
        if batch and full:
            yield batch
            batch, size_bytes = [], 0
        batch += group
        size_bytes += length
    if batch:
        yield batch


def _failures(done: Completed) -> Iterator[tuple[str, str]]:
    for line in (*done.stderr.splitlines(), *done.stdout.splitlines()):
        text = line.decode(errors="replace")
        plain = _IGNORED.fullmatch(text)
        if plain is not None:
            yield plain["item"], plain["message"]
        elif text.startswith("{"):
            yield from _failure(text)


def _failure(line: str) -> Iterator[tuple[str, str]]:
    try:
        event = json.loads(line)
    except ValueError:
        return
    if event.get("message_type") == "error" and "item" in event:
        error = event.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        yield str(event["item"]), str(message or "an error without words")


def _is_full(done: Completed) -> bool:
    return any(b"no space left on device" in said for said in (done.stdout, done.stderr))
