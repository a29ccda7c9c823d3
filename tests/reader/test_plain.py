from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from verifier.reader.damage import Flaw
from verifier.reader.plain import decompress, parse_document


def unstated(content: bytes, **options: int) -> bytes:
    """Compress without saying how long the content is."""
    parameters = zstandard.ZstdCompressionParameters(write_content_size=0, **options)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(content) + stream.flush()


@given(st.binary(max_size=500))
def test_frames_read_back(content):
    stated = zstandard.ZstdCompressor().compress(content)

    assert content == decompress(stated, 500)
    assert content == decompress(unstated(content), 500)


@pytest.mark.parametrize("compress", [zstandard.compress, unstated])
def test_bomb_ends_at_the_limit_without_the_memory(compress):
    bomb = compress(bytes(64 << 20))
    tracemalloc.start()
    found = decompress(bomb, 1000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(bomb) < 10_000
    assert isinstance(found, Flaw)
    assert peak_bytes < 8 << 20


def test_frame_that_asks_for_a_vast_window_is_flawed():
    assert isinstance(decompress(unstated(b"x" * 100, window_log=27), 1000), Flaw)
    assert decompress(unstated(b"x" * 100, window_log=23), 1000) == b"x" * 100


def test_frame_that_lies_about_its_size_is_flawed():
    frame = bytearray(zstandard.compress(b"abc" * 30))
    frame[5] += 1

    assert isinstance(decompress(bytes(frame), 1000), Flaw)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parsers(stored):
    decompress(stored, 1000)
    parse_document(stored)
    parse_document(b"\x02" + stored)


@pytest.mark.parametrize(
    "stored",
    [b"", b"[]", b"7", b"\x02", b"\x03{}", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"nan"],
)
def test_anything_but_an_object_is_flawed(stored):
    assert parse_document(b'{"a": 1}') == {"a": 1}
    assert parse_document(b"\x02" + zstandard.compress(b"{}")) == {}
    assert isinstance(parse_document(stored), Flaw)
