"""Hostile bytes in a process that may take little memory: every one is answered, none is obeyed.

Goal: no input costs more than the documented limits, whatever it claims. Method: a child process
whose address space ends a little above what it starts with, so that a parser that believes a length
ends in MemoryError. What would turn it red: any `decompress` or `read` without its limit.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.reader.contents import check_pack
from verifier.reader.damage import Flaw
from verifier.reader.entries import parse_blob
from verifier.reader.index import Packed, parse_index
from verifier.reader.keys import parse_key_file
from verifier.reader.pack import Blob, BlobReader
from verifier.reader.plain import MAX_DOCUMENT_BYTES, decompress, parse_document
from verifier.reader.repository import open_repository
from verifier.reader.seal import Keys, seal
from verifier.reader.storage import Folder, pack_name
from verifier.reader.tree import parse_tree

ROOM_BYTES = 3 * MAX_DOCUMENT_BYTES
"""A document may come to its limit, and is there twice while its parts are joined."""

KEYS = Keys(bytes(32), bytes(16), bytes(16))
ID = "a" * 64


def confine() -> None:
    """Take no more address space than there is, and a little."""
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most_bytes = used_bytes + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))


@pytest.fixture(scope="module")
def confined():
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, confine) as executor:
        yield lambda function, *values: executor.submit(function, *values).result(60)


def vast_frame(claimed_bytes: int) -> bytes:
    """Return a frame whose header claims so much and that holds one block of nothing."""
    magic, single_segment = b"\x28\xb5\x2f\xfd", b"\xe0"
    return magic + single_segment + claimed_bytes.to_bytes(8, "little") + b"\x01\0\0"


def bomb(size_bytes: int) -> bytes:
    """Return zeros in a frame that does not say how many."""
    parameters = zstandard.ZstdCompressionParameters(write_content_size=0)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    step = bytes(1 << 20)
    parts = [stream.compress(step) for _ in range(size_bytes // len(step))]
    return b"".join([*parts, stream.flush()])


BOMB = bomb(1 << 30)
FRAMES = {
    "claims a terabyte": vast_frame(1 << 40),
    "claims all there is": vast_frame((1 << 64) - 3),
    "claims the limit": vast_frame(MAX_DOCUMENT_BYTES),
    "says nothing": BOMB,
    "is cut": BOMB[:-1],
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_bomb_is_flawed_wherever_it_stands(confined, frame):
    document = b"\x02" + frame
    sealed = seal(frame, KEYS, bytes(16))

    assert isinstance(confined(decompress, frame, MAX_DOCUMENT_BYTES), Flaw)
    assert isinstance(confined(parse_document, document), Flaw)
    assert isinstance(confined(parse_index, document), Flaw)
    assert isinstance(confined(parse_key_file, document), Flaw)
    for kind, plain_length in (("data", 64 << 20), ("data", (1 << 32) - 1), ("tree", 9)):
        blob = Blob(ID, kind, ID, 0, len(sealed), plain_length)

        assert isinstance(confined(open_blob, sealed, blob), Flaw)


def open_blob(sealed: bytes, blob: Blob) -> bytes | Flaw:
    return BlobReader(KEYS).open(sealed, blob)


def test_key_file_is_not_decompressed(confined):
    """Anybody who can write into a repository makes one, without knowing any key."""
    vast = b"[" + b"[]," * (MAX_DOCUMENT_BYTES // 3 - 2) + b"[]]"

    assert isinstance(confined(parse_key_file, b"\x02" + zstandard.compress(vast)), Flaw)


@pytest.mark.parametrize("text", [b"[" * (16 << 20), b'{"a":' * (4 << 20), b"9" * (16 << 20)])
def test_json_without_end_is_flawed(confined, text):
    assert isinstance(confined(parse_document, text), Flaw)
    assert isinstance(confined(parse_tree, text), Flaw)


def test_vast_files_are_not_read_into_memory(confined, tmp_path):
    """Sparse files of a terabyte in the place of each kind of file."""
    name = pack_name(ID)
    for file in (name, f"index/{ID}"):
        (tmp_path / file).parent.mkdir(parents=True)
        with (tmp_path / file).open("wb") as sparse:
            sparse.truncate(1 << 40)
    storage = Folder(tmp_path)

    assert isinstance(confined(storage.read_whole, f"index/{ID}", 1 << 20), Flaw)

    for blobs in (
        [],
        [entry(0, 1 << 20)],
        [entry(0, (1 << 32) - 1), entry((1 << 32) - 1, 1 << 31)],
    ):
        found = confined(check_pack, storage, KEYS, ID, b"".join(blobs))

        assert found.wounds


def entry(offset: int, length: int) -> bytes:
    """Return how the index lists a blob."""
    made = parse_blob({"id": ID, "type": "tree", "offset": offset, "length": length})

    assert made is not None

    return made


def test_memory_of_the_child_is_really_short(confined):
    with pytest.raises(MemoryError):
        confined(bytes, ROOM_BYTES + (64 << 20))


@pytest.fixture(scope="module")
def messages(tiny):
    """What the index, a snapshot and a tree of a real repository say, unsealed."""
    repository = open_repository(tiny.root, tiny.password)
    (index,) = repository.storage.list("index")
    tree = repository.blob(repository.snapshots()[0].tree)

    assert isinstance(tree, bytes)

    parse = {parse_tree: tree}
    document = repository._document(index)

    assert isinstance(document, dict)
    assert isinstance(parse_index(json.dumps(document).encode()), Packed)
    assert isinstance(parse_tree(tree), tuple)

    return parse | {parse_index: json.dumps(document).encode()}


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_change_to_a_real_message_crashes_its_parser(messages, data):
    """Bytes are replaced, taken out and put in, so that most of the JSON still parses."""
    for parse, message in messages.items():
        at = data.draw(st.integers(0, len(message)))
        until = data.draw(st.integers(at, min(len(message), at + 8)))
        put = data.draw(st.binary(max_size=4) | st.sampled_from([b"null", b"-1", b"1e99", b"[]"]))
        changed = message[:at] + put + message[until:]

        assert parse(changed) is not None


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_change_to_a_frame_crashes_or_passes_the_limit(data):
    frame = bytearray(zstandard.compress(b"some words " * 40 + bytes(range(20))))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    found = decompress(bytes(frame), 1_000)

    assert isinstance(found, Flaw) or len(found) <= 1_000
