"""What a manifest settles, and that nothing but a whole one is believed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drill.lab import PASSWORD, Lab
from verifier.core.entry import Entry
from verifier.core.snapshot import Snapshot
from verifier.core.tree import Node
from verifier.drill.manifest import (
    MAX_LINE_BYTES,
    ROTTEN_KEPT,
    Manifest,
    ManifestEntry,
    Side,
    content_sha256,
    load_manifest,
    read_manifest,
    settle,
)
from verifier.drill.manifest_script import Manifest as Script
from verifier.reader.damage import Damage, Flaw
from verifier.reader.repository import Repository, open_repository

AT = datetime(2026, 1, 5, 3, tzinfo=UTC)
FILE = Entry("/srv/a", "file", size=7, mtime_ns=10, ctime_ns=20)
SAID = ManifestEntry("/srv/a", 7, 10, 20, "good", AT)


@pytest.mark.parametrize(
    ("backup", "live", "side", "words"),
    [
        ("good", "good", Side.NEITHER, "both are what was read on 2026-01-05"),
        ("good", "bad", Side.LIVE, "the live file has rotted since"),
        ("bad", "good", Side.BACKUP, "the backup holds something else"),
        ("bad", "bad", Side.BOTH, "it had rotted before the backup"),
        ("bad", "worse", Side.BOTH, "it rotted twice"),
    ],
)
def test_the_hash_of_before_settles_which_side_is_bad(
    backup: str, live: str, side: Side, words: str
) -> None:
    settled = settle(FILE, backup, live, SAID)

    assert side is settled.side
    assert words in settled.sentence


@pytest.mark.parametrize(
    "entry",
    [
        None,
        ManifestEntry("/srv/a", 8, 10, 20, "good", AT),
        ManifestEntry("/srv/a", 7, 11, 20, "good", AT),
        ManifestEntry("/srv/a", 7, 10, 21, "good", AT),
    ],
    ids=["absent", "size", "mtime", "ctime"],
)
def test_hash_of_another_writing_settles_nothing(entry: ManifestEntry | None) -> None:
    assert Side.UNKNOWN is settle(FILE, "good", "bad", entry).side


def test_source_without_ctimes_is_judged_by_mtime() -> None:
    recorded = Entry("/srv/a", "file", size=7, mtime_ns=10, ctime_ns=None)

    assert Side.LIVE is settle(recorded, "good", "bad", SAID).side


def rendered(*records: dict[str, object], host: str = "web1") -> list[bytes]:
    """Return a whole manifest of these files, line by line."""
    header = {"manifest": 1, "algorithm": "sha256", "host": host, "started": "2026-01-05T03:00:00Z"}
    lines = [json.dumps(record).encode() + b"\n" for record in (header, *records)]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    return [*lines, json.dumps({"end": len(records), "sha256": digest}).encode() + b"\n"]


def record(path: str, **more: object) -> dict[str, object]:
    """Return a file's line."""
    stamp = {"size": 7, "mtime_ns": 10, "ctime_ns": 20, "inode": 5}
    return {"path": path, **stamp, "sha256": "good", "since": "2026-01-05T03:00:00Z", **more}


def test_only_wanted_and_rotten_files_are_kept() -> None:
    lines = rendered(record("/a"), record("/b", rotten="bad"), record("/c"), record("/d"))

    found = read_manifest(lines, {"/c", "/nowhere"})

    assert isinstance(found, Manifest)
    assert ("web1", AT, 4) == (found.host, found.started_at, found.count)
    assert {"/c": ManifestEntry("/c", 7, 10, 20, "good", AT)} == found.entries
    assert (ManifestEntry("/b", 7, 10, 20, "good", AT, "bad"),) == found.rotten


def test_file_that_was_not_read_has_no_entry() -> None:
    found = read_manifest(rendered({"path": "/a", "error": "EACCES"}), {"/a"})

    assert isinstance(found, Manifest)
    assert ({}, 1) == (found.entries, found.count)


def test_rotten_files_kept_are_bounded() -> None:
    many = (record(f"/{number:05}", rotten="bad") for number in range(ROTTEN_KEPT + 5))

    found = read_manifest(rendered(*many), ())

    assert isinstance(found, Manifest)
    assert ROTTEN_KEPT == len(found.rotten)


LINES = rendered(record("/a"), record("/b\udcff"), record("/c", rotten="bad"))
WHOLE = b"".join(LINES)


@given(st.integers(0, len(WHOLE) - len(LINES[-1]) - 1), st.integers(1, 255))
def test_one_altered_byte_spoils_a_manifest(at: int, by: int) -> None:
    altered = bytearray(WHOLE)
    altered[at] ^= by

    assert isinstance(read_manifest(LINES, {"/a"}), Manifest)
    assert isinstance(read_manifest(bytes(altered).splitlines(keepends=True), {"/a"}), Flaw)


@given(st.integers(0, len(WHOLE) - 2))
def test_truncated_manifest_is_not_believed(length: int) -> None:
    assert isinstance(read_manifest(WHOLE[:length].splitlines(keepends=True), {"/a"}), Flaw)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_lines_are_believed_that_are_none(lines: list[bytes]) -> None:
    assert isinstance(read_manifest(lines, {"/a"}), Flaw)


@pytest.mark.parametrize(
    "lines",
    [
        rendered(record("/a"))[:-1],
        [*rendered(record("/a")), b"{}\n"],
        rendered(record("/a"))[1:],
        rendered(record("/a", size=float("inf"))),
        rendered(record("/a", since="yesterday")),
        rendered(record("/a", mtime_ns=None)),
        rendered({"sha256": "good"}),
        [b"[" * 100_000 + b"\n"],
        [b"9" * 6_000 + b"\n"],
        rendered(record("/a"), record("/" + "b" * MAX_LINE_BYTES)),
    ],
    ids=["endless", "behind", "headless", "inf", "since", "null", "path", "deep", "long", "line"],
)
def test_hostile_manifest_is_a_flaw(lines: list[bytes]) -> None:
    assert isinstance(read_manifest(lines, {"/a"}), Flaw)


def test_manifest_of_another_algorithm_is_not_believed() -> None:
    header = {"manifest": 1, "algorithm": "md5", "host": "", "started": "2026-01-05T03:00:00Z"}
    line = json.dumps(header).encode() + b"\n"
    end = {"end": 0, "sha256": hashlib.sha256(line).hexdigest()}

    assert isinstance(read_manifest([line, json.dumps(end).encode()], ()), Flaw)


@pytest.fixture
def backed_up(lab: Lab) -> Lab:
    """A live tree of odd names, backed up with a manifest of its own."""
    lab.write(plan=b"the plan\n" * 400_000, **{"line\nbreak": b"newline", "notes": b"the notes"})
    (lab.live / "latin-\udce9").write_bytes(b"not UTF-8")
    Script([str(lab.live)], str(lab.live / "manifest"), host="web1").write()
    lab.backup()
    return lab


def opened(lab: Lab) -> tuple[Repository, Snapshot]:
    """Return the repository and its newest snapshot."""
    repository = open_repository(lab.repository, PASSWORD)
    return repository, repository.snapshots()[-1]


def test_manifest_is_read_out_of_the_snapshot_that_holds_it(backed_up: Lab) -> None:
    names = ("plan", "line\nbreak", "latin-\udce9", "notes")
    wanted = {str(backed_up.live / name): backed_up.live / name for name in names}

    found = load_manifest(*opened(backed_up), str(backed_up.live / "manifest"), wanted)

    assert isinstance(found, Manifest)
    assert {
        path: hashlib.sha256(file.read_bytes()).hexdigest() for path, file in wanted.items()
    } == {path: entry.sha256 for path, entry in found.entries.items()}


def test_backup_and_manifest_agree_on_every_file(backed_up: Lab) -> None:
    repository, snapshot = opened(backed_up)
    walked = [(path, node) for path, node in repository.walk(snapshot) if isinstance(node, Node)]
    files = {path: node for path, node in walked if node.type == "file"}
    path = str(backed_up.live / "manifest")

    found = load_manifest(repository, snapshot, path, files.keys())

    assert isinstance(found, Manifest)
    assert files.keys() - {path} == found.entries.keys()
    for path, entry in found.entries.items():
        node = files[path]
        assert (node.size, node.mtime_ns, node.ctime_ns) == (
            entry.size,
            entry.mtime_ns,
            entry.ctime_ns,
        )
        assert content_sha256(repository, node.content) == entry.sha256


@pytest.mark.parametrize("path", ["/nowhere/manifest", "{live}/absent", "{live}/notes/manifest"])
def test_snapshot_without_a_manifest_says_so(backed_up: Lab, path: str) -> None:
    assert load_manifest(*opened(backed_up), path.format(live=backed_up.live), ()) is None


def test_a_manifest_from_before_the_backup_before_is_stale(backed_up: Lab) -> None:
    path = backed_up.live / "manifest"
    first = backed_up.kinds(backed_up.drill(manifest=str(path)))
    header, *files = [json.loads(line) for line in path.read_bytes().splitlines()[:-1]]
    text = b"".join(
        json.dumps(line).encode() + b"\n"
        for line in ({**header, "started": "2020-01-01T00:00:00Z"}, *files)
    )
    end = {"end": len(files), "sha256": hashlib.sha256(text).hexdigest()}
    path.write_bytes(text + json.dumps(end).encode() + b"\n")
    backed_up.backup()
    old = backed_up.kinds(backed_up.drill(manifest=str(path)))
    Script([str(backed_up.live)], str(path), host="web1").write()
    backed_up.backup()
    new = backed_up.kinds(backed_up.drill(manifest=str(path)))

    assert ({}, {"/manifest": "stale-manifest"}, {}) == (first, old, new)


def test_file_that_is_no_manifest_is_damage(backed_up: Lab) -> None:
    found = load_manifest(*opened(backed_up), str(backed_up.live / "plan"), ())

    assert isinstance(found, Damage)
    assert found.what.endswith("is no manifest in line 1")


def test_damaged_blobs_are_named(backed_up: Lab) -> None:
    repository, snapshot = opened(backed_up)
    nodes = dict(repository.walk(snapshot))
    node = nodes[str(backed_up.live / "manifest")]
    assert isinstance(node, Node)
    healthy = content_sha256(repository, node.content)
    for blob in repository.index.find(node.content[0]):
        pack: Path = backed_up.repository / "data" / blob.pack[:2] / blob.pack
        stored = bytearray(pack.read_bytes())
        stored[blob.offset + 20] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(stored)

    found = load_manifest(repository, snapshot, str(backed_up.live / "manifest"), ())

    assert isinstance(healthy, str)
    assert isinstance(found, Damage)
    assert node.content[0] == found.blob
    assert found == content_sha256(repository, node.content)
