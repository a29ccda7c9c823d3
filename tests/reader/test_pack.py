from __future__ import annotations

import hashlib
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from verifier.reader.damage import Flaw
from verifier.reader.pack import (
    MAX_HEADER_BYTES,
    Blob,
    header_bytes,
    open_blob,
    parse_header,
    parse_header_length,
    readable_length,
)
from verifier.reader.repository import open_repository
from verifier.reader.seal import Keys, seal, unseal
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


def test_header_lists_blobs_one_after_the_other():
    header = entry(0, 40, None, b"a" * 32) + entry(3, 50, 900, b"b" * 32)

    assert parse_header(header, "p") == (
        Blob((b"a" * 32).hex(), "data", "p", 0, 40, 0),
        Blob((b"b" * 32).hex(), "tree", "p", 40, 50, 900),
    )


def test_headers_of_real_packs_are_what_the_index_says(made):
    repository = open_repository(made.root, made.password)
    for pack in repository.index.packs:
        stored = (made.root / pack_name(pack)).read_bytes()
        listed = tuple(
            sorted(
                (blob for blob in repository.blobs() if blob.pack == pack), key=lambda b: b.offset
            )
        )
        length = parse_header_length(stored[-4:], len(stored))

        assert isinstance(length, int)
        assert header_bytes(listed) == length + 4

        header = unseal(stored[-4 - length : -4], repository.keys)

        assert isinstance(header, bytes)
        assert listed == parse_header(header, pack)


@pytest.mark.parametrize("header", [entry(4, 1, None, bytes(32)), b"\x00", b"\x02" + bytes(36)])
def test_malformed_header_is_flawed(header):
    assert isinstance(parse_header(header), Flaw)


@pytest.mark.parametrize("length", [0, 31, 97, 1 << 31, (1 << 32) - 1])
def test_header_that_does_not_fit_its_pack_is_flawed(length):
    assert parse_header_length((96).to_bytes(4, "little"), 100) == 96
    assert isinstance(parse_header_length(length.to_bytes(4, "little"), 100), Flaw)


def test_vast_header_is_flawed_even_in_a_vast_pack():
    tail = (MAX_HEADER_BYTES + 1).to_bytes(4, "little")

    assert isinstance(parse_header_length(tail, 1 << 32), Flaw)


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_header_parsers(header):
    parse_header(header)
    parse_header_length(header[-4:], len(header))


def test_blob_with_other_content_than_its_id_is_flawed():
    sealed, blob = sealed_blob(b"content")

    assert open_blob(sealed, blob, KEYS) == b"content"

    sealed, blob = sealed_blob(b"content", id="0" * 64)

    assert isinstance(open_blob(sealed, blob, KEYS), Flaw)


def test_compressed_blob_is_held_to_its_stated_length():
    frame = zstandard.compress(bytes(100))
    blob_id = hashlib.sha256(bytes(100)).hexdigest()
    sealed, blob = sealed_blob(frame, id=blob_id, plain_length=100)

    assert open_blob(sealed, blob, KEYS) == bytes(100)

    sealed, blob = sealed_blob(frame, id=blob_id, plain_length=99)

    assert isinstance(open_blob(sealed, blob, KEYS), Flaw)


@pytest.mark.parametrize("length", [0, 31, 1 << 31])
def test_absurd_lengths_are_not_readable(length):
    assert readable_length(sealed_blob(b"")[1])
    assert not readable_length(sealed_blob(b"", length=length)[1])


@given(st.binary(min_size=0, max_size=200), st.booleans())
def test_no_sealed_bytes_crash_a_blob(content, compressed):
    sealed = seal(content, KEYS, os.urandom(16))

    assert isinstance(
        open_blob(sealed, Blob("0" * 64, "data", "", 0, len(sealed), int(compressed)), KEYS), Flaw
    )
