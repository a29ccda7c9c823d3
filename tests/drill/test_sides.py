"""What restic and the probe say, read to entries: exact names, failures, and answers that lie."""

from __future__ import annotations

import json
from typing import Any

import pytest

from verifier.core.errors import CannotVerify, NoSpace, ResticFailed
from verifier.core.host import Command, Completed
from verifier.core.snapshot import Snapshot, parse_instant
from verifier.drill.restore import Source, Unlistable
from verifier.drill.sides import is_lossy, parse_failures, parse_recorded, with_exact_names
from verifier.restic.commands import Access

NODE = {
    "struct_type": "node",
    "path": "/a",
    "type": "file",
    "size": 3,
    "mode": 0o644,
    "uid": 1,
    "gid": 2,
    "mtime": "2024-03-01T05:00:00.123456789+01:00",
    "ctime": "2024-03-01T04:00:00Z",
}
SNAPSHOT = Snapshot("ab" * 32, parse_instant("2024-03-01T04:00:00Z"), "web1", ("/a",))


def listing(*nodes: dict[str, Any]) -> bytes:
    """Write nodes as `ls --json` does, behind the line for the snapshot."""
    lines = [{"struct_type": "snapshot", "id": "x"}, *({**NODE, **node} for node in nodes)]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_a_node_keeps_its_nanoseconds_and_its_mode() -> None:
    (entry,) = parse_recorded(listing({"mode": 0o755 | 1 << 23 | 1 << 20}))

    assert entry.mtime_ns == 1_709_265_600_123_456_789
    assert entry.ctime_ns == 1_709_265_600_000_000_000
    assert entry.permissions == 0o5755


@pytest.mark.parametrize("ctime", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_a_ctime_that_was_never_recorded_is_none(ctime: str) -> None:
    (entry,) = parse_recorded(listing({"ctime": ctime}))

    assert entry.ctime_ns is None


def test_a_mode_of_zero_is_left_out_by_go() -> None:
    node = {key: value for key, value in NODE.items() if key != "mode"}
    (entry,) = parse_recorded(json.dumps(node).encode())

    assert entry.permissions == 0


@pytest.mark.parametrize(
    "wrong", [b"nonsense", b"[]", listing({"mtime": "yesterday"}), listing({"path": None})[:60]]
)
def test_a_listing_that_is_none_is_no_empty_snapshot(wrong: bytes) -> None:
    with pytest.raises(CannotVerify, match="was not understood"):
        parse_recorded(wrong)


def test_names_get_their_bytes_back_from_the_plain_listing() -> None:
    names = [b"/d", b"/d/\xfd\xfe", b"/d/\xff\n\xff", b"/d/e\xe2\x82f", "/\ufffd".encode()]
    lossy = ["/d", "/d/\ufffd\ufffd", "/d/\ufffd\n\ufffd", "/d/e\ufffd\ufffdf", "/\ufffd"]
    entries = parse_recorded(listing(*({"path": path} for path in lossy)))
    plain = b"snapshot ab of [/d] at 2024:\n" + b"".join(name + b"\n" for name in names)
    found = with_exact_names(entries, plain)

    assert is_lossy(entries)
    assert [e.path.encode(errors="surrogateescape") for e in found] == names


def test_listings_of_different_names_are_not_married() -> None:
    entries = parse_recorded(listing({"path": "/a"}, {"path": "/\ufffd"}))

    with pytest.raises(CannotVerify, match="list different names"):
        with_exact_names(entries, b"/a\n/b\xff\n")


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

    assert content == {"/s/a": "ciphertext verification failed"}


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

    assert content == {}
    assert metadata == (f"/s/a: {message}",)


class Canned:
    """A host on which every command ends so."""

    name = "here"

    def __init__(self, status: int, stderr: bytes) -> None:
        self.done = Completed(status, b"", stderr, 0.0)

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        """Return the canned answer."""
        return self.done


def source(status: int, stderr: bytes) -> Source:
    return Source(Canned(status, stderr), "restic", Access("/r", password="p"))


def test_a_full_disk_is_no_damage(tmp_path: Any) -> None:
    full = event("write /t/a: no space left on device")

    with pytest.raises(NoSpace):
        source(1, full).restore(SNAPSHOT, tmp_path)
    assert source(1, event("ciphertext verification failed")).restore(SNAPSHOT, tmp_path)


@pytest.mark.parametrize("status", [1, -9, 130])
def test_a_restore_that_ends_without_a_word_is_not_believed(status: int, tmp_path: Any) -> None:
    with pytest.raises(ResticFailed):
        source(status, b"Fatal: something else\n").restore(SNAPSHOT, tmp_path)


@pytest.mark.parametrize("said", [b"file is too short\nReadFull\nruntime.goexit\n\tasm.s:1\n", OLD])
def test_a_listing_that_fails_for_damage_is_a_value(said: bytes) -> None:
    assert isinstance(source(1, said).recorded(SNAPSHOT), Unlistable)


@pytest.mark.parametrize(
    ("status", "said"), [(1, b"connection reset by peer\n"), (12, b"wrong password\n"), (-9, b"")]
)
def test_a_listing_that_fails_otherwise_is_an_error(status: int, said: bytes) -> None:
    with pytest.raises(ResticFailed):
        source(status, said).recorded(SNAPSHOT)
