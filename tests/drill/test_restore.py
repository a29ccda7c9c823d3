"""What a restore says, read to failures: content told from metadata, and answers not believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verifier.core.errors import NoSpace, ResticFailed
from verifier.core.host import Command, Completed
from verifier.core.snapshot import Snapshot, parse_instant
from verifier.drill.restore import Source, parse_failures
from verifier.restic.commands import Access

SNAPSHOT = Snapshot("ab" * 32, parse_instant("2024-03-01T04:00:00Z"), "web1", ("/a",))
OLD = b"ignoring error for /s/a: ciphertext verification failed\n"
OLD_AFTER = b"ignoring error for /s/a: UtimesNano: no such file or directory\n"


def event(message: str, item: str = "/s/a") -> bytes:
    """Return an error as releases since 0.16 print it."""
    line = {"message_type": "error", "error": {"message": message}, "item": item}
    return json.dumps(line).encode() + b"\n"


@pytest.mark.parametrize(
    "done",
    [
        Completed(1, b"restoring ...\n", OLD + OLD_AFTER + b"Fatal: There were 2 errors\n", 0),
        Completed(1, b"", event("ciphertext verification failed") + event("lchown /x: no"), 0),
        Completed(1, event("ciphertext verification failed"), b"{no json\n", 0),
    ],
)
def test_content_that_failed_is_told_from_metadata(done: Completed) -> None:
    content, _ = parse_failures(done)

    assert {"/s/a": "ciphertext verification failed"} == content


@pytest.mark.parametrize(
    "message",
    [
        "Lchown: lchown /t/a: operation not permitted",
        "UtimesNano: operation not permitted",
        "chmod /t/a: operation not permitted",
        "mknod /t/a: operation not permitted",
        "xattr.LSet /t/a user.k: operation not supported",
    ],
)
def test_what_fails_for_metadata_alone_loses_nothing(message: str) -> None:
    content, metadata = parse_failures(Completed(1, b"", event(message), 0))

    assert {} == content
    assert (f"/s/a: {message}",) == metadata


class Canned:
    """A host on which every command ends so; it remembers them."""

    name = "here"

    def __init__(self, status: int, stderr: bytes) -> None:
        self.done = Completed(status, b"", stderr, 0.0)
        self.ran: list[tuple[str, ...]] = []

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Return the canned answer."""
        self.ran.append(command.argv)
        return self.done


def source(status: int, stderr: bytes = b"") -> Source:
    """Return a repository whose restic ends so."""
    return Source(Canned(status, stderr), "restic", Access("/r", password="p"))


def test_a_full_disk_is_no_damage(tmp_path: Path) -> None:
    full = event("write /t/a: no space left on device")
    damage = event("ciphertext verification failed")

    with pytest.raises(NoSpace):
        source(1, full).restore(SNAPSHOT, tmp_path, include=[["/a"]])

    assert source(1, damage).restore(SNAPSHOT, tmp_path, include=[["/a"]])


@pytest.mark.parametrize("status", [1, -9, 130])
def test_a_restore_that_ends_without_a_word_is_not_believed(status: int, tmp_path: Path) -> None:
    said = b"Fatal: something else\n"

    with pytest.raises(ResticFailed):
        source(status, said).restore(SNAPSHOT, tmp_path, include=[["/a"]])


def included(groups: list[list[str]], tmp_path: Path) -> list[list[str]]:
    """Return the paths of each call."""
    asked = source(0)
    asked.restore(SNAPSHOT, tmp_path, include=groups)

    assert isinstance(asked.host, Canned)

    return [
        [word.removeprefix("--include=") for word in argv if word.startswith("--include=")]
        for argv in asked.host.ran
    ]


def test_nothing_asked_for_restores_nothing(tmp_path: Path) -> None:
    assert [] == included([], tmp_path)


@pytest.mark.parametrize("length", [1, 4000])
def test_no_call_is_too_long_and_no_group_is_split(length: int, tmp_path: Path) -> None:
    groups = [[f"/{'n' * length}{number}", f"/twin{number}"] for number in range(900)]
    calls = included(groups, tmp_path)

    assert [path for group in groups for path in group] == [path for call in calls for path in call]
    assert all(0 < sum(map(len, call)) <= 1 << 18 for call in calls)
    assert all(len(call) % 2 == 0 and len(call) <= 250 for call in calls)
