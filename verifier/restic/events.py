"""What restic answers: bytes to values, one pure function an answer, for releases 0.11 to 0.19.

Until 0.17 many verbs had no JSON and printed text in spite of `--json`; since 0.18 errors are JSON
too. Recorded answers of three releases: tests/cases/restic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from verifier.core.decision import Decision, GroupDecision, GroupKey
from verifier.core.errors import CannotVerify
from verifier.core.host import without_stacks
from verifier.core.snapshot import Snapshot, parse_snapshot

T = TypeVar("T")

_SKIPPED = "does not exist, skipping"
_REFUSALS = ("refusing to delete last snapshot of snapshot group", "no policy was specified")


@dataclass(frozen=True, slots=True)
class Backup:
    """The summary of one backup.

    Attributes:
        snapshot: the new snapshot's ID, shortened to eight characters before 0.17; empty where
            no snapshot was made.
        complete: false where a source is not there or could not be read.
        messages: what restic complained about.
    """

    snapshot: str
    complete: bool
    files_new: int
    files_changed: int
    files_unmodified: int
    processed_bytes: int
    added_bytes: int
    duration_s: float
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore could not do; nothing, where all went well."""

    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found wrong; nothing, where the repository is sound."""

    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One node of `ls`: its full path in the snapshot, its type and size."""

    path: str
    type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Sizes. `files` is 0 in modes that count blobs."""

    size_bytes: int
    files: int


def parse_version(stdout: bytes) -> str:
    """Parse `restic 0.18.0 compiled with ...` to `0.18.0`.

    Raises:
        CannotVerify: it is no restic.
    """
    found = re.match(r"restic v?([0-9]+\.[0-9]+\.[0-9]+)", stdout.decode(errors="replace"))
    if found is None:
        raise _not_understood("version", stdout)
    return found[1]


def parse_repository_id(stdout: bytes) -> str:
    """Parse `cat config` to the repository's ID."""
    return _reading("cat config", stdout, lambda: str(json.loads(stdout)["id"]))


def parse_snapshots(stdout: bytes) -> tuple[Snapshot, ...]:
    """Parse `snapshots --json` in restic's order; no output means no snapshot."""

    def read() -> tuple[Snapshot, ...]:
        return tuple(map(parse_snapshot, json.loads(stdout or b"[]") or ()))

    return _reading("snapshots", stdout, read)


def parse_forget(stdout: bytes) -> Decision:
    """Parse `forget --json`; groups by key, whatever order restic had them in.

    With `--prune` plain text follows the JSON; it is passed over.
    """
    line = stdout.lstrip().partition(b"\n")[0]

    def read() -> Decision:
        groups = map(_group, json.loads(line or b"[]") or ())
        return Decision(tuple(sorted(groups, key=lambda group: group.key)))

    return _reading("forget", stdout, read)


def parse_refusal(stderr: bytes) -> str:
    """Return the sentence with which `forget` refuses to remove anything; empty if it does not."""
    for line in messages(stderr):
        text = line.removeprefix("Fatal: ")
        if text.startswith(_REFUSALS):
            return text
    return ""


def parse_backup(status: int, stdout: bytes, stderr: bytes) -> Backup:
    """Parse the summary of `backup --json`."""
    summary: Mapping[str, Any] = {}
    for event in _events(stdout):
        if event.get("message_type") == "summary":
            summary = event
    complaints = tuple(messages(stderr))

    def read() -> Backup:
        return Backup(
            snapshot=str(summary.get("snapshot_id", "")),
            # Before 0.17 a source that is not there left the exit status at 0.
            complete=status == 0 and not any(c.endswith(_SKIPPED) for c in complaints),
            files_new=int(summary["files_new"]),
            files_changed=int(summary["files_changed"]),
            files_unmodified=int(summary["files_unmodified"]),
            processed_bytes=int(summary["total_bytes_processed"]),
            added_bytes=int(summary["data_added"]),
            duration_s=float(summary["total_duration"]),
            messages=complaints,
        )

    return _reading("backup", stdout, read)


def parse_restore(status: int, stderr: bytes) -> Restored:
    """Parse what a restore complained about; a status other than 0 always leaves a complaint."""
    complaints = tuple(messages(stderr))
    if status and not complaints:
        complaints = (f"restic ended with {status} and said nothing",)
    return Restored(complaints if status else ())


def parse_check(status: int, stdout: bytes, stderr: bytes) -> Checked:
    """Parse what `check` complained about; a status other than 0 always leaves a complaint."""
    complaints = [line for line in messages(stderr) if line]
    for event in _events(stdout):
        if event.get("num_errors"):
            complaints.append(f"{event['num_errors']} errors in the repository")
    if status and not complaints:
        complaints = [f"restic ended with {status} and said nothing"]
    return Checked(tuple(complaints) if status else ())


def parse_ls(stdout: bytes) -> Iterator[Listed]:
    """Yield every node of `ls --json`, in restic's order."""
    for event in _events(stdout):
        if event.get("struct_type", event.get("message_type")) == "node":
            yield Listed(str(event["path"]), str(event["type"]), int(event.get("size", 0)))


def parse_stats(stdout: bytes) -> Stats:
    """Parse `stats --json`."""

    def read() -> Stats:
        found = json.loads(stdout)
        return Stats(int(found["total_size"]), int(found.get("total_file_count", 0)))

    return _reading("stats", stdout, read)


def messages(stderr: bytes) -> Iterator[str]:
    """Yield what restic said, line by line, JSON lines (0.18+) turned into their message."""
    for line in without_stacks(stderr.decode(errors="replace")).splitlines():
        text = line.strip()
        if text.startswith("{"):
            text = without_stacks(_message(text))
        yield from (part.strip() for part in text.splitlines() if part.strip())


def _message(line: str) -> str:
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not isinstance(event, dict):
        return line
    error = event.get("error")
    text = event.get("message") or (error.get("message") if isinstance(error, dict) else error)
    if not isinstance(text, str):
        return line
    item = event.get("item")
    return f"{item}: {text}" if item else text


def _group(stored: Mapping[str, Any]) -> GroupDecision:
    key = GroupKey(
        str(stored.get("host") or ""),
        tuple(sorted(map(str, stored.get("paths") or ()))),
        tuple(sorted(map(str, stored.get("tags") or ()))),
    )
    keep = tuple(map(parse_snapshot, stored.get("keep") or ()))
    reasons = tuple(tuple(map(str, r["matches"])) for r in stored.get("reasons") or ())
    if len(reasons) != len(keep):
        raise ValueError(f"{len(keep)} kept snapshots with {len(reasons)} reasons")
    return GroupDecision(key, keep, reasons, tuple(map(parse_snapshot, stored.get("remove") or ())))


def _events(stdout: bytes) -> Iterator[dict[str, Any]]:
    # Progress, summary and, in older releases, lines of plain text.
    for line in stdout.splitlines():
        if line.startswith(b"{"):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def _reading(verb: str, stdout: bytes, read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_understood(verb, stdout) from error


def _not_understood(verb: str, stdout: bytes) -> CannotVerify:
    shown = stdout[:200].decode(errors="replace").strip() or "nothing"
    return CannotVerify(
        "restic",
        f"the answer to `restic {verb}` was not understood: {shown}",
        "see that the program is restic 0.11 or newer, and run the command by hand",
    )
