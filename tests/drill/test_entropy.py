"""Structure is told from noise, and an archive from noise that only looks like one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zipfile
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from verifier.drill.entropy import COMPRESSIBLE, SCRAMBLED, is_archive, measured_share

DRAW = random.Random(1)
TEXT = b" ".join(DRAW.choices([b"backup", b"restore", b"snapshot", b"pack", b"blob"], k=200_000))
NOISE = DRAW.randbytes(1 << 20)


def zipped(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr("content", content)
    return held.getvalue()


def office(content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("mimetype", "application/x", zipfile.ZIP_STORED)
        archive.writestr("content.xml", content, zipfile.ZIP_DEFLATED)
    return held.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "zip": zipped,
    "office": office,
}
packers = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())


def test_text_can_be_compressed_and_noise_cannot() -> None:
    text, noise = measured_share(TEXT[:65_536]), measured_share(NOISE[:65_536])

    assert text is not None
    assert text < COMPRESSIBLE
    assert noise is not None
    assert noise > SCRAMBLED


@pytest.mark.parametrize("length", [1_024, 4_096])
def test_short_text_can_be_compressed_too(length: int) -> None:
    share = measured_share(TEXT[:length])

    assert share is not None
    assert share < COMPRESSIBLE


@packers
def test_packed_text_is_an_archive(pack: Callable[[bytes], bytes]) -> None:
    assert is_archive(pack(TEXT)[: 1 << 20])


@packers
def test_packed_noise_is_none(pack: Callable[[bytes], bytes]) -> None:
    assert not is_archive(pack(NOISE)[: 1 << 20])


@packers
def test_noise_behind_the_magic_is_none(pack: Callable[[bytes], bytes]) -> None:
    assert not is_archive(pack(TEXT)[:12] + NOISE[:65_536])


def test_text_itself_is_no_archive() -> None:
    assert not is_archive(TEXT[:65_536])


@given(
    st.sampled_from([b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\3\4"]),
    st.binary(),
)
def test_no_content_breaks_the_look(magic: bytes, rest: bytes) -> None:
    assert is_archive(magic + rest) in {True, False}


@packers
def test_no_cut_breaks_the_look(pack: Callable[[bytes], bytes]) -> None:
    whole = pack(TEXT[:2_000])

    assert all(is_archive(whole[:end]) in {True, False} for end in range(len(whole)))
