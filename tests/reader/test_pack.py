from __future__ import annotations

import hashlib
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from verifier.reader.damage import Flaw
from verifier.reader.entries import by_offset, decode, header_bytes
from verifier.reader.pack import (
    Blob,
    BlobReader,
    check_header,
    length_of_header,
    readable_length,
    render_header,
)
from verifier.reader.repository import open_repository
from verifier.reader.seal import Keys, seal
from verifier.reader.storage import pack_name

KEYS = Keys(bytes(32), bytes(16), bytes(16))


def entry(kind: int, length: int, plain_length: int | None, blob_id: bytes) -> bytes:
    plain = b"" if plain_length is None else plain_length.to_bytes(4, "little")
    return bytes([kind]) + length.to_bytes(4, "little") + plain + blob_id


def sealed_blob(content: bytes, **changes: object) -> tuple[bytes, Blob]:
    sealed = seal(content, KEYS, bytes(16))
    fields = {"length": len(sealed), "plain_length": 0, "type": "data", "pack": "", "offset": 0}
    blob_id = hashlib.sha256(content).hexdigest()
    return sealed, Blob(**({"id": blob_id} | fields | changes))


def header(sealed: bytes, length: int | None = None) -> bytes:
    return sealed + (len(sealed) if length is None else length).to_bytes(4, "little")


def test_header_lists_blobs_one_after_the_other():
    expected = entry(0, 40, None, b"a" * 32) + entry(3, 50, 900, b"b" * 32)
    blobs = [
        Blob((b"a" * 32).hex(), "data", "p", 0, 40, 0),
        Blob((b"b" * 32).hex(), "tree", "p", 40, 50, 900),
    ]

    assert expected == render_header(blobs)
    assert len(seal(expected, KEYS, bytes(16))) + 4 == length_of_header(2, 1)


def test_headers_of_real_packs_are_what_the_index_says(made):
    repository = open_repository(made.root, made.password)
    for pack in repository.index.packs:
        stored = (made.root / pack_name(pack)).read_bytes()
        entries = by_offset(repository.index.entries(pack))
        tail = stored[-header_bytes(entries) :]

        assert len(stored) == repository.index.pack_bytes(pack)
        assert check_header(tail, decode(entries, pack), BlobReader(repository.keys)) is None

        others = decode(entries[45:], pack)

        assert isinstance(check_header(tail, others, BlobReader(repository.keys)), Flaw)


@pytest.mark.parametrize("length", [0, 31, 68, 70, (1 << 32) - 1])
def test_header_of_another_length_than_it_says_is_flawed(length):
    blob = Blob("a" * 64, "data", "p", 0, 40, 0)
    sealed = seal(render_header([blob]), KEYS, bytes(16))

    assert check_header(header(sealed), [blob], BlobReader(KEYS)) is None

    found = check_header(header(sealed, length), [blob], BlobReader(KEYS))

    assert Flaw(f"claims a header of {length} bytes") == found


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_header_check(stored):
    assert isinstance(check_header(stored, [], BlobReader(KEYS)), Flaw)
    assert isinstance(check_header(header(stored), [], BlobReader(KEYS)), Flaw)


def test_blob_with_other_content_than_its_id_is_flawed():
    sealed, blob = sealed_blob(b"content")

    assert BlobReader(KEYS).open(sealed, blob) == b"content"

    sealed, blob = sealed_blob(b"content", id="0" * 64)

    assert isinstance(BlobReader(KEYS).open(sealed, blob), Flaw)


def test_compressed_blob_is_held_to_its_stated_length():
    frame = zstandard.compress(bytes(100))
    blob_id = hashlib.sha256(bytes(100)).hexdigest()
    sealed, blob = sealed_blob(frame, id=blob_id, plain_length=100)

    assert BlobReader(KEYS).open(sealed, blob) == bytes(100)

    sealed, blob = sealed_blob(frame, id=blob_id, plain_length=99)

    assert isinstance(BlobReader(KEYS).open(sealed, blob), Flaw)


@pytest.mark.parametrize("length", [0, 31, 1 << 31])
def test_absurd_lengths_are_not_readable(length):
    assert readable_length(sealed_blob(b"")[1])
    assert not readable_length(sealed_blob(b"", length=length)[1])


@given(st.binary(min_size=0, max_size=200), st.booleans())
def test_no_sealed_bytes_crash_a_blob(content, compressed):
    sealed = seal(content, KEYS, os.urandom(16))

    assert isinstance(
        BlobReader(KEYS).open(sealed, Blob("0" * 64, "data", "", 0, len(sealed), int(compressed))),
        Flaw,
    )
